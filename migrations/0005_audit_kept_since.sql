-- storage.keep_logs_days: what is older than the time that was written down first may go, and nothing else.
DROP TRIGGER audit_never_shrinks;
CREATE TRIGGER audit_never_shrinks BEFORE DELETE ON audit
WHEN OLD.at >= COALESCE((SELECT CAST(value AS INTEGER) FROM kept_values WHERE name = 'audit_kept_since'), 0)
BEGIN
  SELECT RAISE(ABORT, 'the audit log is only added to, until storage.keep_logs_days are over');
END;
