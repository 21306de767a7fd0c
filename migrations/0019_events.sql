-- Events, in the order in which they became true. Numbers are never given out twice.
CREATE TABLE events (
  number  INTEGER PRIMARY KEY AUTOINCREMENT,
  at      INTEGER NOT NULL,
  type    INTEGER NOT NULL,               -- EventType
  subject TEXT NOT NULL,
  channel TEXT NOT NULL,                  -- '' none
  device  TEXT NOT NULL,                  -- '' none
  data    TEXT NOT NULL                   -- a JSON object
);
