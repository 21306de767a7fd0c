-- Devices are found by their token.
CREATE INDEX devices_secret ON devices (secret) WHERE secret IS NOT NULL;
