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

-- Whom events are posted to: a cursor each.
CREATE TABLE webhooks (
  id              INTEGER PRIMARY KEY AUTOINCREMENT,
  url             TEXT NOT NULL,
  types           TEXT NOT NULL,          -- with commas between; '' all
  channel         TEXT NOT NULL,          -- '' any
  salt            TEXT NOT NULL,          -- of its secret
  old_salt        TEXT NOT NULL,
  old_until       INTEGER,
  created         INTEGER NOT NULL,
  created_by      TEXT NOT NULL,
  revision        INTEGER NOT NULL,
  cursor          INTEGER NOT NULL,
  enabled         INTEGER NOT NULL,
  disabled_reason TEXT NOT NULL,
  failures        INTEGER NOT NULL,
  next_at         INTEGER,
  failing_since   INTEGER,
  last_at         INTEGER,
  last_status     INTEGER NOT NULL,
  last_error      TEXT NOT NULL
);
