// What happens, live, newest first.
import type {JSX} from 'preact';
import {get} from './api';
import {address_of, facts_of, GROUPS, newest_of, title_of, type EventPage} from './events';
import {useRead} from './live';
import {replace, type Route} from './route';
import type {LogEvent} from './stream';
import {Card, Failure, Loading, Table, Time} from './ui';

const MOST = 200;

export function Events({query}: Route): JSX.Element {
  const filter = {types: query.get('types') ?? '', channel: query.get('channel') ?? '', device_id: query.get('device_id') ?? ''};
  const filtered = Object.values(filter).some((value) => value !== '');
  const {data, error} = useRead<LogEvent[]>('/events', filter, (signal) =>
    newest_of((since, limit) => get<EventPage>('/events', {...filter, since, limit}, signal), MOST, filtered));
  const show = (change: Partial<typeof filter>): void => replace(['events'], {...filter, ...change});
  return (
    <>
      <h1>Events</h1>
      <Card title="Newest first" aside={<span class="hint">the last {MOST}</span>}>
        <form class="search" onSubmit={(event) => event.preventDefault()}>
          <label>About <select value={filter.types} onChange={(event) => show({types: event.currentTarget.value})}>
            <option value="">everything</option>
            {GROUPS.map((name) => <option key={name} value={`${name}.*`}>{name}s</option>)}
            <option value="task.failed">failed updates</option>
            <option value="rollout.halted,rollout.stalled">halted or stalled rollouts</option>
          </select></label>
          <label>Channel <input value={filter.channel} placeholder="all" onChange={(event) => show({channel: event.currentTarget.value.trim()})} /></label>
          <label>Device <input value={filter.device_id} placeholder="all" onChange={(event) => show({device_id: event.currentTarget.value.trim()})} /></label>
        </form>
        <Failure error={error} />
        {!data && !error && <Loading what="the events" />}
        {data?.length === 0 && <p class="hint">Nothing of that happened lately.</p>}
        {data && data.length > 0 && <Table caption="events" head={['When', 'What', 'Of', 'More']}>{data.map(row)}</Table>}
      </Card>
    </>
  );
}

function row(event: LogEvent): JSX.Element {
  const address = address_of(event);
  return (
    <tr key={event.id}>
      <td><Time at={event.time} /></td>
      <td>{title_of(event)}</td>
      <td>{address ? <a href={address}>{event.subject}</a> : event.subject}</td>
      <td>{facts_of(event)}</td>
    </tr>
  );
}
