ALTER TABLE session DROP COLUMN browser_flags;
