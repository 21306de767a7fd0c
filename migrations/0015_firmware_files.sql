-- Firmware as a file of its own name, with the digests that other clients check.

ALTER TABLE firmware ADD COLUMN filename TEXT;                     -- all three NULL: the scrub fills them in
ALTER TABLE firmware ADD COLUMN sha1 BLOB;
ALTER TABLE firmware ADD COLUMN md5 BLOB;
