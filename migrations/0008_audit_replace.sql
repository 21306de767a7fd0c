-- REPLACE takes the old row away without a DELETE trigger: an entry that is there stays as it is.
CREATE TRIGGER audit_never_replaced BEFORE INSERT ON audit
WHEN EXISTS (SELECT 1 FROM audit WHERE id = NEW.id)
BEGIN
  SELECT RAISE(ABORT, 'the audit log is only added to');
END;
