-- API keys: which devices they reach, until when they are good, and the secret before a rotation.
ALTER TABLE api_keys ADD COLUMN scope TEXT NOT NULL DEFAULT '';  -- conditions, one a line; empty: all devices
ALTER TABLE api_keys ADD COLUMN expires INTEGER;
ALTER TABLE api_keys ADD COLUMN former_secret BLOB;
ALTER TABLE api_keys ADD COLUMN former_until INTEGER;
