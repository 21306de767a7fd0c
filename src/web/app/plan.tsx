// The figures of a dry run.
import type {JSX} from 'preact';
import {devices, number, window_text} from './format';
import type {Plan} from './types';
import {Table} from './ui';

const LEFT_OUT: [keyof Plan['left_out'], string][] = [
  ['pinned', 'pinned'], ['ahead', 'run a newer version'], ['same', 'run it already'], ['failed_before', 'failed it before'],
];

export function PlanView({plan}: {plan: Plan}): JSX.Element {
  const out = LEFT_OUT.filter(([name]) => plan.left_out[name] > 0);
  return (
    <div role="status">
      <p><b>{plan.version} to {devices(plan.eligible)}</b> of {number(plan.living)} in {plan.channel} that were seen lately{plan.replaces && `; it replaces ${plan.replaces.version}`}.</p>
      <p>It stops by itself when <b>{devices(plan.budget)}</b> failed. Installing: {window_text(plan.windows)}.</p>
      {out.length > 0 && <p class="hint">Left out: {out.map(([name, text]) => `${number(plan.left_out[name])} ${text}`).join(', ')}.</p>}
      {plan.warnings.map((warning) => <p key={warning} class="warning"><span aria-hidden="true">▲</span> {warning}</p>)}
      <Table caption="stages of the rollout" head={['Stage', 'Size', 'Devices up to then']}>
        {plan.stages.map((stage, index) => <tr key={index}><td>{index + 1}</td><td>{stage.size}</td><td>{number(stage.to)}</td></tr>)}
      </Table>
    </div>
  );
}
