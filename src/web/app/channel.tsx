// One channel: its targets and versions by hardware, and what an admin may change.
import type {JSX} from 'preact';
import {useState} from 'preact/hooks';
import {put, remove} from './api';
import {devices, number, percent, window_text} from './format';
import {useGet} from './live';
import {go, link_to, type Route} from './route';
import type {Channel} from './types';
import {Action, Allowed, Card, Failure, Loading, State, Table, Time, useMay} from './ui';
import {lines_of, windows_of} from './windows';

type Type = Channel['hardware'][number];

export function ChannelView({path}: Route): JSX.Element {
  const name = path[1] ?? '';
  const {data: channel, error} = useGet<Channel>(`/channels/${encodeURIComponent(name)}`);
  if (!channel) return error ? <Failure error={error} /> : <Loading what="the channel" />;
  return (
    <>
      <h1>Channel {channel.name}</h1>
      <Failure error={error} />
      <Facts channel={channel} />
      <Types channel={channel} />
      <Card title="Change"><Allowed role="admin" what="change this channel"><Change channel={channel} /></Allowed></Card>
    </>
  );
}

function Facts({channel}: {channel: Channel}): JSX.Element {
  const may = useMay('operator');
  const facts: [string, JSX.Element | string][] = [
    ['devices', <a href={link_to(['devices'], {where: [`channel=${channel.name}`]})}>{number(channel.devices.all)}</a>],
    ['seen lately', number(channel.devices.living)],
    ['installs', window_text(channel.window)],
    ['now', <>{channel.window_open ? 'open' : 'closed'}{channel.window_changes_at && <>, changes <Time at={channel.window_changes_at} /></>}</>],
    ['rollouts', channel.approval ? 'need another person’s approval' : 'start at once'],
    ['notes', channel.notes || 'none'],
  ];
  return (
    <Card title="Now" aside={may && <a class="button primary" href={link_to(['rollouts', 'new'], {channel: channel.name})}>Roll out here</a>}>
      <dl class="figures small">{facts.map(([name, value]) => <div key={name}><dt>{name}</dt><dd>{value}</dd></div>)}</dl>
      <ul class="rows">
        {channel.rollouts.map((rollout) => <li key={rollout.rollout_id}><span><a href={link_to(['rollouts', rollout.rollout_id])}>{rollout.version}</a> <State state={rollout.state} /></span></li>)}
      </ul>
      <p><a href={link_to(['rollouts'], {channel: channel.name})}>All rollouts here</a></p>
    </Card>
  );
}

const total = ({versions}: Type): number => versions.reduce((sum, {devices: count}) => sum + count, 0);

function Types({channel}: {channel: Channel}): JSX.Element {
  const may = useMay('admin');
  return (
    <Card title="Targets and versions">
      {channel.hardware.length === 0 && <p class="hint">No device follows it, and it has no target. A completed rollout sets one.</p>}
      {channel.hardware.length > 0 && (
        <Table caption="targets and versions by hardware" head={['Hardware', 'Target', 'Devices', 'They run', 'Do']}>
          {channel.hardware.map((type) => (
            <tr key={type.hardware ?? ''}>
              <td>{type.hardware ?? 'any'}</td>
              <td>{type.target ? <>{type.target.version}{type.target.rollout_id && <div class="hint">by <a href={link_to(['rollouts', type.target.rollout_id])}>{type.target.rollout_id}</a></div>}</> : 'none'}</td>
              <td>{number(total(type))}</td>
              <td>{type.versions.map(({version, pinned, devices: count}) =>
                <div key={`${version}${pinned}`}>{version ?? 'unknown'}: {number(count)} <span class="hint">{percent(count, total(type))}{pinned && ', pinned'}</span></div>)}</td>
              <td>{may && type.target && <DropTarget channel={channel.name} type={type} />}</td>
            </tr>
          ))}
        </Table>
      )}
    </Card>
  );
}

function DropTarget({channel, type}: {channel: string; type: Type}): JSX.Element {
  const path = `/channels/${encodeURIComponent(channel)}/targets/${encodeURIComponent(type.hardware ?? '*')}`;
  return <Action label="Remove target" danger act={() => remove(path)} ask={{
    title: `Remove the target ${type.target?.version}?`, yes: 'Remove the target',
    text: <p>{devices(total(type))} of {type.hardware ?? 'any hardware'} in {channel} get nothing until the next rollout there completes. What they run stays.</p>,
  }} />;
}

/// The form starts with what the channel has, and is the person's from then on.
function Change({channel}: {channel: Channel}): JSX.Element {
  const [form, set_form] = useState({windows: lines_of(channel.window), approval: channel.approval, notes: channel.notes});
  const [saved, set_saved] = useState(false);
  const path = `/channels/${encodeURIComponent(channel.name)}`;
  const change = (some: Partial<typeof form>): void => {
    set_form({...form, ...some});
    set_saved(false);
  };
  const save = async (): Promise<void> => {
    await put(path, {window: windows_of(form.windows), approval: form.approval, notes: form.notes});
    set_saved(true);
  };
  return (
    <form class="fields" onSubmit={(event) => event.preventDefault()}>
      <label class="wide">Hours in which devices may install, one window a line (empty: always)
        <textarea rows={2} value={form.windows} placeholder="sat,sun 23:00-04:00 Europe/Berlin" onInput={(event) => change({windows: event.currentTarget.value})} /></label>
      <label>Notes <input value={form.notes} onInput={(event) => change({notes: event.currentTarget.value})} /></label>
      <label class="check"><input type="checkbox" checked={form.approval} onChange={(event) => change({approval: event.currentTarget.checked})} /> another person must approve rollouts</label>
      <div class="wide buttons">
        <Action label="Save" primary act={save} />
        {saved && <span class="calm" role="status">✓ Saved.</span>}
        <Action label="Delete the channel" danger act={async () => { await remove(path); go(['channels']); }} ask={{
          title: `Delete the channel ${channel.name}?`, yes: 'Delete it',
          text: <p>{devices(channel.devices.all)} follow it. It is refused while a device or an open rollout needs it; move the devices first.</p>,
        }} />
      </div>
    </form>
  );
}
