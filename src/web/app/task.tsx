// One update of a device: its timeline, the chunks as squares, the speed, and what its installation printed.
import type {JSX} from 'preact';
import {get_all, post} from './api';
import {bytes, clock, exact, number, sentence, words} from './format';
import {useGet, useRead} from './live';
import {Plot} from './plot';
import {link_to, type Route} from './route';
import {rates_of, squares_of} from './transfer';
import type {LogEntry, WholeTask} from './types';
import {Action, Card, Failure, Loading, State, Table, Time, useMay} from './ui';

const MOST_LOG = 2000;
const SHORTEST_PLOT_S = 3;

export function TaskPage({path}: Route): JSX.Element {
  return <><h1>Update {path[1]}</h1><TaskView id={path[1] ?? ''} whole /></>;
}

export function TaskView({id, whole = false}: {id: string; whole?: boolean}): JSX.Element {
  const at = `/tasks/${encodeURIComponent(id)}`;
  const {data: task, error} = useGet<WholeTask>(at);
  const {data: log} = useRead<LogEntry[]>(`${at}/log`, {}, (signal) => get_all<LogEntry>(`${at}/log`, {}, MOST_LOG, signal));
  if (!task) return error ? <Failure error={error} /> : <Loading what="the update" />;
  const entries = log ?? [];
  return (
    <>
      <Card title={`Update to ${task.firmware_version}`} aside={<State state={task.state} />}>
        {whole && <p>of <a href={link_to(['devices', task.device_id])}>{task.device_id}</a></p>}
        <p>{sentence(task.explanation)}</p>
        <Timeline task={task} />
        {task.detail && <><h3>What the device said</h3><pre>{task.detail}</pre></>}
      </Card>
      <Transfer task={task} entries={entries} />
      {whole && <Log entries={entries} />}
    </>
  );
}

function Timeline({task}: {task: WholeTask}): JSX.Element {
  return (
    <ol class="timeline" aria-label="Timeline">
      {task.timeline.filter(({state}) => state).map((entry, index) => (
        <li key={index} class={entry.state ?? ''}>
          <b>{words(entry.state ?? '')}</b> <time dateTime={entry.at} title={exact(entry.at)}>{clock(entry.at)}</time>
          <span class="hint">{entry.attempt > 1 && ` attempt ${entry.attempt}`}{entry.reason && ` ${words(entry.reason)}`}</span>
        </li>
      ))}
    </ol>
  );
}

function Transfer({task, entries}: {task: WholeTask; entries: LogEntry[]}): JSX.Element {
  const {progress} = task;
  const {times, rates} = rates_of(entries);
  return (
    <Card title="Transfer" aside={<span class="hint">{bytes(progress.bytes)} of {bytes(progress.size)}, {progress.percent} %{progress.rate > 0 && `, ${bytes(progress.rate)}/s`}</span>}>
      <div class="squares" role="img" aria-label={`${number(progress.chunks)} of ${number(progress.chunk_count)} chunks arrived`}>
        {squares_of(progress.chunk_count, progress.chunks, entries).map(({square, first, last}) =>
          <i key={first} class={square} title={`${first === last ? `chunk ${first}` : `chunks ${first} to ${last}`}: ${square}`} />)}
      </div>
      <p class="hint key">{[['http', 'over HTTP'], ['mqtt', 'over MQTT'], ['missing', 'missing'], ['wrong', 'wrong']].map(([name, text]) => <><span key={name}><i class={name} /> {text}</span> </>)}· {bytes(progress.bytes_sent)} sent</p>
      {(times[times.length - 1] ?? 0) - (times[0] ?? 0) >= SHORTEST_PLOT_S && <Plot title="Speed" times={times} lines={[{label: 'speed', color: '--v1', values: rates, fill: true}]} format={(value) => `${bytes(value)}/s`} />}
    </Card>
  );
}

function Log({entries}: {entries: LogEntry[]}): JSX.Element {
  return (
    <Card title="Transfer log" aside={<span class="hint">the first {number(MOST_LOG)} entries at most</span>}>
      <Table caption="transfer log" head={['When', 'What', 'Chunks', 'Bytes', 'Speed', 'Over', 'By']}>
        {entries.map((entry) => (
          <tr key={entry.id}>
            <td><Time at={entry.at} /></td>
            <td>{words(entry.event ?? entry.kind)}{entry.reason && <span class="hint"> {words(entry.reason)}</span>}{entry.detail && <div>{entry.detail}</div>}</td>
            <td>{entry.chunks.slice(0, 5).map(([first, last]) => first === last ? first : `${first}–${last}`).join(', ')}{entry.chunks.length > 5 && ' …'}</td>
            <td>{entry.bytes > 0 && bytes(entry.bytes)}</td>
            <td>{entry.rate > 0 && `${bytes(entry.rate)}/s`}</td>
            <td>{entry.transport ?? ''}</td>
            <td>{entry.by}</td>
          </tr>
        ))}
      </Table>
    </Card>
  );
}

/// Beside a failed task in lists.
export function RetryTask({id}: {id: string}): JSX.Element | null {
  return useMay('operator') ? <Action label="Try again" act={() => post(`/tasks/${id}/retry`)} /> : null;
}
