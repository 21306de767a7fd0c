-- Fleets: channels, targets, rollouts, and the counters by which they decide.

-- staged (9) is open and active, too.
DROP INDEX tasks_open;
DROP INDEX tasks_active;
DROP INDEX tasks_firmware;
CREATE INDEX tasks_open ON tasks (device, priority, number) WHERE (state<5 OR state=9);
CREATE UNIQUE INDEX tasks_active ON tasks (device) WHERE (state>0 AND state<5 OR state=9);
CREATE INDEX tasks_firmware ON tasks (firmware) WHERE (state<5 OR state=9);

ALTER TABLE tasks ADD COLUMN rollout INTEGER;                      -- its number; NULL: made by an order
ALTER TABLE tasks ADD COLUMN contact INTEGER NOT NULL DEFAULT 0;   -- ContactClass
ALTER TABLE tasks ADD COLUMN staged_tl INTEGER;
ALTER TABLE tasks ADD COLUMN passed_tl INTEGER;
ALTER TABLE tasks ADD COLUMN postponed_until INTEGER;
ALTER TABLE tasks ADD COLUMN overdue INTEGER NOT NULL DEFAULT 0;
ALTER TABLE tasks ADD COLUMN reported INTEGER NOT NULL DEFAULT 0;
ALTER TABLE tasks ADD COLUMN bucket INTEGER;                       -- what follows from the others; NULL: no rollout's
ALTER TABLE tasks ADD COLUMN bucket_since INTEGER NOT NULL DEFAULT 0;
-- A device is in a rollout once.
CREATE UNIQUE INDEX tasks_rollout ON tasks (rollout, device) WHERE rollout IS NOT NULL;
CREATE INDEX tasks_bucket ON tasks (rollout, bucket, bucket_since, number) WHERE rollout IS NOT NULL;

ALTER TABLE devices ADD COLUMN channel TEXT NOT NULL DEFAULT 'default';
ALTER TABLE devices ADD COLUMN pinned INTEGER NOT NULL DEFAULT 0;
ALTER TABLE devices ADD COLUMN timezone TEXT NOT NULL DEFAULT '';
ALTER TABLE devices ADD COLUMN gap_ms INTEGER NOT NULL DEFAULT 0;
ALTER TABLE devices ADD COLUMN ring INTEGER NOT NULL DEFAULT 0;    -- random, 32 bits: the order of admission
UPDATE devices SET ring = random() & 4294967295;
CREATE INDEX devices_ring ON devices (channel, ring);
CREATE INDEX devices_channel ON devices (channel);

ALTER TABLE firmware ADD COLUMN blocked TEXT;                      -- why; NULL: it isn't

CREATE TABLE channels (
  name     TEXT PRIMARY KEY,
  windows  TEXT NOT NULL,
  approval INTEGER NOT NULL,
  notes    TEXT NOT NULL
) WITHOUT ROWID;
INSERT INTO channels (name, windows, approval, notes) VALUES ('default', '', 0, '');

CREATE TABLE targets (
  channel  TEXT NOT NULL,
  hardware TEXT NOT NULL,                  -- '' any
  version  TEXT NOT NULL,
  rollout  INTEGER NOT NULL,
  PRIMARY KEY (channel, hardware)
) WITHOUT ROWID;

