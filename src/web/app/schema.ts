// Written by src/web/schema.py from docs/openapi.yaml.

export interface Problem {
  type: string;
  title: string;
  status: number;
  detail: string;
  code: "already_installed" | "bad_chunk_range" | "bad_message" | "bad_request" | "blocked" | "cancelled" | "checksum_differs" | "disk_full" | "downgrade" | "expectation_failed" | "forbidden" | "header_too_large" | "image_damaged" | "image_too_large" | "in_use" | "key_reused" | "malformed" | "method_not_allowed" | "misdirected_request" | "no_such_firmware" | "not_authorized" | "not_found" | "not_implemented" | "overloaded" | "rollout_active" | "same_person" | "server_fault" | "signature_invalid" | "still_halted" | "target_too_long" | "task_ended" | "too_large" | "too_many_new" | "unauthenticated" | "unknown_device" | "unknown_task" | "unsupported_media_type" | "untrusted_firmware" | "version_exists" | "version_not_supported" | "wrong_hardware" | "wrong_state";
  errors?: (FieldError)[];
}

export interface FieldError {
  field: string;
  message: string;
}

export interface Count {
  count: number;
}

export type DeviceId = string;

export type Hardware = string;

export type Version = string;

export type ChannelName = string;

export type Checksum = string;

export type TaskId = string;

export type RolloutId = string;

export type Priority = "security" | "high" | "normal" | "low";

export type TaskState = "queued" | "offered" | "downloading" | "retry_wait" | "staged" | "installing" | "succeeded" | "failed" | "cancelled" | "expired";

export type RolloutState = "waiting_approval" | "scheduled" | "running" | "paused" | "halted" | "completed" | "cancelled" | "expired" | "superseded";

export type Bucket = "assigned" | "absent" | "staged" | "soaking" | "overdue" | "healthy" | "failed" | "undelivered" | "dropped";

export interface Buckets {
  assigned: number;
  absent: number;
  staged: number;
  soaking: number;
  overdue: number;
  healthy: number;
  failed: number;
  undelivered: number;
  dropped: number;
}

export type Tags = Record<string, string>;

export type Conditions = (string)[];

export interface Firmware {
  id: number;
  version: string;
  hardware: string | null;
  size: number;
  checksum: Checksum;
  filename: string | null;
  sha1: string | null;
  md5: string | null;
  security: boolean;
  notes: string;
  signature: null | FirmwareSignature;
  created_at: string;
  damaged: boolean;
  blocked: boolean;
  blocked_reason: string | null;
}

export interface FirmwareSignature {
  algorithm: "ed25519";
  key_id: string;
  value: string;
}

export interface FirmwareChange {
  blocked: boolean;
  reason?: string;
}

export interface Orphan {
  name: string;
  size: number;
  since: string;
}

export interface UpgradeOrder {
  device_id: DeviceId;
  firmware_version: Version;
  chunk_size?: number;
  checksum?: Checksum;
  priority?: Priority;
  hardware?: Hardware;
  not_before?: string;
  expires_at?: string;
  confirm?: boolean;
  force?: boolean;
  pin?: boolean;
  downgrade_permission?: DowngradePermission;
}

export interface DowngradePermission {
  key_id: string;
  value: string;
  device: string;
  expires: string;
}

export interface UpgradeAnswer {
  task_id: TaskId;
  status: TaskState;
  device_id: string;
  firmware_version: string;
  priority: Priority;
  created_at: string;
}

export interface Progress {
  chunks: number;
  chunk_count: number;
  bytes: number;
  size: number;
  percent: number;
  rate: number;
  bytes_sent: number;
  transport: string | null;
}

