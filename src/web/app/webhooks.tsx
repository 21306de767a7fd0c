// Webhooks: how far each is and what goes wrong; for admins.
import type {JSX} from 'preact';
import {useState} from 'preact/hooks';
import {patch, post, remove} from './api';
import {useGet} from './live';
import type {Webhook, WebhookWithSecret} from './schema';
import {Action, Allowed, Card, Failure, Loading, Table, Time} from './ui';

export function Webhooks(): JSX.Element {
  return <><h1>Webhooks</h1><Allowed role="admin" what="see webhooks"><Hooks /></Allowed></>;
}

function Hooks(): JSX.Element {
  const {data, error} = useGet<{items: Webhook[]}>('/webhooks');
  return (
    <Card title="Events are posted to">
      <Failure error={error} />
      {!data && !error && <Loading what="the webhooks" />}
      {data?.items.length === 0 && <p class="hint">None yet.</p>}
      {data && data.items.length > 0 && <Table caption="webhooks" head={['URL', 'Events', 'Channel', 'State', 'Last attempt', 'Made by', 'Do']}>{data.items.map(row)}</Table>}
      <NewHook />
    </Card>
  );
}

function state_of(hook: Webhook): JSX.Element {
  if (!hook.enabled) return <span class="bad">■ disabled{hook.disabled_reason && `: ${hook.disabled_reason}`}</span>;
  if (hook.failing_since) return <span class="bad">✗ failing since <Time at={hook.failing_since} />: {hook.last_error ?? `status ${hook.last_status}`}</span>;
  return <span class="good">✓ up to event {hook.cursor}</span>;
}

function row(hook: Webhook): JSX.Element {
  const path = `/webhooks/${hook.id}`;
  return (
    <tr key={hook.id}>
      <td>{hook.url}</td><td>{hook.types.join(', ') || 'all'}</td><td>{hook.channel ?? 'all'}</td>
      <td>{state_of(hook)}</td><td><Time at={hook.last_attempt_at} /></td><td>{hook.created_by}</td>
      <td><div class="buttons">
        <Action label="Test" act={() => post(`${path}/test`)} />
        <Action label={hook.enabled ? 'Disable' : 'Enable'} act={() => patch(path, {enabled: !hook.enabled})} />
        <Action label="Remove" danger act={() => remove(path)} ask={{title: 'Remove this webhook?', yes: 'Remove it', text: <p>{hook.url} gets no more events.</p>}} />
      </div></td>
    </tr>
  );
}

function NewHook(): JSX.Element {
  const [url, set_url] = useState('');
  const [types, set_types] = useState('rollout.*, task.failed');
  const [secret, set_secret] = useState('');
  const add = async (): Promise<void> => {
    const list = types.split(',').map((type) => type.trim()).filter((type) => type !== '');
    set_secret((await post<WebhookWithSecret>('/webhooks', {url, types: list})).secret);
    set_url('');
  };
  return (
    <>
      <div class="buttons">
        <label>URL <input type="url" value={url} onInput={(event) => set_url(event.currentTarget.value)} /></label>
        <label>Events <input value={types} onInput={(event) => set_types(event.currentTarget.value)} /></label>
        {url && <Action label="Add" primary act={add} />}
      </div>
      {secret && <p role="status">Its secret, shown this once: <code>{secret}</code> <button type="button" onClick={() => set_secret('')}>Hide</button></p>}
    </>
  );
}
