// What the REST interface answers (docs/rest.md), as far as the page reads it.

export interface Page<T> { items: T[]; next: string | null }

export type Role = 'viewer' | 'operator' | 'admin';
export interface Me { name: string; role: Role; auth_required: boolean }

export const BUCKETS = ['healthy', 'failed', 'overdue', 'soaking', 'staged', 'assigned', 'absent', 'undelivered',
  'dropped'] as const;
export type Bucket = typeof BUCKETS[number];
export type Buckets = Record<Bucket, number>;

export type RolloutState = 'waiting_approval' | 'scheduled' | 'running' | 'paused' | 'halted' | 'completed' |
  'cancelled' | 'expired' | 'superseded';
export interface WaitingFor { what: string | null; until: string | null; text: string | null }
export interface Stage {
  to: number; size: string | number; in?: number; healthy?: number; failed?: number; opened_at?: string;
  passed_at?: string | null; approve?: boolean; skipped?: boolean; tags?: Record<string, string>;
}
export interface RolloutName {
  rollout_id: string; channel: string; hardware: string | null; version: string; state: RolloutState;
}
export interface OpenRollout extends RolloutName {
  reason: string | null; waiting_for: WaitingFor; buckets: Buckets;
}
export interface Rollout extends OpenRollout {
  replaces: string | null; stage: number; stages: Stage[]; living: number; eligible: number; total: number;
  budget: number; room: number | null; max_failures: string | number; max_soaking: number | null; soak_s: number;
  stage_delay_s: number; where?: string[] | null; notes?: string; created_by: string; approved_by: string | null;
  created_at: string; started_at: string | null; ended_at: string | null;
}
export interface WholeRollout extends Rollout {
  from: {version: string | null; in: number; healthy: number; failed: number}[];
  failures: {reason: string; count: number; devices: string[]}[];
  silent_since: number; rate_per_h: number; eta: string | null;
}
export interface HistoryPoint { at: string; buckets: Buckets }
export interface Member {
  device_id: string; bucket: Bucket; since: string; task_id: string; state: string; from_version: string | null;
  reason: string | null; detail: string | null; postponed_until: string | null;
}
export interface RolloutOrder {
  channel: string; version: string; hardware?: string; stages?: (string | number)[]; max_failures?: string | number; soak_s?: number;
  stage_delay_s?: number; priority?: string; not_before?: string; notes?: string; supersede?: boolean;
  force?: boolean; ignore_window?: boolean; where?: string[];
}
export interface Plan extends Omit<RolloutName, 'rollout_id' | 'state'> {
  living: number; eligible: number; left_out: {pinned: number; ahead: number; same: number; failed_before: number};
  stages: {to: number; size: string | number}[]; budget: number;
  replaces: {version: string; rollout_id: string | null} | null; windows: Window_[] | null; warnings: string[];
}
export interface Window_ { days: string[]; from: string; to: string; timezone: string }

export interface Check { ok: boolean; detail: string; code?: string }
export interface Health { status: string; checks: Record<string, Check> }
export interface VersionCount {
  channel: string | null; hardware: string | null; version: string | null; devices: number; living: number;
}
export interface Summary {
  at: string; devices: {total: number; online: number; living: number}; versions: VersionCount[];
  tasks: Record<string, number>; failures: {reason: string; count: number}[]; rollouts: OpenRollout[]; health: Health;
}
export interface FleetPoint {
  at: string; channel: string; hardware: string | null; version: string | null; devices: number;
}
export interface Fleet { devices: number; living: number; present: number; versions: VersionCount[]; points: FleetPoint[] }

export interface Channel {
  name: string; window: Window_[] | null; window_open: boolean; window_changes_at: string | null; approval: boolean;
  notes: string; devices: {all: number; living: number}; rollouts: RolloutName[];
  hardware: {hardware: string | null; target: {version: string; rollout_id: string | null} | null}[];
}

export interface Link {
  verdict: string; transport: string | null; rtt_ms: number | null; rssi: number | null; loss: number | null;
  measured: {rtt_ms: number | null; loss: number | null; rate: number | null};
  stalls: number; resumes: number; mismatches: number; cut_replies: number; mqtt_first: boolean;
}
export interface Progress {
  chunks: number; chunk_count: number; bytes: number; size: number; percent: number; rate: number;
  bytes_sent: number; transport: string | null;
}
export interface ActiveTask {
  task_id: string; state: string; firmware_version: string; priority: string; attempt: number; progress: Progress;
}
export interface Device {
  device_id: string; hardware: string | null; current_version: string | null; version_confirmed: boolean;
  registered: boolean; has_token: boolean; channel: string; pinned: boolean; timezone: string | null;
  tags: Record<string, string>; last_seen: string | null; transports: string[]; link: Link;
  active_task: ActiveTask | null; created_at: string;
}
export interface Explanation {
  device_id: string; runs: string | null; should_run: string | null; by: string | null; verdict: string; text: string;
  next: {what: string; at: string | null} | null; checks: {check: string; ok: boolean; detail: string | null}[];
}
export interface TimelineEntry {
  at: string; state: string | null; from: string | null; event: string | null; by: string; reason: string | null;
  detail: string | null; attempt: number;
}
export interface Task {
  task_id: string; state: string; device_id: string; firmware_version: string; from_version: string | null;
  hardware: string | null; priority: string; attempt: number; max_attempts: number; reason: string | null;
  detail: string | null; progress: Progress; created_at: string; updated_at: string; ended_at: string | null;
  created_by: string | null;
}
export interface WholeTask extends Task { explanation: string; timeline: TimelineEntry[] }
export interface LogEntry {
  id: number; at: string; kind: string; by: string; event: string | null; reason: string | null;
  detail: string | null; attempt: number; chunks: [number, number][]; bytes: number; ms: number; rate: number;
  transport: string | null;
}

export interface Firmware {
  id: number; version: string; hardware: string | null; size: number; checksum: string; security: boolean;
  notes: string; signature: {algorithm: string; key_id: string; value: string} | null; created_at: string;
  damaged: boolean; blocked: boolean; blocked_reason: string | null;
}

export interface AuditEntry {
  id: number; at: string; actor: string; from: string; action: string; target: string; outcome: string;
}
