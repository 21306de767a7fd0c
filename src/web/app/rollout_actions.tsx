// What a person may do with a rollout, by its state (docs/fleet.md, States).
import type {JSX} from 'preact';
import {useState} from 'preact/hooks';
import {post} from './api';
import {devices} from './format';
import {go} from './route';
import type {OpenRollout, RolloutState, WholeRollout} from './types';
import {Action, Allowed, useMay} from './ui';

export type Step = 'pause' | 'resume' | 'advance' | 'finish' | 'cancel' | 'approve' | 'deny' | 'retry' | 'rollback';

const STEPS: Partial<Record<RolloutState, Step[]>> = {
  waiting_approval: ['approve', 'deny', 'advance', 'finish', 'cancel'],
  scheduled: ['cancel'],
  running: ['pause', 'advance', 'finish', 'cancel', 'rollback'],
  paused: ['resume', 'advance', 'finish', 'cancel', 'rollback'],
  halted: ['resume', 'retry', 'rollback', 'cancel'],
  completed: ['retry', 'rollback', 'cancel'],
};

export function steps_of(state: RolloutState): Step[] {
  return STEPS[state] ?? [];
}

const order = (id: string, step: Step, body: object = {}): Promise<unknown> => post(`/rollouts/${id}/${step}`, body);

/// Pause, resume and stop, for lists.
export function QuickActions({rollout}: {rollout: OpenRollout}): JSX.Element | null {
  if (!useMay('operator')) return null;
  const {rollout_id: id, state} = rollout;
  const steps = steps_of(state);
  return (
    <div class="buttons">
      {steps.includes('pause') && <Action label="Pause" act={() => order(id, 'pause')} />}
      {state === 'paused' && <Action label="Resume" primary act={() => order(id, 'resume')} />}
      {state !== 'halted' && steps.includes('cancel') && <Cancel rollout={rollout} />}
    </div>
  );
}

type Sizes = Pick<OpenRollout, 'rollout_id' | 'version' | 'buckets'>;

/// How many devices are before the gate of the rollout, past it, and done.
const sizes_of = ({buckets}: Sizes): {before: number; past: number; updated: number} => ({
  before: buckets.assigned + buckets.absent + buckets.staged, past: buckets.soaking + buckets.overdue, updated: buckets.healthy,
});

function Cancel({rollout}: {rollout: Sizes}): JSX.Element {
  const {rollout_id: id, version} = rollout;
  const {before, past, updated} = sizes_of(rollout);
  return <Action label="Cancel" danger act={() => order(id, 'cancel')} ask={{
    title: `Cancel the rollout of ${version}?`, yes: 'Cancel the rollout',
    text: <p>{devices(before)} will not be updated. {devices(past)} already installing can’t be stopped. {devices(updated)} keep {version}.</p>,
  }} />;
}

async function roll_back(id: string): Promise<void> {
  const made = await post<{rollout_id: string}>(`/rollouts/${id}/rollback`);
  go(['rollouts', made.rollout_id]);
}

export function RolloutActions({rollout}: {rollout: WholeRollout}): JSX.Element | null {
  const steps = steps_of(rollout.state);
  if (steps.length === 0) return null;
  return (
    <Allowed role="operator" what="change this rollout">
      <div class="buttons">{steps.map((step) => <StepButton key={step} step={step} rollout={rollout} />)}</div>
    </Allowed>
  );
}

function StepButton({step, rollout}: {step: Step; rollout: WholeRollout}): JSX.Element {
  const {rollout_id: id, buckets, version, channel, replaces} = rollout;
  const {before, past, updated} = sizes_of(rollout);
  const counts = <p>{devices(before)} before the gate, {devices(past)} past it, {devices(updated)} updated, {devices(buckets.failed)} failed.</p>;
  const act = (): Promise<unknown> => order(id, step);
  switch (step) {
    case 'pause': return <Action label="Pause" act={act} />;
    case 'approve': return <Action label="Approve" primary act={act} />;
    case 'deny': return <Action label="Deny" danger act={act} ask={{title: `Deny ${version}?`, text: <p>The rollout ends; {devices(before)} will not be updated.</p>, yes: 'Deny'}} />;
    case 'resume': return rollout.state === 'halted' ? <ResumeHalted rollout={rollout} /> : <Action label="Resume" primary act={act} />;
    case 'advance': return <Action label="Next stage now" act={act} ask={{
      title: 'Open the next stage now?', yes: 'Open it',
      text: <><p>The present stage counts as passed. The gate and the failure budget stay as they are.</p>{counts}</>,
    }} />;
    case 'finish': return <Action label="Finish" act={act} ask={{
      title: `Make ${version} the target now?`, yes: `Make it the target of ${channel}`,
      text: <><p>All devices of {channel} that are behind may get {version} from now on. The gate and the failure budget stay.</p>{counts}</>,
    }} />;
    case 'retry': return <Action label="Retry failed" act={act} ask={{
      title: `Try ${devices(buckets.failed + buckets.undelivered)} again?`, yes: 'Try again',
      text: <p>{devices(buckets.failed)} failed after the installation and {devices(buckets.undelivered)} before it. They get {version} once more.</p>,
    }} />;
    case 'cancel': return <Cancel rollout={rollout} />;
    case 'rollback': return <Action label="Roll back" danger act={() => roll_back(id)} ask={{
      title: `Roll back from ${version}${replaces ? ` to ${replaces}` : ''}?`, yes: 'Roll back',
      text: <><p>This rollout is cancelled, and a new one brings the devices that run {version} to {replaces ?? 'the target before it'}, through a canary stage and its own gate.</p>{counts}</>,
    }} />;
  }
}

/// A halted rollout goes on only with a larger budget, or after a retry.
function ResumeHalted({rollout}: {rollout: WholeRollout}): JSX.Element {
  const [budget, set_budget] = useState(String(rollout.budget * 2));
  return <Action label="Resume" act={() => order(rollout.rollout_id, 'resume', {max_failures: /^\d+$/.test(budget) ? Number(budget) : budget})} ask={{
    title: `Resume ${rollout.version}?`, yes: 'Resume',
    text: (
      <>
        <p>{devices(rollout.buckets.failed)} failed; the failure budget is {devices(rollout.budget)}. It can only go on with a larger one.</p>
        <label>New failure budget <input value={budget} inputMode="numeric" onInput={(event) => set_budget(event.currentTarget.value)} /></label>
        <p class="hint">A number of devices, or a percentage such as 2%.</p>
      </>
    ),
  }} />;
}
