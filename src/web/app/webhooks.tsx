// Webhooks: how far each is and what goes wrong; for admins.
import type {JSX} from 'preact';
import {useState} from 'preact/hooks';
import {patch, post, remove} from './api';
import {useGet} from './live';
import type {Channel} from './types';
import type {Webhook, WebhookWithSecret} from './schema';
import {Action, Allowed, Card, Failure, Loading, Secret, Table, Time} from './ui';

/// How many events back a replay begins, unless somebody says otherwise.
const REPLAYED = 100;

interface Shown { url: string; secret: string }
interface Outcome { delivered: boolean; status: number | null; error: string | null; ms: number }

export function Webhooks(): JSX.Element {
  return <><h1>Webhooks</h1><Allowed role="admin" what="see webhooks"><Hooks /></Allowed></>;
}

function Hooks(): JSX.Element {
  const {data, error} = useGet<{items: Webhook[]}>('/webhooks');
  const [shown, show] = useState<Shown>();
  return (
    <>
      <Card title="Events are posted to">
        <Failure error={error} />
        {shown && <Secret what={`The secret for ${shown.url}`} text={shown.secret} hide={() => show(undefined)} />}
        {!data && !error && <Loading what="the webhooks" />}
        {data?.items.length === 0 && <p class="hint">None yet.</p>}
        {data && data.items.length > 0 && (
          <Table caption="webhooks" head={['URL', 'Events', 'Channel', 'State', 'Last attempt', 'Made by', 'Do']}>
            {data.items.map((hook) => (
              <tr key={hook.id}>
                <td>{hook.url}</td><td>{hook.types.join(', ') || 'all'}</td><td>{hook.channel ?? 'all'}</td>
                <td><State hook={hook} /></td><td><Time at={hook.last_attempt_at} /></td><td>{hook.created_by}</td>
                <td><Do hook={hook} show={show} /></td>
              </tr>
            ))}
          </Table>
        )}
      </Card>
      <Card title="New webhook"><Add show={show} /></Card>
    </>
  );
}

function State({hook}: {hook: Webhook}): JSX.Element {
  const old = hook.old_secret_until && Date.parse(hook.old_secret_until) > Date.now();
  return (
    <>
      {!hook.enabled && <span class="bad">■ disabled{hook.disabled_reason && `: ${hook.disabled_reason}`}</span>}
      {hook.enabled && hook.failing_since && <span class="bad">✗ failing since <Time at={hook.failing_since} />: {hook.last_error ?? `status ${hook.last_status}`}</span>}
      {hook.enabled && !hook.failing_since && <span class="good">✓ up to event {hook.cursor}</span>}
      {old && <div class="hint">the secret before signs too and ends <Time at={hook.old_secret_until} /></div>}
    </>
  );
}

function outcome_text({delivered, status, error, ms}: Outcome): string {
  return delivered ? `✓ delivered in ${ms} ms` : `✗ not delivered: ${error ?? `status ${status}`}`;
}

function Do({hook, show}: {hook: Webhook; show: (shown: Shown) => void}): JSX.Element {
  const [outcome, set_outcome] = useState<Outcome>();
  const [since, set_since] = useState(String(Math.max(0, hook.cursor - REPLAYED)));
  const path = `/webhooks/${hook.id}`;
  const rotate = async (): Promise<void> => show({url: hook.url, secret: (await post<WebhookWithSecret>(`${path}/rotate`)).secret});
  return (
    <>
      <div class="buttons">
        <Action label="Test" act={async () => set_outcome(await post<Outcome>(`${path}/test`))} />
        <Action label={hook.enabled ? 'Disable' : 'Enable'} act={() => patch(path, {enabled: !hook.enabled})} />
        <Action label="Replay" act={() => post(`${path}/replay`, {since: Number(since)})} ask={{
          title: 'Post events again?', yes: 'Replay',
          text: <><p>It is at event {hook.cursor}. All that it wants above this number are posted again, in order.</p><label>Events above <input type="number" min="0" max={hook.cursor} value={since} onInput={(event) => set_since(event.currentTarget.value)} /></label></>,
        }} />
        <Action label="Rotate" act={rotate} ask={{title: 'Make a new secret?', yes: 'Rotate', text: <p>Both secrets sign for 24 hours; then only the new one does.</p>}} />
        <Action label="Remove" danger act={() => remove(path)} ask={{title: 'Remove this webhook?', yes: 'Remove it', text: <p>{hook.url} gets no more events.</p>}} />
      </div>
      {outcome && <p class={outcome.delivered ? 'good' : 'bad'} role="status">{outcome_text(outcome)}</p>}
    </>
  );
}

const EMPTY = {url: '', types: 'rollout.*, task.failed', channel: ''};

function Add({show}: {show: (shown: Shown) => void}): JSX.Element {
  const [form, set_form] = useState(EMPTY);
  const {data: channels} = useGet<{items: Channel[]}>('/channels');
  const add = async (): Promise<void> => {
    const types = form.types.split(',').map((type) => type.trim()).filter((type) => type !== '');
    const made = await post<WebhookWithSecret>('/webhooks', {url: form.url, types, ...(form.channel ? {channel: form.channel} : {})});
    show(made);
    set_form(EMPTY);
  };
  return (
    <form class="fields" onSubmit={(event) => event.preventDefault()}>
      <label>URL <input type="url" value={form.url} placeholder="https://…" onInput={(event) => set_form({...form, url: event.currentTarget.value.trim()})} /></label>
      <label>Events (empty: all) <input value={form.types} onInput={(event) => set_form({...form, types: event.currentTarget.value})} /></label>
      <label>Channel <select value={form.channel} onChange={(event) => set_form({...form, channel: event.currentTarget.value})}>
        <option value="">all</option>
        {channels?.items.map(({name}) => <option key={name}>{name}</option>)}
      </select></label>
      <div class="wide"><Action label="Add" primary act={add} /></div>
    </form>
  );
}
