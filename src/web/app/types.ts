// What the REST interface answers, by the names that the page has for it. The types themselves are in schema.ts.
import type {Bucket, RolloutOrder as Order} from './schema';

export type {
  ActiveTask, AuditEntry, Bucket, Buckets, Caller, Channel, Device, Explanation, Firmware, Fleet, FleetPoint, Health, Link,
  LogEntry, OpenRollout, Progress, Rollout, RolloutName, RolloutState, Stage, Summary, Task, TimelineEntry, VersionCount,
  Window,
} from './schema';
export type {
  Caller as Me, RolloutDetails as WholeRollout, RolloutMember as Member, RolloutPlan as Plan,
  RolloutPoint as HistoryPoint, TaskDetails as WholeTask,
} from './schema';

export interface Page<T> { items: T[]; next: string | null }

export type Role = 'viewer' | 'operator' | 'admin';
export type RolloutOrder = Partial<Order> & Pick<Order, 'channel' | 'version'>;

/// In the order in which they are shown.
export const BUCKETS: readonly Bucket[] = ['healthy', 'failed', 'overdue', 'soaking', 'staged', 'assigned', 'absent',
  'undelivered', 'dropped'];