CREATE TABLE rollouts (
  number           INTEGER PRIMARY KEY AUTOINCREMENT,
  day              INTEGER NOT NULL,
  channel          TEXT NOT NULL,
  hardware         TEXT NOT NULL,
  firmware         INTEGER NOT NULL,
  version          TEXT NOT NULL,
  replaces         TEXT NOT NULL,
  replaces_rollout INTEGER NOT NULL,
  state            INTEGER NOT NULL,       -- RolloutState
  before_halt      INTEGER NOT NULL,
  reason           TEXT NOT NULL,
  created_by       TEXT NOT NULL,
  approved_by      TEXT NOT NULL,
  created          INTEGER NOT NULL,
  started          INTEGER,
  ended            INTEGER,
  max_failures     TEXT NOT NULL,
  max_soaking      INTEGER,
  soak_s           INTEGER NOT NULL,
  stage_delay_s    INTEGER NOT NULL,
  only_from        TEXT NOT NULL,          -- each ended by U+001F
  conditions       TEXT NOT NULL,          -- the same
  priority         INTEGER NOT NULL,
  not_before       INTEGER,
  expires_at       INTEGER,
  ignore_window    INTEGER NOT NULL,
  postpone_s       INTEGER NOT NULL,
  force            INTEGER NOT NULL,
  notes            TEXT NOT NULL,
  stage            INTEGER NOT NULL,
  living           INTEGER NOT NULL,
  eligible         INTEGER NOT NULL,
  total            INTEGER NOT NULL,
  budget           INTEGER NOT NULL,
  opened_tl        INTEGER,
  passed_tl        INTEGER,
  delay_over       INTEGER NOT NULL,
  approved_stage   INTEGER NOT NULL,
  news_tl          INTEGER,
  walk_start       INTEGER NOT NULL,
  walked           INTEGER NOT NULL
);
CREATE INDEX rollouts_channel ON rollouts (channel, number);
CREATE INDEX rollouts_state ON rollouts (state, number);
CREATE UNIQUE INDEX rollouts_open ON rollouts (channel, hardware) WHERE state < 6;  -- not completed, not ended

CREATE TABLE rollout_stages (
  rollout  INTEGER NOT NULL,
  stage    INTEGER NOT NULL,
  size_as  TEXT NOT NULL,                  -- canary, 40, 25%
  tags     TEXT NOT NULL,                  -- name and value by turns, each ended by U+001F
  delay_s  INTEGER,
  approve  INTEGER NOT NULL,
  size     INTEGER NOT NULL,
  opened   INTEGER,
  passed   INTEGER,
  skipped  INTEGER NOT NULL,
  PRIMARY KEY (rollout, stage)
) WITHOUT ROWID;

-- How many of its devices are in each bucket. Changed in the transaction that changes the task.
CREATE TABLE rollout_counts (
  rollout      INTEGER NOT NULL,
  from_version TEXT NOT NULL,
  contact      INTEGER NOT NULL,
  bucket       INTEGER NOT NULL,
  n            INTEGER NOT NULL,
  PRIMARY KEY (rollout, from_version, contact, bucket)
) WITHOUT ROWID;

-- The buckets over time: a row where they changed, at most one a minute.
CREATE TABLE rollout_points (
  rollout INTEGER NOT NULL,
  at      INTEGER NOT NULL,
  counts  TEXT NOT NULL,                   -- in the order of Bucket, with blanks between
  PRIMARY KEY (rollout, at)
) WITHOUT ROWID;

-- How many devices of a channel and hardware run a version, by the UTC day of their last contact (-1: none yet).
-- Changed in the transaction that changes the device.
CREATE TABLE fleet (
  channel  TEXT NOT NULL,
  hardware TEXT NOT NULL,
  version  TEXT NOT NULL,
  pinned   INTEGER NOT NULL,
  day      INTEGER NOT NULL,
  n        INTEGER NOT NULL,
  PRIMARY KEY (channel, hardware, version, pinned, day)
) WITHOUT ROWID;
INSERT INTO fleet (channel, hardware, version, pinned, day, n)
SELECT channel, hardware, current_version, pinned, COALESCE(last_seen / 86400000, -1), COUNT(*) FROM devices
 GROUP BY 1, 2, 3, 4, 5;

-- The versions over time: a row an hour where a number changed.
CREATE TABLE fleet_points (
  channel  TEXT NOT NULL,
  hardware TEXT NOT NULL,
  version  TEXT NOT NULL,
  at       INTEGER NOT NULL,
  n        INTEGER NOT NULL,
  PRIMARY KEY (channel, hardware, version, at)
) WITHOUT ROWID;
CREATE INDEX fleet_points_at ON fleet_points (at);
