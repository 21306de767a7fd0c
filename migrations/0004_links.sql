-- What was seen of a device's link, and whether its task waits for others behind the same uplink.
ALTER TABLE devices ADD COLUMN link_verdict INTEGER NOT NULL DEFAULT 0;  -- 0 unknown, 1 good, 2 fair, 3 poor
ALTER TABLE devices ADD COLUMN link_leaning INTEGER NOT NULL DEFAULT 0;
ALTER TABLE devices ADD COLUMN link_looks INTEGER NOT NULL DEFAULT 0;
ALTER TABLE devices ADD COLUMN link_rtt_ms REAL;
ALTER TABLE devices ADD COLUMN link_loss REAL;
ALTER TABLE devices ADD COLUMN link_rate REAL;
ALTER TABLE devices ADD COLUMN link_trouble REAL NOT NULL DEFAULT 0;
ALTER TABLE devices ADD COLUMN link_trouble_at_tl INTEGER NOT NULL DEFAULT 0;
ALTER TABLE devices ADD COLUMN link_stalls INTEGER NOT NULL DEFAULT 0;
ALTER TABLE devices ADD COLUMN link_resumes INTEGER NOT NULL DEFAULT 0;
ALTER TABLE devices ADD COLUMN link_mismatches INTEGER NOT NULL DEFAULT 0;
ALTER TABLE devices ADD COLUMN link_broken INTEGER NOT NULL DEFAULT 0;
ALTER TABLE devices ADD COLUMN mqtt_heard_tl INTEGER NOT NULL DEFAULT 0;
ALTER TABLE devices ADD COLUMN mqtt_first_until_tl INTEGER NOT NULL DEFAULT 0;
ALTER TABLE devices ADD COLUMN held_uplink TEXT;
ALTER TABLE devices ADD COLUMN held_task INTEGER;
CREATE INDEX devices_link ON devices (link_verdict);
CREATE INDEX devices_held ON devices (held_uplink, held_task) WHERE held_uplink IS NOT NULL;
