-- Times without a suffix are milliseconds since 1970 UTC; those ending in _tl or _due are on the engine's timeline.

CREATE TABLE firmware (
  id         INTEGER PRIMARY KEY AUTOINCREMENT,
  version    TEXT NOT NULL,
  hardware   TEXT NOT NULL,                -- '' fits every device
  size       INTEGER NOT NULL,
  checksum   BLOB NOT NULL,
  security   INTEGER NOT NULL,
  notes      TEXT NOT NULL,
  key_id     TEXT,
  signature  TEXT,
  created    INTEGER NOT NULL,
  damaged    INTEGER NOT NULL DEFAULT 0,
  UNIQUE (version, hardware)
);
CREATE INDEX firmware_image ON firmware (checksum);

CREATE TABLE devices (
  id               TEXT PRIMARY KEY,
  hardware         TEXT NOT NULL,
  current_version  TEXT NOT NULL,
  registered       INTEGER NOT NULL,
  tags             TEXT NOT NULL,          -- name and value by turns, each ended by U+001F
  secret           BLOB,
  transports       INTEGER NOT NULL,       -- two bits each, first preferred: 0 none, 1 http, 2 mqtt
  max_chunk_bytes  INTEGER,
  created          INTEGER NOT NULL,
  last_seen        INTEGER,
  present_until_tl INTEGER NOT NULL,
  transport        INTEGER,
  rtt_ms           REAL,
  rssi             REAL,
  loss             REAL,
  ready_task       INTEGER                 -- the task of it that stands in the queue
) WITHOUT ROWID;
-- Only devices with a task in the queue: who leaves takes it along.
CREATE INDEX devices_lapse ON devices (present_until_tl) WHERE ready_task IS NOT NULL;

CREATE TABLE tasks (
  number        INTEGER PRIMARY KEY AUTOINCREMENT,
  day           INTEGER NOT NULL,          -- 20261122: part of its name
  device        TEXT NOT NULL,
  firmware      INTEGER NOT NULL,
  version       TEXT NOT NULL,
  hardware      TEXT NOT NULL,
  checksum      BLOB NOT NULL,
  size          INTEGER NOT NULL,
  chunk_bytes   INTEGER NOT NULL,
  priority      INTEGER NOT NULL,
  state         INTEGER NOT NULL,
  attempt       INTEGER NOT NULL,
  max_attempts  INTEGER NOT NULL,
  confirm       INTEGER NOT NULL,
  force         INTEGER NOT NULL,
  reason        TEXT NOT NULL,
  from_version  TEXT NOT NULL,
  created_by    TEXT NOT NULL,
  retry_of      INTEGER NOT NULL,
  created       INTEGER NOT NULL,
  updated       INTEGER NOT NULL,
  offered       INTEGER,
  ended         INTEGER,
  not_before    INTEGER,
  expires_at    INTEGER,
  confirm_by    INTEGER,
  queued_at_tl  INTEGER NOT NULL,
  wait_due      INTEGER,
  expiry_due    INTEGER,
  state_due     INTEGER,
  retry_due     INTEGER,
  due           INTEGER,                   -- the earliest of wait_due, expiry_due, state_due while it is open
  stalls        INTEGER NOT NULL,
  heard         INTEGER NOT NULL,
  parked        INTEGER NOT NULL,
  chunks_have   INTEGER NOT NULL,
  bytes_sent    INTEGER NOT NULL,
  percent       INTEGER NOT NULL,
  ready         INTEGER NOT NULL DEFAULT 0
);
-- state: 0 queued, 1 offered, 2 downloading, 3 retry_wait, 4 installing, 5 succeeded, 6 failed, 7 cancelled, 8 expired
CREATE INDEX tasks_ready ON tasks (priority, number) WHERE ready = 1;
CREATE INDEX tasks_slots ON tasks (priority, number) WHERE state IN (1, 2, 3);
CREATE INDEX tasks_open ON tasks (device, priority, number) WHERE state < 5;
CREATE UNIQUE INDEX tasks_active ON tasks (device) WHERE state IN (1, 2, 3, 4);
CREATE INDEX tasks_due ON tasks (due) WHERE due IS NOT NULL;
CREATE INDEX tasks_firmware ON tasks (firmware) WHERE state < 5;
CREATE INDEX tasks_state ON tasks (state, number);
CREATE INDEX tasks_device ON tasks (device, number);
CREATE INDEX tasks_version ON tasks (version, number);

-- Which chunks the device has, one bit each, least significant first; a row once there is one.
CREATE TABLE task_chunks (
  task   INTEGER PRIMARY KEY,
  bitmap BLOB NOT NULL
);

CREATE TABLE transfer_log (
  id         INTEGER PRIMARY KEY AUTOINCREMENT,
  task       INTEGER NOT NULL,
  at         INTEGER NOT NULL,
  kind       TEXT NOT NULL,
  by         TEXT NOT NULL,
  from_state INTEGER,
  to_state   INTEGER,
  event      TEXT NOT NULL,
  reason     TEXT NOT NULL,
  attempt    INTEGER NOT NULL,
  chunks     TEXT NOT NULL,                -- 3-7,9-9
  bytes      INTEGER NOT NULL,
  ms         INTEGER NOT NULL,
  transport  INTEGER
);
CREATE INDEX transfer_log_task ON transfer_log (task, id);

CREATE TABLE api_keys (
  name      TEXT PRIMARY KEY,
  role      INTEGER NOT NULL,
  secret    BLOB NOT NULL UNIQUE,          -- SHA-256 of the key
  created   INTEGER NOT NULL,
  last_used INTEGER
) WITHOUT ROWID;

-- The database's own small values: where the timeline was.
CREATE TABLE kept_values (
  name  TEXT PRIMARY KEY,
  value TEXT NOT NULL
) WITHOUT ROWID;

CREATE TABLE idempotency_keys (
  key     TEXT PRIMARY KEY,
  body    BLOB NOT NULL,
  task    INTEGER NOT NULL,
  created INTEGER NOT NULL,
  state   INTEGER NOT NULL,
  at      INTEGER NOT NULL
) WITHOUT ROWID;
CREATE INDEX idempotency_at ON idempotency_keys (at);
