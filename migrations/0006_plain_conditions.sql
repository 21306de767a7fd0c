-- The same rows as before: a list in an index's condition (IN) takes a temporary table at each change of a row.
DROP INDEX tasks_slots;
DROP INDEX tasks_active;
CREATE INDEX tasks_slots ON tasks (priority, number) WHERE state > 0 AND state < 4;
CREATE UNIQUE INDEX tasks_active ON tasks (device) WHERE state > 0 AND state < 5;
