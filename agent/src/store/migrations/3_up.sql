-- One event of a pool: of a page, or of a fleet.
CREATE TABLE event (
    id                    TEXT PRIMARY KEY, -- chosen by the sender; posting an event twice stores it once
    session               TEXT,             -- session.id of a measuring page; NULL for a person's own page and for fleets
    at_unix_micros        INTEGER NOT NULL,
    received_unix_micros  INTEGER NOT NULL,
    source                TEXT NOT NULL,    -- page or fleet
    browser_name          TEXT NOT NULL,    -- empty when the event concerns several
    browser_version       TEXT NOT NULL,
    connection            INTEGER,          -- of the pool; NULL when the event concerns several
    kind                  TEXT NOT NULL,    -- as wire::PoolEvent::kind names it, e.g. breaker or recovered
    detail                TEXT NOT NULL     -- what its kind has, as JSON
) STRICT;

CREATE INDEX event_by_time ON event (at_unix_micros);
CREATE INDEX event_by_kind ON event (kind, at_unix_micros);

-- What each strategy did for each fault; in terms that SQLite and DuckDB agree on.
CREATE VIEW recovery AS
SELECT id, session, at_unix_micros, source, browser_name, browser_version, connection,
       detail ->> '$.category' AS category, detail ->> '$.component' AS component, detail ->> '$.strategy' AS strategy,
       CASE WHEN CAST(detail ->> '$.is_success' AS TEXT) IN ('1', 'true') THEN 1 ELSE 0 END AS is_success,
       CAST(detail ->> '$.took_micros' AS INTEGER) AS took_micros
FROM event WHERE kind = 'recovered';

-- One measurement of one variant of a kernel on one adapter.
CREATE TABLE tuning (
    id                    TEXT PRIMARY KEY, -- chosen by the page
    at_unix_micros        INTEGER NOT NULL,
    browser_name          TEXT NOT NULL,
    browser_version       TEXT NOT NULL,
    backend               TEXT NOT NULL,    -- webgpu, webnn or wasm
    adapter_vendor        TEXT,             -- the four adapter columns are NULL for a backend without an adapter
    adapter_architecture  TEXT,
    adapter_description   TEXT,
    adapter_is_fallback   INTEGER,
    key                   TEXT NOT NULL,    -- the kernel and the class of its shapes
    variant               TEXT NOT NULL,
    micros                REAL NOT NULL,
    is_chosen             INTEGER NOT NULL  -- 1: the fastest of its key, which runs from then on
) STRICT;

CREATE INDEX tuning_by_key ON tuning (key, at_unix_micros);

-- A launch belongs to a campaign only when something is measured, and says when its page was up and what it could do.
CREATE TABLE launch (
    id                    TEXT PRIMARY KEY,
    campaign              INTEGER REFERENCES campaign (id), -- NULL for a launch that measures nothing
    command               TEXT NOT NULL,    -- bench, run or doctor
    browser_name          TEXT NOT NULL,
    browser_version       TEXT NOT NULL,
    started_unix_micros   INTEGER NOT NULL,
    ready_unix_micros     INTEGER,          -- first word of its page
    finished_unix_micros  INTEGER,
    ending                TEXT,             -- finished, timeout, connection_lost, aborted or interrupted
    capabilities          TEXT              -- what a worker found out it can do, as JSON
) STRICT;
INSERT INTO launch (id, campaign, command, browser_name, browser_version, started_unix_micros, finished_unix_micros, ending)
SELECT id, campaign, 'bench', browser_name, browser_version, started_unix_micros, finished_unix_micros, ending FROM session;
DROP TABLE session;
ALTER TABLE launch RENAME TO session;
