-- What is left of runs that retention removed: one row for those of one series, campaign, UTC day and kind that went together.
-- Records that came too late for their day's row have one of their own.
CREATE TABLE rollup (
    id                    INTEGER PRIMARY KEY,
    series                INTEGER NOT NULL REFERENCES series (id),
    campaign              INTEGER REFERENCES campaign (id), -- NULL for persons' own pages
    cold                  INTEGER NOT NULL, -- 1: cold starts, whose time is that of load and run
    first_unix_micros     INTEGER NOT NULL, -- start of the first run
    last_unix_micros      INTEGER NOT NULL, -- start of the last
    n                     INTEGER NOT NULL, -- runs that succeeded and were no warm-up: what the times are of
    n_failed              INTEGER NOT NULL,
    min_micros            REAL,             -- the times are NULL when n is 0
    lower_quartile_micros REAL,
    median_micros         REAL,
    upper_quartile_micros REAL,
    p95_micros            REAL,
    max_micros            REAL,
    mad_micros            REAL              -- median distance from the median
) STRICT;

CREATE INDEX rollup_by_series ON rollup (series, cold, first_unix_micros);

-- How long runs are kept: one row.
CREATE TABLE retention (
    keep_micros           INTEGER,          -- NULL: for good
    pruned_unix_micros    INTEGER NOT NULL  -- when somebody last saw to it
) STRICT;
INSERT INTO retention (keep_micros, pruned_unix_micros) VALUES (30 * 86400000000, 0);
