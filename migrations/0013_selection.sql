-- Selection of devices and tasks: keys, indexes and counters.

-- version_key() of current_version or version (domain/version.hpp); NULL: the next start fills it in.
ALTER TABLE devices ADD COLUMN version_key BLOB;
ALTER TABLE tasks ADD COLUMN version_key BLOB;
ALTER TABLE devices ADD COLUMN seen INTEGER AS (COALESCE(last_seen, -1)) VIRTUAL;  -- last_seen; -1: never

CREATE INDEX devices_hardware ON devices (hardware);
CREATE INDEX devices_version ON devices (version_key);
CREATE INDEX devices_seen ON devices (seen);
DROP INDEX tasks_version;
CREATE INDEX tasks_version ON tasks (version_key, number);
CREATE INDEX tasks_created ON tasks (created, number);
CREATE INDEX tasks_created_by ON tasks (created_by, number);

-- Counters, changed in the transaction that changes what they count: rows that count nothing go.
CREATE TABLE device_minutes (
  minute INTEGER PRIMARY KEY,            -- of last_seen since 1970; 0: never seen
  n      INTEGER NOT NULL
);
CREATE TABLE task_counts (
  state   INTEGER NOT NULL,
  version TEXT NOT NULL,
  n       INTEGER NOT NULL,
  PRIMARY KEY (state, version)
) WITHOUT ROWID;
CREATE TABLE failure_counts (
  hour   INTEGER NOT NULL,               -- of the end of failed tasks, since 1970
  reason TEXT NOT NULL,
  n      INTEGER NOT NULL,
  PRIMARY KEY (hour, reason)
) WITHOUT ROWID;
-- The state of each device's newest task, once that ended; kept by triggers.
CREATE TABLE device_outcomes (
  device TEXT PRIMARY KEY,
  task   INTEGER NOT NULL,
  state  INTEGER NOT NULL
) WITHOUT ROWID;
CREATE INDEX device_outcomes_state ON device_outcomes (state, device);

INSERT INTO device_minutes SELECT seen / 60000, COUNT(*) FROM devices GROUP BY 1;
INSERT INTO task_counts SELECT state, version, COUNT(*) FROM tasks GROUP BY 1, 2;
INSERT INTO failure_counts SELECT COALESCE(ended, updated) / 3600000, reason, COUNT(*) FROM tasks WHERE state = 6
  GROUP BY 1, 2;
INSERT INTO device_outcomes SELECT device, number, state FROM (SELECT device, MAX(number) AS number, state FROM tasks
  GROUP BY device) WHERE state BETWEEN 5 AND 8;

CREATE TRIGGER tasks_outcome_open AFTER INSERT ON tasks
BEGIN
  DELETE FROM device_outcomes WHERE device = NEW.device;
  INSERT INTO device_outcomes SELECT NEW.device, NEW.number, NEW.state WHERE NEW.state BETWEEN 5 AND 8;
END;
CREATE TRIGGER tasks_outcome_kept AFTER UPDATE OF state ON tasks
WHEN OLD.state <> NEW.state AND (OLD.state BETWEEN 5 AND 8 OR NEW.state BETWEEN 5 AND 8)
BEGIN
  DELETE FROM device_outcomes WHERE device = NEW.device AND task = NEW.number;
  INSERT INTO device_outcomes SELECT NEW.device, NEW.number, NEW.state
    WHERE NEW.state BETWEEN 5 AND 8 AND NEW.number = (SELECT MAX(number) FROM tasks WHERE device = NEW.device);
END;
CREATE TRIGGER tasks_outcome_gone AFTER DELETE ON tasks
WHEN OLD.number > COALESCE((SELECT MAX(number) FROM tasks WHERE device = OLD.device), 0)
BEGIN
  DELETE FROM device_outcomes WHERE device = OLD.device;
  INSERT INTO device_outcomes SELECT device, number, state FROM
    (SELECT device, number, state FROM tasks WHERE device = OLD.device ORDER BY number DESC LIMIT 1) WHERE state BETWEEN 5 AND 8;
END;
