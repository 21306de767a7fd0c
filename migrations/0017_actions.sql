-- Devices that only poll, as clients of hawkBit do, and what they are told to do.

ALTER TABLE devices ADD COLUMN poll_s INTEGER NOT NULL DEFAULT 0;            -- 0: it is sent messages
ALTER TABLE devices ADD COLUMN wants_attributes INTEGER NOT NULL DEFAULT 0;  -- it is asked for them at its next poll

CREATE TABLE actions (
  id      INTEGER PRIMARY KEY AUTOINCREMENT,   -- readable_action()
  task    INTEGER NOT NULL,
  attempt INTEGER NOT NULL,
  device  TEXT NOT NULL,
  state   INTEGER NOT NULL,                    -- ActionState
  reports INTEGER NOT NULL
);
CREATE INDEX actions_task ON actions (task, id);
CREATE INDEX actions_live ON actions (device, id) WHERE state < 3;  -- not over
CREATE INDEX actions_finished ON actions (device, id) WHERE state = 3;

CREATE TRIGGER tasks_actions_gone AFTER DELETE ON tasks
BEGIN
  DELETE FROM actions WHERE task = OLD.number;
END;
