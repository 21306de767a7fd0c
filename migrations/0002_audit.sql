-- Who did what to what, from where, with what outcome. Only ever added to.
CREATE TABLE audit (
  id      INTEGER PRIMARY KEY AUTOINCREMENT,
  at      INTEGER NOT NULL,
  actor   TEXT NOT NULL,
  remote  TEXT NOT NULL,
  action  TEXT NOT NULL,
  target  TEXT NOT NULL,
  outcome TEXT NOT NULL                    -- done, or the code of the refusal
);
CREATE INDEX audit_actor ON audit (actor, id);
