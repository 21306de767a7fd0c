// A rollout's buckets over time, and its devices bucket by bucket.
import type {JSX} from 'preact';
import {get_all} from './api';
import {BUCKET_TEXT} from './buckets';
import {number, words} from './format';
import {List} from './list';
import {useRead} from './live';
import {Plot} from './plot';
import {link_to} from './route';
import {BUCKETS, type Bucket, type HistoryPoint, type Member, type WholeRollout} from './types';
import {Card, Time} from './ui';

const DRAWN: Bucket[] = ['healthy', 'soaking', 'staged', 'assigned', 'overdue', 'failed'];
const MOST_POINTS = 2000;

/// A step that keeps the number of points below MOST_POINTS, in whole minutes (s).
export function step_of(started: string | null, ended: string | null, now: number): number {
  const from = started ? Date.parse(started) : now;
  const to = ended ? Date.parse(ended) : now;
  return Math.max(60, Math.ceil((to - from) / 1000 / MOST_POINTS / 60) * 60);
}

export function History({rollout}: {rollout: WholeRollout}): JSX.Element {
  const id = rollout.rollout_id;
  const step = step_of(rollout.started_at, rollout.ended_at, Date.now());
  const {data} = useRead<HistoryPoint[]>(`/rollouts/${id}/history`, {step}, (signal) =>
    get_all<HistoryPoint>(`/rollouts/${id}/history`, {step}, MOST_POINTS, signal));
  const points = data ?? [];
  if (points.length < 2) return <Card title="Over time"><p class="hint">The plot begins after the first minutes.</p></Card>;
  return (
    <Card title="Over time">
      <Plot title="Devices by bucket" steps times={points.map(({at}) => Date.parse(at) / 1000)} format={number}
        lines={DRAWN.map((bucket) => ({
          label: BUCKET_TEXT[bucket].name, color: `--${bucket}`, values: points.map(({buckets}) => buckets[bucket]),
        }))} />
    </Card>
  );
}

/// The bucket shown at first: where something went wrong, else where most are.
export function first_bucket(rollout: WholeRollout): Bucket {
  for (const bucket of ['failed', 'overdue', 'undelivered'] as const) if (rollout.buckets[bucket] > 0) return bucket;
  return [...BUCKETS].sort((a, b) => rollout.buckets[b] - rollout.buckets[a])[0] ?? 'healthy';
}

export function Members({rollout, bucket, reason}: {
  rollout: WholeRollout; bucket: string | null; reason: string | null;
}): JSX.Element {
  const id = rollout.rollout_id;
  const shown = BUCKETS.find((name) => name === bucket) ?? first_bucket(rollout);
  return (
    <Card title="Devices">
      <nav class="tabs" aria-label="Buckets">
        {BUCKETS.map((name) => (
          <a key={name} href={link_to(['rollouts', id], {bucket: name})} aria-current={name === shown ? 'true' : undefined} title={BUCKET_TEXT[name].hint}>
            {BUCKET_TEXT[name].name} {number(rollout.buckets[name])}
          </a>
        ))}
      </nav>
      <p class="hint">{BUCKET_TEXT[shown].name}: {BUCKET_TEXT[shown].hint}.{reason && <> Only “{words(reason)}”; <a href={link_to(['rollouts', id], {bucket: shown})}>all</a>.</>}</p>
      <List<Member> path={`/rollouts/${id}/devices`} query={{bucket: shown, reason: reason ?? ''}} caption={`devices that are ${shown}`}
        empty="There is none." head={['Device', 'Since', 'From', 'Task', 'What it says']} row={(member) => (
          <tr key={member.task_id}>
            <td><a href={link_to(['devices', member.device_id])}>{member.device_id}</a></td>
            <td><Time at={member.since} /></td>
            <td>{member.from_version ?? 'unknown'}</td>
            <td>{words(member.state)}{member.postponed_until && <> until <Time at={member.postponed_until} /></>}</td>
            <td>{[member.reason && words(member.reason), member.detail].filter(Boolean).join(': ')}</td>
          </tr>
        )} />
    </Card>
  );
}
