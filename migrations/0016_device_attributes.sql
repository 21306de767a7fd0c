-- What devices say of themselves, and how they reached the server last.

CREATE TABLE device_attributes (
  device TEXT NOT NULL,
  key    TEXT NOT NULL,
  value  TEXT NOT NULL,
  PRIMARY KEY (device, key)
) WITHOUT ROWID;
CREATE INDEX device_attributes_value ON device_attributes (key, value);

ALTER TABLE devices ADD COLUMN attributed INTEGER NOT NULL DEFAULT 0;  -- it has rows in device_attributes
ALTER TABLE devices ADD COLUMN protocol INTEGER;                       -- Protocol
ALTER TABLE devices ADD COLUMN client TEXT NOT NULL DEFAULT '';
