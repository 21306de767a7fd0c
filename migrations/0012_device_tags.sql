-- Tags of devices, one row each; they were one text in devices: name and value by turns, each ended by U+001F.
CREATE TABLE device_tags (
  device TEXT NOT NULL,
  key    TEXT NOT NULL,
  value  TEXT NOT NULL,
  PRIMARY KEY (device, key)
) WITHOUT ROWID;
CREATE INDEX device_tags_value ON device_tags (key, value);

-- Part after part: `rest` is what follows this one, `before` the one before it; each second part is a value.
WITH RECURSIVE parts (device, place, before, part, rest) AS (
  SELECT id, 0, '', '', tags FROM devices WHERE tags <> ''
  UNION ALL
  SELECT device, place + 1, part, substr(rest, 1, instr(rest, char(31)) - 1), substr(rest, instr(rest, char(31)) + 1)
    FROM parts WHERE instr(rest, char(31)) > 0
)
INSERT OR REPLACE INTO device_tags (device, key, value)
SELECT device, before, part FROM parts WHERE place > 0 AND place % 2 = 0;

ALTER TABLE devices ADD COLUMN tagged INTEGER NOT NULL DEFAULT 0;  -- it has rows in device_tags
UPDATE devices SET tagged = 1 WHERE id IN (SELECT device FROM device_tags);
ALTER TABLE devices DROP COLUMN tags;
