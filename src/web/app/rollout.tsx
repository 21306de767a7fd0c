// One rollout: what it waits for, its stages, how it went over time, why devices failed, and which devices.
import type {JSX} from 'preact';
import {download, post} from './api';
import {BucketBar, BucketLegend} from './buckets';
import {devices, number, sentence, span, words} from './format';
import {useGet} from './live';
import {HALTS} from './needs';
import {RolloutActions} from './rollout_actions';
import {History, Members} from './rollout_devices';
import type {Route} from './route';
import {link_to} from './route';
import type {WholeRollout} from './types';
import {Action, Card, Failure, Loading, State, Table, Time, useMay} from './ui';

export function RolloutView({path, query}: Route): JSX.Element {
  const id = path[1] ?? '';
  const {data: rollout, error} = useGet<WholeRollout>(`/rollouts/${encodeURIComponent(id)}`);
  if (!rollout) return error ? <Failure error={error} /> : <Loading what="the rollout" />;
  return (
    <>
      <h1>{rollout.version} → {rollout.channel}{rollout.hardware ? ` · ${rollout.hardware}` : ''} <State state={rollout.state} /></h1>
      <Failure error={error} />
      <Progress rollout={rollout} />
      <div class="columns">
        <Stages rollout={rollout} />
        <Failures rollout={rollout} />
      </div>
      <History rollout={rollout} />
      <Members rollout={rollout} bucket={query.get('bucket')} reason={query.get('reason')} />
    </>
  );
}

/// The sentence that says what the rollout does now, or why it ended.
function status_text(rollout: WholeRollout): string {
  if (rollout.state === 'halted') {
    const why = HALTS[rollout.reason ?? ''] ?? words(rollout.reason ?? '');
    return `It halted by itself: ${why}. ${devices(rollout.buckets.failed)} failed, of at most ${number(rollout.budget)}. Nobody else gets it.`;
  }
  if (rollout.waiting_for.text) return sentence(rollout.waiting_for.text);
  if (rollout.state === 'completed') return `${rollout.version} is the target of ${rollout.channel}.`;
  if (rollout.ended_at) return `It ended${rollout.reason ? `: ${words(rollout.reason)}` : ''}.`;
  return 'It goes on by itself.';
}

function Progress({rollout}: {rollout: WholeRollout}): JSX.Element {
  const {buckets, rollout_id: id} = rollout;
  const figures: [string, JSX.Element | string][] = [
    ['healthy', `${number(buckets.healthy)} of ${number(rollout.total)}`],
    ['failure budget', `${number(buckets.failed + buckets.overdue)} of ${number(rollout.budget)}`],
    ['may install now', rollout.room === null ? 'no limit' : number(rollout.room)],
    ['per hour', String(rollout.rate_per_h)],
    ['done', rollout.ended_at ? <Time at={rollout.ended_at} /> : rollout.eta ? <Time at={rollout.eta} /> : '–'],
  ];
  return (
    <Card title="Now" class={rollout.state === 'halted' ? 'needs' : ''}>
      <p role="status"><b>{status_text(rollout)}</b>{rollout.waiting_for.until && <> (<Time at={rollout.waiting_for.until} />)</>}</p>
      <BucketBar buckets={buckets} total={rollout.total} stages={rollout.stages} />
      <BucketLegend id={id} buckets={buckets} />
      <dl class="figures">{figures.map(([name, value]) => <div key={name}><dt>{name}</dt><dd>{value}</dd></div>)}</dl>
      <RolloutActions rollout={rollout} />
      <p class="hint">
        <code>{id}</code> · made <Time at={rollout.created_at} /> by {rollout.created_by}
        {rollout.approved_by && ` · approved by ${rollout.approved_by}`}
        {rollout.replaces && ` · replaces ${rollout.replaces}`} · proof takes {span(rollout.soak_s)} · between stages {span(rollout.stage_delay_s)}
        {rollout.silent_since > 0 && ` · ${devices(rollout.silent_since)} updated and silent for a day`}
        {rollout.notes && ` · ${rollout.notes}`}
      </p>
    </Card>
  );
}

function Stages({rollout}: {rollout: WholeRollout}): JSX.Element {
  return (
    <Card title="Stages">
      <Table caption="stages" head={['Stage', 'Up to', 'In', 'Healthy', 'Failed', 'Opened', 'Passed']}>
        {rollout.stages.map((stage, index) => (
          <tr key={index} class={index + 1 === rollout.stage ? 'present' : ''}>
            <td>{index + 1}{index + 1 === rollout.stage && !rollout.ended_at && <span class="hint"> now</span>}</td>
            <td>{stage.to === null ? '–' : number(stage.to)} <span class="hint">{stage.size}{stage.skipped && ' skipped'}{stage.approve && ' after approval'}</span></td>
            <td>{stage.in === undefined ? '–' : number(stage.in)}</td>
            <td>{stage.healthy === undefined ? '–' : number(stage.healthy)}</td>
            <td>{stage.failed === undefined ? '–' : number(stage.failed)}</td>
            <td><Time at={stage.opened_at} never="not yet" /></td>
            <td><Time at={stage.passed_at} never="not yet" /></td>
          </tr>
        ))}
      </Table>
    </Card>
  );
}

function Failures({rollout}: {rollout: WholeRollout}): JSX.Element {
  const may = useMay('operator');
  const id = rollout.rollout_id;
  const report = <Action label="Report (CSV)" act={() => download(`/rollouts/${id}/report?limit=1000`, 'text/csv', `${id}.csv`)} />;
  return (
    <Card title="Why devices failed" aside={report}>
      {rollout.failures.length === 0 && <p class="hint">None did.</p>}
      <ul class="rows">
        {rollout.failures.map(({reason, count, devices: names}) => (
          <li key={reason}>
            <span><b>{words(reason)}</b>: {devices(count)}<br />
              <span class="hint">{names.slice(0, 3).map((name, index) => <>{index > 0 && ', '}<a key={name} href={link_to(['devices', name])}>{name}</a></>)}{count > 3 && ' …'}</span>
            </span>
            {may && !rollout.ended_at && <Action label="Try these again" act={() => post(`/rollouts/${id}/retry`, {reason})} ask={{
              title: `Try ${devices(count)} again?`, yes: 'Try again', text: <p>They failed with “{words(reason)}” and get {rollout.version} once more.</p>,
            }} />}
          </li>
        ))}
      </ul>
      {rollout.from.length > 1 && <p class="hint">By the version before: {rollout.from.map((from) => `${from.version ?? 'unknown'}: ${number(from.healthy)} healthy, ${number(from.failed)} failed`).join('; ')}</p>}
    </Card>
  );
}
