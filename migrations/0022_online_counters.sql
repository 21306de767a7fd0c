-- How many devices of a channel or hardware type are online is counted, too.
DROP TABLE device_minutes;
CREATE TABLE device_minutes (
  minute   INTEGER NOT NULL,               -- of last_seen since 1970; 0: never seen
  poll_s   INTEGER NOT NULL,               -- as of the device
  channel  TEXT NOT NULL,
  hardware TEXT NOT NULL,
  n        INTEGER NOT NULL,
  PRIMARY KEY (minute, poll_s, channel, hardware)
) WITHOUT ROWID;
INSERT INTO device_minutes
  SELECT COALESCE(last_seen, 0) / 60000, poll_s, channel, hardware, COUNT(*) FROM devices GROUP BY 1, 2, 3, 4;