export interface Task {
  task_id: TaskId;
  state: TaskState;
  device_id: string;
  firmware_version: string;
  firmware_id: number;
  hardware: string | null;
  from_version: string | null;
  checksum: Checksum;
  chunk_bytes: number;
  priority: Priority;
  attempt: number;
  max_attempts: number;
  confirm: boolean | null;
  confirmed: boolean;
  force: boolean;
  reason: string | null;
  detail: string | null;
  progress: Progress;
  created_at: string;
  updated_at: string;
  offered_at: string | null;
  ended_at: string | null;
  not_before: string | null;
  expires_at: string | null;
  confirm_by: string | null;
  created_by: string | null;
  retry_of: null | TaskId;
}

export type TaskDetails = Task & {explanation: string; link: null | Link; timeline: (TimelineEntry)[]};

export interface TimelineEntry {
  at: string;
  state: string | null;
  from: string | null;
  event: string | null;
  by: string;
  reason: string | null;
  detail: string | null;
  attempt: number;
}

export interface TaskChange {
  priority: Priority;
}

export interface LogEntry {
  id: number;
  at: string;
  kind: string;
  by: string;
  from: string | null;
  to: string | null;
  event: string | null;
  reason: string | null;
  detail: string | null;
  attempt: number;
  chunks: ((number)[])[];
  bytes: number;
  ms: number;
  rate: number;
  transport: string | null;
}

export interface Link {
  verdict: "unknown" | "good" | "fair" | "poor";
  transport: string | null;
  rtt_ms: number | null;
  rssi: number | null;
  loss: number | null;
  measured: {rtt_ms: number | null; loss: number | null; rate: number | null};
  stalls: number;
  resumes: number;
  mismatches: number;
  cut_replies: number;
  mqtt_first: boolean;
}

export interface ActiveTask {
  task_id: TaskId;
  state: TaskState;
  firmware_version: string;
  priority: Priority;
  attempt: number;
  progress: Progress;
}

export interface Device {
  device_id: string;
  hardware: string | null;
  reported_hardware: string | null;
  current_version: string | null;
  version_confirmed: boolean;
  registered: boolean;
  has_token: boolean;
  channel: string;
  pinned: boolean;
  timezone: string | null;
  tags: Record<string, string>;
  last_seen: string | null;
  transports: (string)[];
  protocol: string | null;
  client: string | null;
  max_chunk_bytes: number | null;
  link: Link;
  active_task: null | ActiveTask;
  created_at: string;
}

export type DeviceDetails = Device & {attributes: Record<string, string>};

export interface DeviceChange {
  hardware?: string | null;
  channel?: string | null;
  pinned?: boolean | null;
  timezone?: string | null;
  tags?: Record<string, string | null> | null;
}

export interface Token {
  device_id: string;
  token: string;
}

export interface MoveOrder {
  channel: ChannelName;
  devices?: (string)[];
  where?: Conditions;
}

export interface Moved {
  moved: number;
  unknown: (string)[];
  will_update: number;
}

export interface TagsOrder {
  where: Conditions;
  set?: Tags;
  remove?: (string)[];
}

export interface TagsResult {
  matched: number;
  changed: number;
  unchanged: number;
  refused: number;
  refusals: ({device_id: string; reason: string})[];
}

export interface ImportLine {
  line: number;
  device_id: string;
  result: "new" | "changed" | "unchanged" | "refused";
  reason?: string;
  token?: string;
}

export interface ImportResult {
  applied: boolean;
  new: number;
  changed: number;
  unchanged: number;
  refused: number;
  lines: (ImportLine)[];
}

export type ImportProblem = Problem & {applied?: boolean; new?: number; changed?: number; unchanged?: number; refused?: number; lines?: (ImportLine)[]};

export interface Explanation {
  device_id: string;
  runs: string | null;
  should_run: string | null;
  by: string | null;
  verdict: string;
  text: string;
  next: null | {what: string; at: string | null};
  checks: ({check: string; ok: boolean; detail: string | null})[];
}

export interface HealthCheck {
  ok: boolean;
  detail: string;
  code?: string;
  warning?: boolean;
}

export interface Health {
  status: "ready" | "not_ready";
  checks: {broker: HealthCheck; database: HealthCheck; disk: HealthCheck; images: HealthCheck; certificate?: HealthCheck};
}

