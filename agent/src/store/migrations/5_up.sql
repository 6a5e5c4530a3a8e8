ALTER TABLE campaign ADD COLUMN branch TEXT;  -- of the folder it was started in, or as the caller says
ALTER TABLE campaign ADD COLUMN verdict TEXT; -- of the gate, when it judged all of it: pass, fail or not-enough-data
