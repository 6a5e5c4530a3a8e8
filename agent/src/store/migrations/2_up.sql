-- Runs that may be compared with each other: same model file, inputs, precision, engine, backend, adapter, browser and
-- machine. Versions of browser and engine are not part of it: a change of theirs is what a trend shows.
CREATE TABLE series (
    id                    INTEGER PRIMARY KEY,
    model                 TEXT NOT NULL,
    model_sha256          TEXT NOT NULL,
    case_id               TEXT NOT NULL,    -- empty for a person's own page
    shapes                TEXT NOT NULL,
    precision             TEXT NOT NULL,
    engine                TEXT NOT NULL,
    backend               TEXT NOT NULL,
    backend_detail        TEXT NOT NULL,
    browser_name          TEXT NOT NULL,
    adapter               TEXT NOT NULL,    -- what the browser tells of it, with ` (software)` for a fallback; or empty
    host                  TEXT NOT NULL,    -- empty for a person's own page: nobody knows the machine
    cpu_model             TEXT NOT NULL,
    UNIQUE (model, model_sha256, case_id, shapes, precision, engine, backend, backend_detail, browser_name, adapter, host,
            cpu_model)
) STRICT;

-- series.id and campaign.id, set when the record is stored; campaign stays NULL for a person's own page.
ALTER TABLE run ADD COLUMN series INTEGER;
ALTER TABLE run ADD COLUMN campaign INTEGER;

-- 1: no part of trends, and no baseline.
ALTER TABLE campaign ADD COLUMN is_experiment INTEGER NOT NULL DEFAULT 0;

-- Nobody knows which runs of a session without an end were warm-up.
UPDATE run SET is_warmup = 1
WHERE cold = 0 AND session IN (SELECT id FROM session WHERE ending IS NULL);

CREATE INDEX run_without_series ON run (id) WHERE series IS NULL;
-- Holds everything that a trend reads, so that it never touches the wide rows.
CREATE INDEX run_by_series ON run (series, cold, started_unix_micros, campaign, run_micros, total_micros, load_micros)
    WHERE fault_category IS NULL AND is_warmup = 0;
CREATE INDEX run_by_fault ON run (series, started_unix_micros, campaign) WHERE fault_category IS NOT NULL;
CREATE INDEX run_by_campaign ON run (campaign, series);
