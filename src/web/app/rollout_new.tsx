// A new rollout: choose, see what it would do, start.
import type {JSX} from 'preact';
import {useEffect, useState} from 'preact/hooks';
import {post, Problem} from './api';
import {devices} from './format';
import {useGet} from './live';
import {PlanView} from './plan';
import {go, type Route} from './route';
import type {Channel, Firmware, Page, Plan, RolloutOrder} from './types';
import {Card, Failure, Loading, useMay} from './ui';

export interface Form {
  firmware: string; channel: string; stages: string; max_failures: string; soak_min: string; delay_min: string;
  where: string; notes: string; supersede: boolean; force: boolean; ignore_window: boolean;
}

/// A number of devices, or a text such as `10%`.
const size_of = (text: string): string | number => /^\d+$/.test(text) ? Number(text) : text;

/// What is left empty is the server's default.
export function order_of(form: Form, firmware: Pick<Firmware, 'version' | 'hardware'>): RolloutOrder {
  const list = (text: string): string[] => text.split(',').map((part) => part.trim()).filter((part) => part !== '');
  const order: RolloutOrder = {channel: form.channel, version: firmware.version, hardware: firmware.hardware ?? ''};
  if (list(form.stages).length > 0) order.stages = list(form.stages).map(size_of);
  if (form.max_failures.trim()) order.max_failures = size_of(form.max_failures.trim());
  if (form.soak_min.trim()) order.soak_s = Math.round(Number(form.soak_min) * 60);
  if (form.delay_min.trim()) order.stage_delay_s = Math.round(Number(form.delay_min) * 60);
  if (form.where.trim()) order.where = form.where.split('\n').map((line) => line.trim()).filter((line) => line !== '');
  if (form.notes.trim()) order.notes = form.notes.trim();
  for (const name of ['supersede', 'force', 'ignore_window'] as const) if (form[name]) order[name] = true;
  return order;
}

const EMPTY: Form = {firmware: '', channel: '', stages: '', max_failures: '', soak_min: '', delay_min: '', where: '',
  notes: '', supersede: false, force: false, ignore_window: false};

export function NewRollout({query}: Route): JSX.Element {
  const may = useMay('operator');
  const {data: firmware, error} = useGet<Page<Firmware>>('/firmware', {limit: 200});
  const {data: channels} = useGet<{items: Channel[]}>('/channels');
  const [form, set_form] = useState<Form>({...EMPTY, firmware: query.get('firmware') ?? '', channel: query.get('channel') ?? 'default'});
  if (!may) return <><h1>New rollout</h1><p>To start a rollout, a key with the role operator is needed.</p></>;
  if (!firmware || !channels) return error ? <Failure error={error} /> : <Loading what="firmware and channels" />;
  const chosen = firmware.items.find(({id}) => String(id) === form.firmware);
  return (
    <>
      <h1>New rollout</h1>
      <Card title="What and where">
        <Fields form={form} set={set_form} firmware={firmware.items} channels={channels.items} />
      </Card>
      {chosen && form.channel && <DryRun order={order_of(form, chosen)} />}
    </>
  );
}

function Fields({form, set, firmware, channels}: {
  form: Form; set: (form: Form) => void; firmware: Firmware[]; channels: Channel[];
}): JSX.Element {
  const text = (name: 'stages' | 'max_failures' | 'soak_min' | 'delay_min' | 'notes', label: string, hint: string): JSX.Element => (
    <label>{label} <input value={form[name]} placeholder={hint} onInput={(event) => set({...form, [name]: event.currentTarget.value})} /></label>
  );
  const check = (name: 'supersede' | 'force' | 'ignore_window', label: string): JSX.Element => (
    <label class="check"><input type="checkbox" checked={form[name]} onChange={(event) => set({...form, [name]: event.currentTarget.checked})} /> {label}</label>
  );
  return (
    <form class="fields" onSubmit={(event) => event.preventDefault()}>
      <label>Firmware <select value={form.firmware} onChange={(event) => set({...form, firmware: event.currentTarget.value})}>
        <option value="">choose …</option>
        {firmware.filter(({blocked, damaged}) => !blocked && !damaged).map((one) =>
          <option key={one.id} value={String(one.id)}>{one.version} · {one.hardware ?? 'any hardware'}</option>)}
      </select></label>
      <label>Channel <select value={form.channel} onChange={(event) => set({...form, channel: event.currentTarget.value})}>
        {channels.map(({name, devices: {living}}) => <option key={name} value={name}>{name} ({devices(living)})</option>)}
      </select></label>
      {text('stages', 'Stages', 'default: canary, …, 100%')}
      {text('max_failures', 'Failure budget', 'default: 1%')}
      {text('soak_min', 'Proof takes (minutes)', 'default')}
      {text('delay_min', 'Between stages (minutes)', 'default')}
      {text('notes', 'Notes', '')}
      <label class="wide">Only devices that meet all of these conditions, one a line
        <textarea rows={2} value={form.where} placeholder="tag.site = berlin" onInput={(event) => set({...form, where: event.currentTarget.value})} /></label>
      {check('supersede', 'end the rollout that is open there first')}
      {check('force', 'also devices that run a newer version')}
      {check('ignore_window', 'install outside the maintenance window too')}
    </form>
  );
}

function DryRun({order}: {order: RolloutOrder}): JSX.Element {
  const [plan, set_plan] = useState<Plan>();
  const [error, set_error] = useState<Problem>();
  const [busy, set_busy] = useState(false);
  const text = JSON.stringify(order);
  useEffect(() => {
    let current = true;
    const timer = setTimeout(() => {
      post<Plan>('/rollouts', order, {dry_run: true}).then(
        (answer) => { if (current) { set_plan(answer); set_error(undefined); } },
        (refused: Problem) => { if (current) { set_plan(undefined); set_error(refused); } });
    }, 300);
    return () => {
      current = false;
      clearTimeout(timer);
    };
  }, [text]);
  const start = async (): Promise<void> => {
    set_busy(true);
    try {
      const made = await post<{rollout_id: string}>('/rollouts', order);
      go(['rollouts', made.rollout_id]);
    } catch (refused) {
      set_error(refused as Problem);
      set_busy(false);
    }
  };
  return (
    <Card title="What it would do">
      <Failure error={error} />
      {!plan && !error && <Loading what="the dry run" />}
      {plan && <PlanView plan={plan} />}
      {plan && <div class="buttons"><button type="button" class="primary" disabled={busy} onClick={() => void start()}>Start for {devices(plan.eligible)}</button></div>}
    </Card>
  );
}
