-- The largest payload that the device takes, as it said last; NULL: it said none.
ALTER TABLE devices ADD COLUMN max_message_bytes INTEGER;
