DROP INDEX run_by_campaign;
DROP INDEX run_by_fault;
DROP INDEX run_by_series;
DROP INDEX run_without_series;
ALTER TABLE campaign DROP COLUMN is_experiment;
ALTER TABLE run DROP COLUMN campaign;
ALTER TABLE run DROP COLUMN series;
DROP TABLE series;
