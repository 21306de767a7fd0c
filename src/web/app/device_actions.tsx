// What a person may do with a device.
import type {JSX} from 'preact';
import {useState} from 'preact/hooks';
import {patch, post, remove} from './api';
import {useGet} from './live';
import {go} from './route';
import type {Channel, Device, Firmware, Page, Task} from './types';
import {Action, Allowed, Card, Secret, useMay} from './ui';

const ENDED = ['failed', 'cancelled', 'expired'];

export function DeviceActions({device, last}: {device: Device; last: Task | undefined}): JSX.Element {
  return (
    <Card title="Do">
      <Allowed role="operator" what="update or move this device">
        <Upgrade device={device} />
        <Move device={device} />
        <TaskActions last={last} />
      </Allowed>
      <Administration device={device} />
    </Card>
  );
}

function Upgrade({device}: {device: Device}): JSX.Element {
  const {data} = useGet<Page<Firmware>>('/firmware', {limit: 200});
  const fits = (data?.items ?? []).filter((one) => !one.blocked && (!one.hardware || !device.hardware || one.hardware === device.hardware));
  const [version, set_version] = useState('');
  const [force, set_force] = useState(false);
  const order = {device_id: device.device_id, firmware_version: version, ...(force ? {force} : {})};
  return (
    <div class="buttons">
      <label>Update to <select value={version} onChange={(event) => set_version(event.currentTarget.value)}>
        <option value="">choose …</option>
        {[...new Set(fits.map((one) => one.version))].map((name) => <option key={name} value={name}>{name}</option>)}
      </select></label>
      <label><input type="checkbox" checked={force} onChange={(event) => set_force(event.currentTarget.checked)} /> also if it is older</label>
      {version && <Action label={`Update to ${version}`} primary act={() => post('/firmware/upgrade', order)} ask={{
        title: `Update ${device.device_id} to ${version}?`, yes: 'Update it',
        text: <p>It runs {device.current_version ?? 'an unknown version'}. One device, outside rollouts and without their gate.</p>,
      }} />}
    </div>
  );
}

function Move({device}: {device: Device}): JSX.Element | null {
  const {data} = useGet<{items: Channel[]}>('/channels');
  const [channel, set_channel] = useState(device.channel);
  if (!data || data.items.length < 2) return null;
  return (
    <div class="buttons">
      <label>Channel <select value={channel} onChange={(event) => set_channel(event.currentTarget.value)}>
        {data.items.map(({name}) => <option key={name}>{name}</option>)}
      </select></label>
      {channel !== device.channel && <Action label={`Move to ${channel}`} act={() => post('/devices/move', {channel, devices: [device.device_id]})} />}
    </div>
  );
}

function TaskActions({last}: {last: Task | undefined}): JSX.Element | null {
  if (!last || last.state === 'succeeded') return null;
  if (ENDED.includes(last.state))
    return <div class="buttons"><Action label={`Try ${last.firmware_version} again`} act={() => post(`/tasks/${last.task_id}/retry`)} /></div>;
  return (
    <div class="buttons">
      <Action label={`Cancel the update to ${last.firmware_version}`} danger act={() => post(`/tasks/${last.task_id}/cancel`)} ask={{
        title: `Cancel the update to ${last.firmware_version}?`, yes: 'Cancel the update', text: <p>One device: {last.device_id}. It is {last.state.replaceAll('_', ' ')}.</p>,
      }} />
    </div>
  );
}

/// What `text` (`name=value`, one a line) changes in these tags; what is left out goes.
export function tags_change(tags: Record<string, string>, text: string): Record<string, string | null> {
  const wanted = Object.fromEntries(text.split('\n').map((line) => line.trim()).filter((line) => line !== '').map((line) => {
    const [name = '', ...value] = line.split('=');
    return [name.trim(), value.join('=').trim()];
  }));
  const gone = Object.keys(tags).filter((name) => !(name in wanted)).map((name) => [name, null]);
  return Object.fromEntries([...Object.entries(wanted).filter(([name, value]) => tags[name] !== value), ...gone]);
}

function Tags({device}: {device: Device}): JSX.Element {
  const [text, set_text] = useState(Object.entries(device.tags).map(([name, value]) => `${name}=${value}`).join('\n'));
  const change = tags_change(device.tags, text);
  return (
    <details>
      <summary>Change its tags</summary>
      <label>One a line: name=value <textarea rows={3} value={text} onInput={(event) => set_text(event.currentTarget.value)} /></label>
      {Object.keys(change).length > 0 && <div class="buttons"><Action label="Save the tags" primary act={() => patch(`/devices/${encodeURIComponent(device.device_id)}`, {tags: change})} /></div>}
    </details>
  );
}

function Administration({device}: {device: Device}): JSX.Element {
  const [token, set_token] = useState('');
  const path = `/devices/${encodeURIComponent(device.device_id)}`;
  if (!useMay('admin')) return <p class="hint">To pin or tag it, to issue a token or to remove it, a key with the role admin is needed.</p>;
  return (
    <>
      <div class="buttons">
        <Action label={device.pinned ? 'Unpin' : 'Pin'} act={() => patch(path, {pinned: !device.pinned})} />
        <Action label="New token" act={async () => set_token((await post<{token: string}>(`${path}/token`)).token)} ask={{
          title: `Issue a new token for ${device.device_id}?`, yes: 'Issue it',
          text: <p>{device.has_token ? 'The present one stops working at once, and the device can’t log in until it has the new one.' : 'From then on the device needs it.'}</p>,
        }} />
        <Action label="Remove" danger act={async () => { await remove(path); go(['devices']); }} ask={{
          title: `Remove ${device.device_id}?`, yes: 'Remove it', text: <p>One device with its open updates. It comes back by itself if unknown devices are taken in.</p>,
        }} />
      </div>
      <Tags device={device} />
      {token && <Secret what="The token" text={token} hide={() => set_token('')} />}
    </>
  );
}