export interface VersionCount {
  channel: string | null;
  hardware: string | null;
  version: string | null;
  devices: number;
  living: number;
}

export interface RolloutName {
  rollout_id: RolloutId;
  channel: string;
  hardware: string | null;
  version: string;
  state: RolloutState;
}

export interface WaitingFor {
  what: "proof" | "devices" | "delay" | "approval" | "window" | "slots" | "start" | "operator" | null;
  until: string | null;
  text: string | null;
}

export type OpenRollout = RolloutName & {reason: string | null; waiting_for: WaitingFor; buckets: Buckets};

export interface Caller {
  name: string;
  role: "viewer" | "operator" | "admin";
  scope: (string)[];
  auth_required: boolean;
}

export interface Summary {
  at: string;
  devices: {total: number; online: number; living: number};
  versions: (VersionCount)[];
  tasks: {queued: number; offered: number; downloading: number; retry_wait: number; staged: number; installing: number; succeeded: number; failed: number; cancelled: number; expired: number};
  failures: ({reason: string; count: number})[];
  rollouts: (OpenRollout)[];
  public_url: string | null;
  last_backup_at: string | null;
  health: Health;
}

export interface FleetVersion {
  channel: string | null;
  hardware: string | null;
  version: string | null;
  pinned: boolean;
  devices: number;
  living: number;
}

export interface FleetPoint {
  at: string;
  channel: string;
  hardware: string | null;
  version: string | null;
  devices: number;
}

export interface Fleet {
  devices: number;
  living: number;
  present: number;
  versions: (FleetVersion)[];
  points: (FleetPoint)[];
}

export interface Window {
  days?: ("mon" | "tue" | "wed" | "thu" | "fri" | "sat" | "sun")[];
  from: string;
  to: string;
  timezone?: string;
}

export interface ChannelChange {
  window?: null | Window | (Window)[];
  approval?: boolean;
  notes?: string;
}

export interface Channel {
  name: string;
  window: null | (Window)[];
  window_open: boolean;
  window_changes_at: string | null;
  approval: boolean;
  notes: string;
  devices: {all: number; living: number};
  hardware: ({hardware: string | null; target: null | {version: string; rollout_id: null | RolloutId}; versions: ({version: string | null; pinned: boolean; devices: number; living: number})[]})[];
  rollouts: (RolloutName)[];
}

export type Share = number | string;

export type StageOrder = number | string | {to: number | string; tags?: Tags; delay_s?: number; approve?: boolean};

export interface RolloutOrder {
  channel: ChannelName;
  version: Version;
  hardware?: string | null;
  stages?: (StageOrder)[] | StageOrder;
  max_failures?: Share;
  max_soaking?: number | null;
  soak_s?: number;
  stage_delay_s?: number;
  only_from?: (string)[] | null;
  where?: Conditions;
  priority?: Priority;
  not_before?: string | null;
  expires_at?: string | null;
  ignore_window?: boolean;
  postpone_s?: number;
  force?: boolean;
  supersede?: boolean;
  notes?: string;
}

export interface RolloutChange {
  max_failures?: Share;
  max_soaking?: number | null;
  stage_delay_s?: number;
  stages?: (StageOrder)[] | StageOrder;
  priority?: Priority;
  expires_at?: string | null;
  ignore_window?: boolean;
  notes?: string;
}

export interface Resume {
  max_failures?: Share;
}

export interface RetryOrder {
  reason?: string;
  devices?: (string)[];
}

export interface RollbackOrder {
  version?: Version;
}

export type Nothing = Record<string, unknown>;

export interface Stage {
  to: number | null;
  size: number | string;
  tags?: Tags;
  delay_s?: number;
  approve?: true;
  skipped?: true;
  in?: number;
  healthy?: number;
  failed?: number;
  opened_at?: string;
  passed_at?: string | null;
}

