// Why updates failed.
import type {JSX} from 'preact';
import {get_all} from './api';
import {number, words} from './format';
import {group_failures} from './failures';
import {useRead} from './live';
import {link_to, replace, type Route} from './route';
import type {Task} from './types';
import {Card, Failure, Loading, Table, Time} from './ui';

const MOST = 1000;
const SPANS: [string, string][] = [['1', 'the last day'], ['7', 'the last week'], ['30', 'the last 30 days'], ['', 'all that is kept']];

export function Failures({query}: Route): JSX.Element {
  const days = query.get('days') ?? '7';
  const version = query.get('version') ?? '';
  // By the whole hour, so that the address of what is read stays the same for a while.
  const since = days ? new Date(Math.floor(Date.now() / 3_600_000) * 3_600_000 - Number(days) * 86_400_000).toISOString() : '';
  const wanted = {state: 'failed', version, where: since ? [`created_at>=${since}`] : []};
  const {data, error} = useRead<Task[]>('/tasks', wanted, (signal) => get_all<Task>('/tasks', wanted, MOST, signal));
  return (
    <>
      <h1>Failures</h1>
      <Card title="By what the devices said">
        <form class="search">
          <label>Updates of <select value={days} onChange={(event) => replace(['failures'], {days: event.currentTarget.value || ' ', version})}>
            {SPANS.map(([value, name]) => <option key={value} value={value}>{name}</option>)}
          </select></label>
          <label>Version <input value={version} placeholder="all" onChange={(event) => replace(['failures'], {days, version: event.currentTarget.value.trim()})} /></label>
        </form>
        <Failure error={error} />
        {!data && !error && <Loading what="the failures" />}
        {data && <Groups tasks={data} />}
      </Card>
    </>
  );
}

function Groups({tasks}: {tasks: Task[]}): JSX.Element {
  const groups = group_failures(tasks);
  if (groups.length === 0) return <p class="calm">✓ No update failed.</p>;
  return (
    <>
      {tasks.length >= MOST && <p class="hint">Of the newest {number(MOST)}.</p>}
      <Table caption="failures" head={['What they said', 'Reason', 'Updates', 'Devices', 'Versions', 'Hardware', 'Last']}>
        {groups.map((group) => (
          <tr key={group.reason + group.text}>
            <td>{group.text}</td>
            <td>{words(group.reason)}</td>
            <td>{number(group.count)}</td>
            <td>{group.devices.map((id, index) => <>{index > 0 && ', '}<a key={id} href={link_to(['devices', id])}>{id}</a></>)}{group.count > group.devices.length && ' …'}</td>
            <td>{group.versions.join(', ')}</td>
            <td>{group.hardware.join(', ') || 'any'}</td>
            <td><Time at={group.last} /></td>
          </tr>
        ))}
      </Table>
    </>
  );
}
