-- What a registered device reports as its hardware where that isn't what an operator registered; empty: the same.
ALTER TABLE devices ADD COLUMN reported_hardware TEXT NOT NULL DEFAULT '';
