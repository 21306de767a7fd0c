// The catalogue: upload, block, remove, start a rollout of it.
import type {JSX} from 'preact';
import {useState} from 'preact/hooks';
import {patch, remove} from './api';
import {bytes, devices, number} from './format';
import {List} from './list';
import {useGet} from './live';
import {link_to} from './route';
import type {Firmware, Fleet} from './types';
import {Action, Allowed, Card, Time, useMay} from './ui';
import {Upload} from './upload';

const SHOWN_DIGITS = 12;

export function FirmwareView(): JSX.Element {
  const {data: fleet} = useGet<Fleet>('/fleet');
  const may = useMay('operator');
  const runs = (one: Firmware): number => (fleet?.versions ?? [])
    .filter(({version, hardware}) => version === one.version && (one.hardware === null || one.hardware === hardware))
    .reduce((sum, {devices: count}) => sum + count, 0);
  return (
    <>
      <h1>Firmware</h1>
      <Card title="Upload"><Allowed role="operator" what="upload firmware"><Upload /></Allowed></Card>
      <Card title="Catalogue">
        <List<Firmware> path="/firmware" caption="firmware" empty="No firmware yet: drop an image above."
          head={['Version', 'Hardware', 'Size', 'SHA-256', 'Signed by', 'Runs on', 'Added', 'Notes', 'Do']} row={(one) => (
            <tr key={one.id}>
              <td>{one.version}
                {one.security && <div class="hint">security</div>}
                {one.blocked && <div class="bad">■ blocked{one.blocked_reason && `: ${one.blocked_reason}`}</div>}
                {one.damaged && <div class="bad">✗ the stored image is corrupted: upload it again</div>}</td>
              <td>{one.hardware ?? 'any'}</td>
              <td>{bytes(one.size)}</td>
              <td><code title={one.checksum}>{one.checksum.replace('sha256:', '').slice(0, SHOWN_DIGITS)}…</code></td>
              <td>{one.signature ? one.signature.key_id || 'a trusted key' : 'not signed'}</td>
              <td><a href={link_to(['devices'], {where: [`version=${one.version}`, ...(one.hardware ? [`hardware=${one.hardware}`] : [])]})}>{number(runs(one))}</a></td>
              <td><Time at={one.created_at} /></td>
              <td>{one.notes}</td>
              <td>{may && <Do one={one} runs={runs(one)} />}</td>
            </tr>
          )} />
      </Card>
    </>
  );
}

function Do({one, runs}: {one: Firmware; runs: number}): JSX.Element {
  const [reason, set_reason] = useState('');
  const path = `/firmware/${one.id}`;
  return (
    <div class="buttons">
      {!one.blocked && !one.damaged && <a class="button" href={link_to(['rollouts', 'new'], {firmware: String(one.id)})}>Roll out</a>}
      {one.blocked ? <Action label="Unblock" act={() => patch(path, {blocked: false})} ask={{
        title: `Unblock ${one.version}?`, yes: 'Unblock', text: <p>It may be installed again{one.blocked_reason && `; it was blocked: ${one.blocked_reason}`}.</p>,
      }} /> : <Action label="Block" danger act={() => patch(path, {blocked: true, reason})} ask={{
        title: `Block ${one.version}${one.hardware ? ` for ${one.hardware}` : ''}?`, yes: 'Block it',
        text: (
          <>
            <p>From now on no device is offered it or ordered to install it, and its rollouts halt. {devices(runs)} {runs === 1 ? 'runs' : 'run'} it and {runs === 1 ? 'keeps' : 'keep'} it.</p>
            <label>Reason <input value={reason} onInput={(event) => set_reason(event.currentTarget.value)} /></label>
          </>
        ),
      }} />}
      <Action label="Remove" danger act={() => remove(path)} ask={{
        title: `Remove ${one.version}?`, yes: 'Remove it', text: <p>Its image ({bytes(one.size)}) is deleted. {devices(runs)} {runs === 1 ? 'runs' : 'run'} it. Refused while an update needs it.</p>,
      }} />
    </div>
  );
}
