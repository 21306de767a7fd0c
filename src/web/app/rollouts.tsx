// All rollouts, newest first.
import type {JSX} from 'preact';
import {BucketBar} from './buckets';
import {number} from './format';
import {List} from './list';
import {link_to, replace, type Route} from './route';
import type {Rollout} from './types';
import {Allowed, Card, State, Time} from './ui';

const STATES = ['running', 'halted', 'waiting_approval', 'scheduled', 'paused', 'completed', 'cancelled', 'expired', 'superseded'];

export function Rollouts({query}: Route): JSX.Element {
  const state = query.get('state') ?? '';
  const channel = query.get('channel') ?? '';
  const aside = <Allowed role="operator" what="start a rollout"><a class="button primary" href={link_to(['rollouts', 'new'])}>New rollout</a></Allowed>;
  return (
    <>
      <h1>Rollouts</h1>
      <Card title="Newest first" aside={aside}>
        <form class="search">
          <label>State <select value={state} onChange={(event) => replace(['rollouts'], {state: event.currentTarget.value, channel})}>
            <option value="">all</option>
            {STATES.map((name) => <option key={name} value={name}>{name.replaceAll('_', ' ')}</option>)}
          </select></label>
          <label>Channel <input value={channel} placeholder="all" onChange={(event) => replace(['rollouts'], {state, channel: event.currentTarget.value.trim()})} /></label>
        </form>
        <List<Rollout> path="/rollouts" query={{state, channel}} caption="rollouts" empty="No rollout matches."
          head={['Version', 'Channel', 'State', 'Devices', 'Healthy', 'Failed', 'Started', 'By']} row={row} />
      </Card>
    </>
  );
}

function row(rollout: Rollout): JSX.Element {
  return (
    <tr key={rollout.rollout_id}>
      <td><a href={link_to(['rollouts', rollout.rollout_id])}>{rollout.version}</a></td>
      <td>{rollout.channel}{rollout.hardware && ` · ${rollout.hardware}`}</td>
      <td><State state={rollout.state} />{rollout.reason && <div class="hint">{rollout.reason.replaceAll('_', ' ')}</div>}</td>
      <td><BucketBar buckets={rollout.buckets} total={rollout.total} stages={rollout.stages} /></td>
      <td>{number(rollout.buckets.healthy)} of {number(rollout.total)}</td>
      <td>{number(rollout.buckets.failed)}</td>
      <td><Time at={rollout.started_at} never="not yet" /></td>
      <td>{rollout.created_by}</td>
    </tr>
  );
}
