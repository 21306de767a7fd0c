-- Devices that only poll are online for longer than others: their own interval is part of the counter.
DROP TABLE device_minutes;
CREATE TABLE device_minutes (
  minute INTEGER NOT NULL,               -- of last_seen since 1970; 0: never seen
  poll_s INTEGER NOT NULL,               -- as of the device
  n      INTEGER NOT NULL,
  PRIMARY KEY (minute, poll_s)
) WITHOUT ROWID;
INSERT INTO device_minutes SELECT COALESCE(last_seen, 0) / 60000, poll_s, COUNT(*) FROM devices GROUP BY 1, 2;
