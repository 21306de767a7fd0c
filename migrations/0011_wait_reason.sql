-- Why a queued task has no slot (WaitReason); 1: it stands in the queue for one. It takes the place of `ready`.
ALTER TABLE tasks ADD COLUMN wait_reason INTEGER NOT NULL DEFAULT 0;
-- The poor uplink of its device when it got its slot, on which it takes one of the places; NULL: none.
ALTER TABLE tasks ADD COLUMN slot_uplink TEXT;
UPDATE tasks SET wait_reason = CASE WHEN ready = 1 THEN 1 WHEN wait_due IS NOT NULL THEN 3 ELSE 2 END WHERE state = 0;
DROP INDEX tasks_ready;
ALTER TABLE tasks DROP COLUMN ready;
CREATE INDEX tasks_ready ON tasks (unasked, priority, number) WHERE wait_reason = 1;
CREATE INDEX tasks_uplink ON tasks (slot_uplink) WHERE slot_uplink IS NOT NULL;
-- A row once the device has a chunk, as before; an empty one says nothing.
DELETE FROM task_chunks WHERE task IN (SELECT number FROM tasks WHERE chunks_have = 0);
