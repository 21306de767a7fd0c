// One device: first why it is or isn't updated, then how it is.
import type {JSX} from 'preact';
import {DeviceActions} from './device_actions';
import {bytes, percent, sentence, words} from './format';
import {useGet} from './live';
import {link_to, type Route} from './route';
import {TaskView} from './task';
import type {Device, Explanation, Page, Task} from './types';
import {Card, Failure, Loading, State, Table, Time} from './ui';

export function DeviceView({path}: Route): JSX.Element {
  const id = path[1] ?? '';
  const at = `/devices/${encodeURIComponent(id)}`;
  const {data: device, error} = useGet<Device>(at);
  const {data: why} = useGet<Explanation>(`${at}/explain`);
  const {data: tasks} = useGet<Page<Task>>('/tasks', {device_id: id, limit: 20});
  const history = tasks?.items ?? [];
  if (!device && !why) return error ? <Failure error={error} /> : <Loading what="the device" />;
  return (
    <>
      <h1>{id}</h1>
      {why && <Why why={why} />}
      {!device && <Failure error={error} />}
      {device && <Facts device={device} />}
      {device && <DeviceActions device={device} last={history[0]} />}
      {history[0] && <TaskView id={history[0].task_id} />}
      {history.length > 0 && <History tasks={history} id={id} />}
    </>
  );
}

function Why({why}: {why: Explanation}): JSX.Element {
  const good = why.verdict === 'up_to_date';
  return (
    <Card title={good ? 'It is up to date' : 'Why it isn’t updated'} class={good ? '' : 'needs'}>
      <p><b>{sentence(why.text)}</b></p>
      <p class="hint">
        runs {why.runs ?? 'an unknown version'}{why.should_run && `, should run ${why.should_run}`}{why.by && ` by ${why.by}`} · {words(why.verdict)}
        {why.next && <> · next: {why.next.what}{why.next.at && <> <Time at={why.next.at} /></>}</>}
      </p>
      <details>
        <summary>The checks, in their order</summary>
        <ul class="checks">
          {why.checks.map(({check, ok, detail}) =>
            <li key={check}><span class={ok ? 'good' : 'bad'}>{ok ? '✓ passed' : '✗ stops here'}</span> {words(check)}{detail && <span class="hint">: {detail}</span>}</li>)}
        </ul>
      </details>
    </Card>
  );
}

function Facts({device}: {device: Device}): JSX.Element {
  const {link} = device;
  const rtt = link.measured.rtt_ms ?? link.rtt_ms;
  const loss = link.measured.loss ?? link.loss;
  const quality = [link.verdict, link.transport?.toUpperCase(), rtt !== null && `${Math.round(rtt)} ms`,
    loss !== null && `${(loss * 100).toFixed(1)} % loss`, link.measured.rate && `${bytes(link.measured.rate)}/s`,
    link.rssi !== null && `${link.rssi} dBm`].filter(Boolean).join(' · ');
  const facts: [string, JSX.Element | string][] = [
    ['seen', <Time at={device.last_seen} />],
    ['runs', `${device.current_version ?? 'unknown'}${device.current_version && !device.version_confirmed ? ' (not confirmed)' : ''}`],
    ['hardware', device.hardware ?? 'unknown'],
    ['channel', `${device.channel}${device.pinned ? ', pinned' : ''}`],
    ['link', quality],
    ['troubles', `${link.stalls} stalls, ${link.mismatches} wrong chunks, ${link.cut_replies} cut replies`],
    ['tags', Object.entries(device.tags).map(([name, value]) => `${name}=${value}`).join(' ') || 'none'],
    ['registered', `${device.registered ? 'by an operator' : 'by itself'}${device.has_token ? ', has a token' : ''}`],
    ['known', <Time at={device.created_at} />],
  ];
  return (
    <Card title="The device">
      <dl class="figures small">{facts.map(([name, value]) => <div key={name}><dt>{name}</dt><dd>{value}</dd></div>)}</dl>
    </Card>
  );
}

function History({tasks, id}: {tasks: Task[]; id: string}): JSX.Element {
  return (
    <Card title="Updates" aside={<span class="hint">the last {tasks.length}</span>}>
      <Table caption="updates of the device" head={['Version', 'From', 'State', 'What it says', 'Sent', 'When', 'By']}>
        {tasks.map((task) => (
          <tr key={task.task_id}>
            <td><a href={link_to(['tasks', task.task_id])}>{task.firmware_version}</a></td>
            <td>{task.from_version ?? 'unknown'}</td>
            <td><State state={task.state} /></td>
            <td>{[task.reason && words(task.reason), task.detail].filter(Boolean).join(': ')}</td>
            <td>{bytes(task.progress.bytes_sent)} <span class="hint">{percent(task.progress.bytes, task.progress.size)}</span></td>
            <td><Time at={task.ended_at ?? task.created_at} /></td>
            <td>{task.created_by ?? id}</td>
          </tr>
        ))}
      </Table>
    </Card>
  );
}
