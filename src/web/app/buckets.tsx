// A rollout's devices as one bar: a segment for each bucket, marks where stages end, and the same as text.
import type {JSX} from 'preact';
import {number} from './format';
import {link_to} from './route';
import {BUCKETS, type Bucket, type Buckets, type Stage} from './types';

export const BUCKET_TEXT: Record<Bucket, {symbol: string; name: string; hint: string}> = {
  healthy: {symbol: '✓', name: 'healthy', hint: 'run the version and proved it'},
  failed: {symbol: '✗', name: 'failed', hint: 'after they passed the gate: they count against the budget'},
  overdue: {symbol: '!', name: 'overdue', hint: 'installed and not seen since: count as failed until they are'},
  soaking: {symbol: '⟳', name: 'soaking', hint: 'installed; have to prove themselves'},
  staged: {symbol: '❚', name: 'staged', hint: 'have the verified image and wait at the gate'},
  assigned: {symbol: '↓', name: 'downloading', hint: 'wait for or load the image'},
  absent: {symbol: '…', name: 'absent', hint: 'went offline; go on when they are back'},
  undelivered: {symbol: '⊘', name: 'undelivered', hint: 'failed before the gate: says nothing about the firmware'},
  dropped: {symbol: '–', name: 'dropped', hint: 'cancelled, expired, removed, moved or pinned'},
};

const IN_BAR: Bucket[] = ['healthy', 'failed', 'overdue', 'soaking', 'staged', 'assigned'];

/// The shares of the bar in percent; together at most 100.
export function segments(buckets: Buckets, total: number): {bucket: Bucket; share: number}[] {
  const inside = IN_BAR.reduce((sum, bucket) => sum + buckets[bucket], 0);
  const whole = Math.max(total, inside, 1);
  return IN_BAR.filter((bucket) => buckets[bucket] > 0)
    .map((bucket) => ({bucket, share: buckets[bucket] / whole * 100}));
}

function spoken(buckets: Buckets): string {
  return BUCKETS.filter((bucket) => buckets[bucket] > 0)
    .map((bucket) => `${number(buckets[bucket])} ${BUCKET_TEXT[bucket].name}`).join(', ') || 'no device yet';
}

export function BucketBar({buckets, total, stages = []}: {
  buckets: Buckets; total: number; stages?: Stage[];
}): JSX.Element {
  const marks = stages.flatMap(({to, skipped}) => to !== null && !skipped && to < total ? [to] : []);
  return (
    <div class="bar" role="img" aria-label={`${spoken(buckets)}; of ${number(total)}`}>
      {segments(buckets, total).map(({bucket, share}) =>
        <div key={bucket} class={`segment ${bucket}`} style={{width: `${share}%`}} title={BUCKET_TEXT[bucket].name} />)}
      {marks.map((to) => <i key={to} class="mark" style={{left: `${to / total * 100}%`}} title={`stage to ${to}`} />)}
    </div>
  );
}

/// The figures below a bar; each leads to its devices.
export function BucketLegend({id, buckets, all = false}: {id: string; buckets: Buckets; all?: boolean}): JSX.Element {
  return (
    <ul class="legend">
      {BUCKETS.filter((bucket) => all || buckets[bucket] > 0).map((bucket) => (
        <li key={bucket} title={BUCKET_TEXT[bucket].hint}>
          <a href={link_to(['rollouts', id], {bucket})}>
            <span class={`dot ${bucket}`} aria-hidden="true">{BUCKET_TEXT[bucket].symbol}</span>
            {' '}{number(buckets[bucket])} {BUCKET_TEXT[bucket].name}
          </a>
        </li>
      ))}
    </ul>
  );
}
