ALTER TABLE session ADD COLUMN browser_flags TEXT; -- switches, preferences and variables of the launch
