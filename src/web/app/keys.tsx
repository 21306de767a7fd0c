// API keys: who may do what, until when; for admins. A secret is shown once, where it is made.
import type {JSX} from 'preact';
import {useContext, useState} from 'preact/hooks';
import {patch, post, remove} from './api';
import {useGet, useNow} from './live';
import type {Key, NewKey} from './schema';
import type {Role} from './types';
import {Action, Allowed, Card, Failure, Loading, Secret, Session, Table, Time} from './ui';

const ROLES: Role[] = ['viewer', 'operator', 'admin'];
const HOUR = 3600;

/// The lines of a text field as conditions.
const scope_of = (text: string): string[] => text.split('\n').map((line) => line.trim()).filter((line) => line !== '');

/// What a date field says, in the viewer's zone; empty: never.
const end_of = (text: string): string | null => text ? new Date(text).toISOString() : null;

export function Keys(): JSX.Element {
  return <><h1>API keys</h1><Allowed role="admin" what="see API keys"><All /></Allowed></>;
}

function All(): JSX.Element {
  const {data, error} = useGet<{items: Key[]}>('/keys');
  const [made, set_made] = useState<NewKey>();
  const keys = data?.items ?? [];
  const admins = keys.filter(({role}) => role === 'admin').length;
  return (
    <>
      <Card title="Keys">
        <Failure error={error} />
        {made && <Secret what={`The secret of ${made.name}`} text={made.key} hide={() => set_made(undefined)} />}
        {!data && !error && <Loading what="the keys" />}
        {data && keys.length === 0 && <p class="hint">There are none.</p>}
        {keys.length > 0 && (
          <Table caption="API keys" head={['Name', 'Role', 'Devices', 'Last used', 'Ends', 'Made', 'Do']}>
            {keys.map((key) => (
              <tr key={key.name}>
                <td>{key.name}</td><td>{key.role}</td><td>{key.scope.length > 0 ? key.scope.join(', ') : 'all'}</td>
                <td><Time at={key.last_used} /></td><td><End one={key} /></td><td><Time at={key.created_at} /></td>
                <td><Do one={key} last={key.role === 'admin' && admins === 1} made={set_made} /></td>
              </tr>
            ))}
          </Table>
        )}
      </Card>
      <Card title="New key"><Add made={set_made} /></Card>
    </>
  );
}

function End({one: {expires_at: end, former_until: former}}: {one: Key}): JSX.Element {
  const now = useNow();
  return (
    <>
      {end && Date.parse(end) <= now ? <span class="bad">■ ended <Time at={end} /></span> : <Time at={end} />}
      {former && Date.parse(former) > now && <div class="hint">the secret before ends <Time at={former} /></div>}
    </>
  );
}

function Do({one, last, made}: {one: Key; last: boolean; made: (key: NewKey) => void}): JSX.Element {
  const me = useContext(Session);
  const [grace, set_grace] = useState('24');
  const [end, set_end] = useState('');
  const path = `/keys/${encodeURIComponent(one.name)}`;
  const own = one.name === me.name && me.auth_required;
  const warning = (
    <>
      {own && <p class="warning">▲ It is the key of this page.</p>}
      {last && <p class="warning">▲ It is the only key of an admin: further keys are then made on the server, by otad keys add.</p>}
    </>
  );
  return (
    <div class="buttons">
      <Action label="Rotate" act={async () => made(await post<NewKey>(`${path}/rotate`, {grace_s: Math.round(Number(grace) * HOUR)}))} ask={{
        title: `Give ${one.name} a new secret?`, yes: 'Rotate',
        text: <>{own && warning}<label>The present one works for <input type="number" min="0" max="720" step="any" value={grace} onInput={(event) => set_grace(event.currentTarget.value)} /> more hours</label></>,
      }} />
      <Action label="End" act={() => patch(path, {expires_at: end_of(end)})} ask={{
        title: `When does ${one.name} end?`, yes: 'Set the end',
        text: <>{warning}<label>From then on it is refused <input type="datetime-local" value={end} onInput={(event) => set_end(event.currentTarget.value)} /></label><p class="hint">In your zone. Empty: never.</p></>,
      }} />
      <Action label="Remove" danger act={() => remove(path)} ask={{
        title: `Remove the key ${one.name}?`, yes: 'Remove it',
        text: <>{warning}<p>One key, role {one.role}, last used <Time at={one.last_used} />. It is refused from now on, for good.</p></>,
      }} />
    </div>
  );
}

const EMPTY = {name: '', role: 'viewer' as Role, scope: '', end: ''};

function Add({made}: {made: (key: NewKey) => void}): JSX.Element {
  const [form, set_form] = useState(EMPTY);
  const add = async (): Promise<void> => {
    const {name, role, scope, end} = form;
    made(await post<NewKey>('/keys', {name, role, scope: scope_of(scope), expires_at: end_of(end)}));
    set_form(EMPTY);
  };
  return (
    <form class="fields" onSubmit={(event) => event.preventDefault()}>
      <label>Name <input value={form.name} placeholder="who or what uses it" onInput={(event) => set_form({...form, name: event.currentTarget.value.trim()})} /></label>
      <label>Role <select value={form.role} onChange={(event) => set_form({...form, role: event.currentTarget.value as Role})}>
        {ROLES.map((role) => <option key={role}>{role}</option>)}
      </select></label>
      <label>Ends (empty: never) <input type="datetime-local" value={form.end} onInput={(event) => set_form({...form, end: event.currentTarget.value})} /></label>
      <label class="wide">Only devices that meet all of these conditions, one a line
        <textarea rows={2} value={form.scope} placeholder="tag.site=berlin" onInput={(event) => set_form({...form, scope: event.currentTarget.value})} /></label>
      <div class="wide"><Action label="Make the key" primary act={add} /></div>
    </form>
  );
}