export interface Rollout {
  rollout_id: RolloutId;
  channel: string;
  hardware: string | null;
  version: string;
  state: RolloutState;
  reason: string | null;
  replaces: string | null;
  waiting_for: WaitingFor;
  stage: number;
  stages: (Stage)[];
  living: number;
  eligible: number;
  total: number;
  budget: number;
  room: number | null;
  buckets: Buckets;
  max_failures: Share;
  max_soaking: number | null;
  soak_s: number;
  stage_delay_s: number;
  only_from: (string)[] | null;
  where: (string)[];
  priority: Priority;
  not_before: string | null;
  expires_at: string | null;
  ignore_window: boolean;
  postpone_s: number;
  force: boolean;
  notes: string;
  created_by: string;
  approved_by: string | null;
  created_at: string;
  started_at: string | null;
  ended_at: string | null;
}

export type RolloutDetails = Rollout & {from: ({version: string | null; in: number; healthy: number; failed: number})[]; failures: ({reason: string; count: number; devices: (string)[]})[]; silent_since: number; rate_per_h: number; eta: string | null};

export interface RolloutPlan {
  channel: string;
  hardware: string | null;
  version: string;
  living: number;
  eligible: number;
  left_out: {pinned: number; ahead: number; same: number; failed_before: number};
  stages: ({to: number; size: number | string})[];
  budget: number;
  replaces: null | {version: string; rollout_id: null | RolloutId};
  windows: null | (Window)[];
  warnings: (string)[];
}

export interface RolloutMember {
  device_id: string;
  bucket: Bucket;
  since: string;
  task_id: TaskId;
  state: TaskState;
  from_version: string | null;
  reason: string | null;
  detail: string | null;
  postponed_until: string | null;
}

export interface RolloutReportLine {
  device_id: string;
  from: string | null;
  to: string;
  bucket: Bucket;
  reason: string | null;
  detail: string | null;
  task_id: TaskId;
  attempts: number;
  bytes: number;
  seconds: number | null;
  started_at: string | null;
  ended_at: string | null;
}

export interface RolloutPoint {
  at: string;
  buckets: Buckets;
}

export interface Event {
  specversion: "1.0";
  id: string;
  source: string;
  type: string;
  time: string;
  subject: string;
  datacontenttype: "application/json";
  data: Record<string, unknown>;
}

export interface WebhookOrder {
  url: string;
  types?: (string)[];
  channel?: string | null;
}

export interface WebhookChange {
  url?: string;
  types?: (string)[];
  channel?: string | null;
  enabled?: boolean;
}

export interface Webhook {
  id: number;
  url: string;
  types: (string)[];
  channel: string | null;
  enabled: boolean;
  disabled_reason: string | null;
  cursor: number;
  failures: number;
  failing_since: string | null;
  next_attempt_at: string | null;
  last_attempt_at: string | null;
  last_status: number | null;
  last_error: string | null;
  old_secret_until: string | null;
  created_at: string;
  created_by: string;
}

export type WebhookWithSecret = Webhook & {secret: string};

export interface Setting {
  key: string;
  value: SettingValue;
  default: SettingValue;
  source: "default" | "file" | "environment";
  place: string | null;
  hidden: boolean;
  live: boolean;
  needs_restart: boolean;
  after_restart: SettingValue;
  description: string;
}

export type SettingValue = string | number | boolean | (string)[] | null;

export interface Key {
  name: string;
  role: Role;
  scope: (string)[];
  created_at: string;
  last_used: string | null;
  expires_at: string | null;
  former_until: string | null;
}

export type NewKey = Key & {key: string};

export type Role = "viewer" | "operator" | "admin";

export interface KeyOrder {
  name: string;
  role: Role;
  scope?: Conditions;
  expires_at?: string | null;
}

export interface KeyChange {
  role?: Role;
  scope?: Conditions;
  expires_at?: string | null;
}

export interface KeyRotation {
  grace_s?: number;
}

export interface AuditEntry {
  id: number;
  at: string;
  actor: string;
  from: string;
  action: string;
  target: string;
  outcome: string;
}
