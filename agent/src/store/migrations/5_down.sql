ALTER TABLE campaign DROP COLUMN verdict;
ALTER TABLE campaign DROP COLUMN branch;
