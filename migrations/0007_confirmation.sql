-- What a device says after it was told `success`, and permissions to go below a version that ran already.
ALTER TABLE tasks ADD COLUMN detail TEXT NOT NULL DEFAULT '';         -- the device's own text about its failure
ALTER TABLE tasks ADD COLUMN confirmed INTEGER NOT NULL DEFAULT 0;
ALTER TABLE tasks ADD COLUMN downgrade_key_id TEXT;
ALTER TABLE tasks ADD COLUMN downgrade_value TEXT;
ALTER TABLE tasks ADD COLUMN downgrade_device TEXT;
ALTER TABLE tasks ADD COLUMN downgrade_expires TEXT;                  -- as it was signed
-- confirm: 0 never, 1 always, 2 where the device told what it runs. What is not verified yet goes by the default.
UPDATE tasks SET confirm = 2 WHERE confirm = 0 AND state < 4;
-- state: as before; one that could not be read is set aside as 100 and what it was.

ALTER TABLE transfer_log ADD COLUMN detail TEXT NOT NULL DEFAULT '';

ALTER TABLE devices ADD COLUMN version_confirmed INTEGER NOT NULL DEFAULT 0;  -- current_version is what it said itself
ALTER TABLE devices ADD COLUMN tells_version INTEGER NOT NULL DEFAULT 0;      -- it said so at least once
ALTER TABLE devices ADD COLUMN last_update INTEGER NOT NULL DEFAULT 0;        -- the task whose image it verified last
UPDATE devices SET last_update =
  COALESCE((SELECT MAX(number) FROM tasks WHERE tasks.device = devices.id AND (tasks.state IN (4, 5) OR
    (tasks.state = 6 AND tasks.reason IN ('confirm_timeout', 'rolled_back')))), 0);
