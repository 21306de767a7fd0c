// The first screen: what needs a person, what rolls out, which versions run, and the devices.
import type {JSX} from 'preact';
import {useState} from 'preact/hooks';
import {BucketBar, BucketLegend} from './buckets';
import {devices, number, percent, sentence} from './format';
import {useGet, useNow} from './live';
import {needs_of} from './needs';
import {Plot} from './plot';
import {QuickActions} from './rollout_actions';
import {go, link_to} from './route';
import type {Webhook} from './schema';
import type {Channel, Fleet, OpenRollout, Summary, WholeRollout} from './types';
import {Allowed, Card, Failure, Loading, State, Time, useMay} from './ui';
import {groups_of, over_time} from './versions';

export function Overview(): JSX.Element {
  const {data: summary, error} = useGet<Summary>('/summary');
  if (!summary) return error ? <Failure error={error} /> : <Loading what="the summary" />;
  return (
    <>
      <h1 class="unseen">Overview</h1>
      <Needs summary={summary} />
      <Running open={summary.rollouts} />
      <Versions summary={summary} />
      <Devices summary={summary} />
    </>
  );
}

function Needs({summary}: {summary: Summary}): JSX.Element {
  const {data: hooks} = useGet<{items: Webhook[]}>(useMay('admin') ? '/webhooks' : null);
  const needs = needs_of(summary, hooks?.items);
  return (
    <Card title="Needs you" class={needs.length > 0 ? 'needs' : ''}>
      {needs.length === 0 && <p class="calm"><span aria-hidden="true">✓</span> Nothing needs you.</p>}
      <ul class="rows">
        {needs.map((need) => (
          <li key={need.text} class={need.grave ? 'grave' : ''}>
            <span><span aria-hidden="true">{need.grave ? '■' : '▲'}</span> {need.text}</span>
            <a class="button" href={need.href}>{need.button}</a>
          </li>
        ))}
      </ul>
    </Card>
  );
}

const DETAILED = 10;  // each takes a call

function Running({open}: {open: OpenRollout[]}): JSX.Element {
  const start = <Allowed role="operator" what="start a rollout"><a class="button primary" href={link_to(['rollouts', 'new'])}>New rollout</a></Allowed>;
  return (
    <Card title="Rollouts" aside={start}>
      {open.length === 0 && <p class="hint">None is running. <a href={link_to(['rollouts'])}>Earlier rollouts</a></p>}
      {open.map((rollout, index) => <Rolling key={rollout.rollout_id} rollout={rollout} detailed={index < DETAILED} />)}
    </Card>
  );
}

function Rolling({rollout, detailed}: {rollout: OpenRollout; detailed: boolean}): JSX.Element {
  const {rollout_id: id, buckets} = rollout;
  const {data: whole} = useGet<WholeRollout>(detailed ? `/rollouts/${id}` : null);
  const sum = Object.values(buckets).reduce((all, count) => all + count, 0);
  return (
    <article class="rolling">
      <h3>
        <a href={link_to(['rollouts', id])}>{rollout.version} → {rollout.channel}{rollout.hardware ? ` · ${rollout.hardware}` : ''}</a>
        {' '}<State state={rollout.state} />
        {whole && whole.stage > 0 && <span class="hint"> stage {whole.stage} of {whole.stages.length}</span>}
      </h3>
      <BucketBar buckets={buckets} total={whole?.total ?? sum} stages={whole?.stages ?? []} />
      <BucketLegend id={id} buckets={buckets} />
      <p>
        {sentence(rollout.waiting_for.text ?? 'it goes on by itself')}
        {rollout.waiting_for.until && <> (<Time at={rollout.waiting_for.until} />)</>}
        {whole && <span class="hint">{' '}· budget {whole.buckets.failed} of {whole.budget}{whole.room !== null && ` · room for ${number(whole.room)}`}{whole.eta && <> · done <Time at={whole.eta} /></>}</span>}
      </p>
      <QuickActions rollout={rollout} />
    </article>
  );
}

const TONES = ['--v1', '--v2', '--v3', '--v4', '--v5', '--v6'];

function Versions({summary}: {summary: Summary}): JSX.Element {
  const {data: channels} = useGet<{items: Channel[]}>('/channels');
  const {data: fleet} = useGet<Fleet>('/fleet', {step: 3600});
  const now = useNow(60_000);
  const groups = groups_of(summary.versions, channels?.items ?? []);
  const time = over_time(fleet?.points ?? [], now);
  return (
    <Card title="Versions">
      {groups.length === 0 && <p class="hint">No device is known yet. Devices appear when they contact the server.</p>}
      {groups.map((group) => (
        <div class="group" key={group.channel + group.hardware}>
          <h3>{group.channel} · {group.hardware ?? 'unknown hardware'} <span class="hint">{devices(group.devices)}{group.target && `, target ${group.target}`}</span></h3>
          <div class="bar versions" aria-hidden="true">
            {group.versions.map(({version, devices: count}, index) =>
              <div key={version} class={`segment tone${index % 6}`} style={{width: `${count / group.devices * 100}%`}} />)}
          </div>
          <ul class="legend">
            {group.versions.map(({version, devices: count}, index) => (
              <li key={version}>
                <a href={link_to(['devices'], {where: [`channel=${group.channel}`, `hardware=${group.hardware ?? ''}`, `version=${version ?? 'unknown'}`]})}>
                  <span class={`dot tone${index % 6}`} aria-hidden="true">{version === group.target ? '★' : ' '}</span>
                  {' '}{version ?? 'unknown'} {number(count)} ({percent(count, group.devices)})
                </a>
              </li>
            ))}
          </ul>
        </div>
      ))}
      {time.times.length > 2 && <Plot title="Devices by version" steps times={time.times}
        lines={time.series.map(({version, values}, index) => ({label: version, color: TONES[index % 6] ?? '--v1', values}))} />}
    </Card>
  );
}

function Devices({summary}: {summary: Summary}): JSX.Element {
  const [text, set_text] = useState('');
  const {total, online, living} = summary.devices;
  const figures: [string, number, string[]][] = [
    ['devices', total, []], ['online', online, ['online=true']], ['seen lately', living, []],
    ['silent', total - living, []],
  ];
  return (
    <Card title="Devices">
      <dl class="figures">
        {figures.map(([name, count, where]) => (
          <div key={name}><dt>{name}</dt><dd>{where.length || name === 'devices' ? <a href={link_to(['devices'], {where})}>{number(count)}</a> : number(count)}</dd></div>
        ))}
      </dl>
      <form role="search" onSubmit={(event) => { event.preventDefault(); go(['devices'], {where: [`id~${text.trim()}`]}); }}>
        <label>Find a device <input type="search" value={text} placeholder="part of its id" onInput={(event) => set_text(event.currentTarget.value)} /></label>
        {' '}<button type="submit">Find</button>
      </form>
    </Card>
  );
}
