-- Times are microseconds since the Unix epoch (UTC); durations are microseconds; sizes are bytes.

-- One invocation of a measuring command.
CREATE TABLE campaign (
    id                    INTEGER PRIMARY KEY,
    started_unix_micros   INTEGER NOT NULL,
    finished_unix_micros  INTEGER,          -- NULL while it runs, and for good when the agent was killed
    label                 TEXT,             -- the caller's words
    agent_version         TEXT NOT NULL,
    git_commit            TEXT,             -- HEAD of the folder it was started in, when that is a checkout
    host                  TEXT NOT NULL,
    cpu_model             TEXT NOT NULL,
    n_cpus                INTEGER NOT NULL,
    load_before           REAL,             -- one-minute load average
    load_after            REAL
) STRICT;

-- One launch of one browser.
CREATE TABLE session (
    id                    TEXT PRIMARY KEY,
    campaign              INTEGER NOT NULL REFERENCES campaign (id),
    browser_name          TEXT NOT NULL,
    browser_version       TEXT NOT NULL,
    started_unix_micros   INTEGER NOT NULL,
    finished_unix_micros  INTEGER,
    ending                TEXT              -- finished, timeout, connection_lost, aborted or interrupted
) STRICT;

-- One run of one model.
CREATE TABLE run (
    id                    TEXT PRIMARY KEY, -- chosen by the page; posting a record twice stores it once
    session               TEXT,             -- session.id of a measured run; NULL for a person's own page
    case_id               TEXT,             -- which case of the session, e.g. minilm-l3/1x16/wasm
    started_unix_micros   INTEGER NOT NULL,
    received_unix_micros  INTEGER NOT NULL,
    browser_name          TEXT NOT NULL,
    browser_version       TEXT NOT NULL,
    user_agent            TEXT NOT NULL,
    engine                TEXT NOT NULL,    -- tabpool, or a peer such as ort-web
    engine_version        TEXT NOT NULL,
    backend               TEXT NOT NULL,    -- webgpu, webnn or wasm
    backend_detail        TEXT NOT NULL,    -- e.g. relaxed-simd
    adapter_vendor        TEXT,             -- the four adapter columns are NULL for a backend without an adapter
    adapter_architecture  TEXT,
    adapter_description   TEXT,
    adapter_is_fallback   INTEGER,          -- 1: the adapter renders in software
    precision             TEXT NOT NULL,    -- of the weights: f32, f16, int8 or unknown
    model                 TEXT NOT NULL,
    model_sha256          TEXT NOT NULL,    -- empty for a pipeline of several files
    shapes                TEXT NOT NULL,    -- e.g. input_ids:1x16,attention_mask:1x16
    cold                  INTEGER NOT NULL, -- 1: first run after a load
    is_warmup             INTEGER NOT NULL DEFAULT 0, -- 1: among the first of a measured case, or of a session without an end
    connection            INTEGER NOT NULL,
    attempt               INTEGER NOT NULL,
    queue_micros          INTEGER,
    download_micros       INTEGER,
    verify_micros         INTEGER,
    load_micros           INTEGER,
    run_micros            INTEGER,          -- computing, measured in the worker
    total_micros          INTEGER,          -- from the call to its promise, measured in the page
    memory_bytes          INTEGER NOT NULL, -- wasm memory after the run; 0 when unknown
    fault_category        TEXT,             -- the four fault columns are NULL for a run that succeeded
    fault_code            TEXT,
    fault_message         TEXT,
    fault_hint            TEXT,
    check_ok              INTEGER,          -- the check columns are set on the run whose outputs were compared
    check_max_abs_ratio   REAL,             -- largest difference over the range of the golden values
    check_cosine          REAL,
    check_problem         TEXT
) STRICT;

CREATE INDEX run_by_session ON run (session);
CREATE INDEX run_by_model ON run (model, browser_name, backend, started_unix_micros);
CREATE INDEX run_by_time ON run (started_unix_micros);
