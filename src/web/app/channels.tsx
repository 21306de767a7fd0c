// Channels: what their devices should run, when they may install, and what rolls out there.
import type {JSX} from 'preact';
import {useState} from 'preact/hooks';
import {put} from './api';
import {number, window_text} from './format';
import {useGet} from './live';
import {go, link_to} from './route';
import type {Channel} from './types';
import {Action, Allowed, Card, Failure, Loading, State, Table} from './ui';

export function Channels(): JSX.Element {
  const {data, error} = useGet<{items: Channel[]}>('/channels');
  return (
    <>
      <h1>Channels</h1>
      <Card title="What devices follow">
        <Failure error={error} />
        {!data && !error && <Loading what="the channels" />}
        {data && <Table caption="channels" head={['Channel', 'Devices', 'Targets', 'Installs', 'Rollouts', 'Notes']}>{data.items.map(row)}</Table>}
      </Card>
      <Card title="New channel"><Allowed role="admin" what="make a channel"><Add /></Allowed></Card>
    </>
  );
}

function row(channel: Channel): JSX.Element {
  const targets = channel.hardware.filter(({target}) => target);
  return (
    <tr key={channel.name}>
      <td><a href={link_to(['channels', channel.name])}>{channel.name}</a>{channel.approval && <div class="hint">rollouts need approval</div>}</td>
      <td><a href={link_to(['devices'], {where: [`channel=${channel.name}`]})}>{number(channel.devices.all)}</a> <span class="hint">{number(channel.devices.living)} seen lately</span></td>
      <td>{targets.length === 0 ? 'none' : targets.map(({hardware, target}) => <div key={hardware ?? ''}>{target?.version} <span class="hint">{hardware ?? 'any hardware'}</span></div>)}</td>
      <td>{window_text(channel.window)}</td>
      <td>{channel.rollouts.length === 0 ? 'none' : channel.rollouts.map((rollout) => (
        <div key={rollout.rollout_id}><a href={link_to(['rollouts', rollout.rollout_id])}>{rollout.version}</a> <State state={rollout.state} /></div>
      ))}</td>
      <td>{channel.notes}</td>
    </tr>
  );
}

function Add(): JSX.Element {
  const [name, set_name] = useState('');
  const add = async (): Promise<void> => {
    await put(`/channels/${encodeURIComponent(name)}`, {});
    go(['channels', name]);
  };
  return (
    <div class="buttons">
      <label>Name <input value={name} placeholder="a-z 0-9 _ -" onInput={(event) => set_name(event.currentTarget.value.trim())} /></label>
      {name && <Action label={`Make ${name}`} primary act={add} />}
    </div>
  );
}
