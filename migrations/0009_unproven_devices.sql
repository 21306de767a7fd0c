-- What stands behind a device, and which tasks nobody but an unproven device asked for: those rank behind all others.
ALTER TABLE devices ADD COLUMN certified INTEGER NOT NULL DEFAULT 0;  -- it came with a client certificate of its id
ALTER TABLE devices ADD COLUMN claimed INTEGER NOT NULL DEFAULT 0;    -- it brought its secret itself
ALTER TABLE tasks ADD COLUMN unasked INTEGER NOT NULL DEFAULT 0;
UPDATE tasks SET unasked = 1 WHERE created_by = 'device' AND device IN
  (SELECT id FROM devices WHERE registered = 0 AND secret IS NULL);
DROP INDEX tasks_ready;
DROP INDEX tasks_slots;
CREATE INDEX tasks_ready ON tasks (unasked, priority, number) WHERE ready = 1;
CREATE INDEX tasks_slots ON tasks (unasked, priority, number) WHERE state > 0 AND state < 4;

-- Ids that no URL can name are no ids any more.
DELETE FROM transfer_log WHERE task IN (SELECT number FROM tasks WHERE device IN ('.', '..'));
DELETE FROM task_chunks WHERE task IN (SELECT number FROM tasks WHERE device IN ('.', '..'));
DELETE FROM tasks WHERE device IN ('.', '..');
DELETE FROM devices WHERE id IN ('.', '..');
