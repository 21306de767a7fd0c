// The settings in force: what each is, what set it, and what a change of it takes; for admins.
import type {JSX} from 'preact';
import {useGet} from './live';
import {replace, type Route} from './route';
import type {Setting, SettingValue} from './schema';
import {Allowed, Card, Failure, Loading, Table} from './ui';

export function value_text(value: SettingValue): string {
  if (Array.isArray(value)) return value.length > 0 ? value.join(', ') : 'none';
  return value === null || value === '' ? 'none' : String(value);
}

/// Those that have each of the words in their name or description; `set`: only those that somebody set.
export function matching(settings: Setting[], find: string, set: boolean): Setting[] {
  const words = find.toLowerCase().split(/\s+/).filter((word) => word !== '');
  return settings.filter(({key, description, source, needs_restart}) => {
    const text = `${key} ${description}`.toLowerCase();
    return (!set || source !== 'default' || needs_restart) && words.every((word) => text.includes(word));
  });
}

export function Settings({query}: Route): JSX.Element {
  return <><h1>Settings</h1><Allowed role="admin" what="see the settings in force"><InForce query={query} /></Allowed></>;
}

function InForce({query}: {query: URLSearchParams}): JSX.Element {
  const {data, error} = useGet<{items: Setting[]}>('/settings');
  const find = query.get('find') ?? '';
  const set = query.get('set') === 'true';
  const show = (change: {find?: string; set?: boolean}): void => {
    const next = {find, set, ...change};
    replace(['settings'], {find: next.find, set: next.set || undefined});
  };
  const all = data?.items ?? [];
  const shown = matching(all, find, set);
  const waiting = all.filter(({needs_restart}) => needs_restart).length;
  return (
    <Card title="In force" aside={data && <span class="hint" role="status">{shown.length} of {all.length}</span>}>
      <form class="search" role="search" onSubmit={(event) => event.preventDefault()}>
        <label class="grow">Find <input type="search" value={find} placeholder="a word of its name or description" onInput={(event) => show({find: event.currentTarget.value})} /></label>
        <label class="check"><input type="checkbox" checked={set} onChange={(event) => show({set: event.currentTarget.checked})} /> only those that were set</label>
      </form>
      <p class="hint">Changed in the settings file or the environment of otad. “Reload” is systemctl reload otad.</p>
      {waiting > 0 && <p class="warning"><span aria-hidden="true">▲</span> {waiting === 1 ? '1 change waits' : `${waiting} changes wait`} for a restart.</p>}
      <Failure error={error} />
      {!data && !error && <Loading what="the settings" />}
      {data && shown.length === 0 && <p class="hint">None matches.</p>}
      {shown.length > 0 && <Table caption="settings" head={['Setting', 'Value', 'Default', 'Set by', 'Applied by']}>{shown.map(row)}</Table>}
    </Card>
  );
}

function row(one: Setting): JSX.Element {
  return (
    <tr key={one.key}>
      <td><code>{one.key}</code><div class="hint">{one.description}</div></td>
      <td>
        {one.hidden ? <span class="hint">{one.source === 'default' ? 'none' : 'set, not shown'}</span> : one.source === 'default' ? value_text(one.value) : <b>{value_text(one.value)}</b>}
        {one.needs_restart && <div class="warning">▲ {one.hidden ? 'another' : value_text(one.after_restart)} after a restart</div>}
      </td>
      <td>{value_text(one.default)}</td>
      <td>{one.source === 'default' ? 'default' : <code>{one.place}</code>}</td>
      <td>{one.live ? 'reload' : 'restart'}</td>
    </tr>
  );
}
