// What needs a person, from one summary: the first part of the page.
import {devices, span, words} from './format';
import {link_to} from './route';
import type {Webhook} from './schema';
import type {OpenRollout, Summary} from './types';

export interface Need { grave: boolean; text: string; button: string; href: string }

const CHECKS: Record<string, string> = {
  broker: 'The broker is away', database: 'The database has a fault', disk: 'The disk is full',
  images: 'Images are missing or damaged', certificate: 'The server’s certificate must be renewed',
};

export const HALTS: Record<string, string> = {
  budget_spent: 'its failure budget is spent',
  failure_rate: 'too many devices failed',
  stage_failed: 'less than 90 % of a stage became healthy',
  undeliverable: 'most devices can’t be reached with the image',
  image_damaged: 'its image is corrupted on the server',
  blocked: 'its firmware was blocked',
};

function needs_of_rollout(rollout: OpenRollout): Need[] {
  const name = `${rollout.version} on ${rollout.channel}${rollout.hardware ? ` (${rollout.hardware})` : ''}`;
  const href = link_to(['rollouts', rollout.rollout_id]);
  const {failed, overdue} = rollout.buckets;
  if (rollout.state === 'halted') {
    const why = HALTS[rollout.reason ?? ''] ?? words(rollout.reason ?? 'halted');
    return [{grave: true, text: `The rollout of ${name} halted: ${why}. ${devices(failed)} failed.`, button: 'Read why', href}];
  }
  const needs: Need[] = [];
  if (rollout.state === 'waiting_approval')
    needs.push({grave: false, text: `The rollout of ${name} waits for another person’s approval.`, button: 'Review', href});
  if (rollout.state === 'paused')
    needs.push({grave: false, text: `The rollout of ${name} is paused.`, button: 'Open', href});
  if (overdue > 0)
    needs.push({
      grave: false, button: 'Show them', href: link_to(['rollouts', rollout.rollout_id], {bucket: 'overdue'}),
      text: `${devices(overdue)} installed ${name} and ${overdue === 1 ? 'was' : 'were'} not seen since.`,
    });
  return needs;
}

function needs_of_hooks(hooks: Webhook[]): Need[] {
  return hooks.flatMap(({url, enabled, disabled_reason, failing_since, last_error}) => {
    const what = !enabled && disabled_reason ? `is disabled: ${disabled_reason}` : enabled && failing_since ? `fails: ${last_error ?? 'no 2xx answer'}` : '';
    return what ? [{grave: false, text: `The webhook ${url} ${what}.`, button: 'Open', href: link_to(['webhooks'])}] : [];
  });
}

const BACKUP_OLD_S = 3 * 24 * 3600;  // as the alert OtadBackupOld

/// An empty server has nothing to lose yet.
function needs_of_backup({at, last_backup_at: last, devices: {total}}: Summary): Need[] {
  if (total === 0) return [];
  const age = last ? (Date.parse(at) - Date.parse(last)) / 1000 : Infinity;
  if (age <= BACKUP_OLD_S) return [];
  const text = last ? `The last backup is ${span(age)} old.` : 'No backup was made yet.';
  return [{grave: false, text, button: 'Read how', href: link_to(['health'])}];
}

/// The gravest first. `hooks`: none where the key may not see them.
export function needs_of(summary: Summary, hooks: Webhook[] = []): Need[] {
  const needs: Need[] = [];
  for (const [name, check] of Object.entries(summary.health.checks)) {
    if (check.ok && !check.warning) continue;
    const href = name === 'images' ? link_to(['firmware']) : link_to(['health']);
    needs.push({grave: !check.ok, text: `${CHECKS[name] ?? name}: ${check.detail}.`, button: 'Details', href});
  }
  for (const rollout of summary.rollouts) needs.push(...needs_of_rollout(rollout));
  needs.push(...needs_of_hooks(hooks), ...needs_of_backup(summary));
  return needs.sort((a, b) => Number(b.grave) - Number(a.grave));
}
