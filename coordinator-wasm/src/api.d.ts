/** Element type, named as in ONNX. */
export type DType = 'float32' | 'float16' | 'int64' | 'int32' | 'int8' | 'uint8' | 'bool';

/** What executes a model inside one worker; WebNN's device types are backends of their own, `webnn` is the processor. */
export type Backend = 'webgpu' | 'webnn' | 'webnn-gpu' | 'webnn-npu' | 'wasm';

/** Name, type and shape of one model input or output; a symbolic dimension is 0. */
export interface TensorSpec {
    name: string;
    dtype: DType;
    dims: number[];
}

/**
 * One tensor in C order. The array must be of the kind that `dtype` names: `Float32Array`, `BigInt64Array`, `Int32Array`, `Int8Array`,
 * `Uint8Array` (also for `bool`); `float16` takes `Float16Array` or `Uint16Array` with the raw bits, and is given back as `Uint16Array`.
 */
export interface Tensor {
    dtype: DType;
    dims: number[];
    data: Float32Array | BigInt64Array | Int32Array | Int8Array | Uint8Array | Uint8ClampedArray | Uint16Array;
}

/** Inputs of a plain model, by name. */
export type ModelInputs = Record<string, Tensor>;

/** Inputs of a pipeline; which key it takes depends on the pipeline. Audio is 16 kHz mono, images are RGBA. */
export type PipelineInputs =
    | { texts: string[] }
    | { text: string }
    | { image: { width: number; height: number; data: Uint8ClampedArray | Uint8Array } }
    | { audio: Float32Array }
    | { bytes: Uint8Array };

/** Why something failed: the shape of every error that tabpool throws, and of `fault` in records and events. */
export interface Fault {
    /** What kind of thing went wrong; decides what may be retried. */
    category:
        | 'connection_lost' | 'worker_crash' | 'device_lost' | 'out_of_memory' | 'timeout' | 'unsupported_operator'
        | 'validation' | 'numeric' | 'model_load' | 'integrity' | 'overload' | 'cancelled' | 'internal';
    /** Stable kebab-case code, e.g. `input-shape`. */
    code: string;
    /** What failed, where, and why. */
    message: string;
    /** The next thing to try. */
    hint?: string;
    /** In records: of a job that was refused because the queue was full, when there should be room. */
    retry_after_ms?: number;
}

/** What promises are rejected with. `cause` is the signal's reason for a cancelled job. */
export interface TabpoolError extends Error, Fault {
    name: 'TabpoolError';
    cause?: unknown;
    /** With code `queue-full`: when there should be room, milliseconds from now. */
    retryAfterMs?: number;
}

/** Options of `createPool`; times are milliseconds. */
export interface PoolOptions {
    /** Workers: a fixed number, or the bounds that the pool scales between. Default `{ min: 1, max: 4 }`. */
    workers?: number | { min?: number; max?: number };
    /** Base URL of the agent: catalogue, models, metrics. Default `location.origin`; `null` works without one. */
    agent?: string | URL | null;
    /** The worker's module script. Default `worker.js` beside this module. */
    workerUrl?: string | URL;
    /**
     * Connections that are iframes, on top of the workers: a number of them with `frame.html` beside this module, or the address
     * of each. An iframe of the page's own origin shares its process. One of another site (another host name, also
     * `http://p1.localhost:PORT` beside `http://localhost:PORT`) has a process of its own in Chromium and Firefox, so that
     * what kills it, such as running out of memory, leaves the page alone; it needs the server's answers to carry
     * `Cross-Origin-Resource-Policy: cross-origin`. A pool with iframes may have no workers (`workers: 0`).
     */
    iframes?: number | (string | URL)[];
    /** Jobs that may wait; one more is refused with code `queue-full`. Default 256. */
    queueLimit?: number;
    /**
     * Jobs of equal shapes that may share a call when they wait for the same model: small ones are faster so. Default 4; 1 turns
     * it off. A model that computes its rows from each other is found out by comparing a first batch with a single run.
     */
    maxBatch?: number;
    /** How long a job may wait for company. Default: not at all, so that only what waits anyway runs together. */
    batchDelayMs?: number;
    /**
     * Memory that all workers may use together, bytes. Above 80 % of it workers are closed down to the fewest and idle models
     * leave the others; what cannot fit is refused. Default: a quarter of `navigator.deviceMemory`, none where the browser does not
     * say; `null`: none.
     */
    memoryLimitBytes?: number | null;
    /**
     * Starts a second call elsewhere for a job that takes longer than 95 of 100 do, for at most 5 % of calls; the first answer
     * counts. Default false: it costs work.
     */
    hedge?: boolean;
    /** Time for a worker to say that it is ready. Default 30 000. */
    launchTimeoutMs?: number;
    /** Time for a worker to load a model. Default 120 000. */
    loadTimeoutMs?: number;
    /** Time for one run. Default 60 000. */
    runTimeoutMs?: number;
    /** Time between signs of life that an idle worker is asked for. Default 5 000. */
    heartbeatMs?: number;
    /** Time between two changes of the number of workers; memory shortage does not wait for it. Default 30 000. */
    scaleCooldownMs?: number;
    /** Name of the bench session that records belong to. A session starts without evidence and advice. */
    session?: string;
    /**
     * Entry of `localStorage` in which the pool keeps what it learns (breakers, latencies, how well recoveries do), so that
     * a reloaded page starts with it. Default `tabpool.evidence`; `null` keeps nothing. Of two pools that share an entry
     * the one that saves last prevails. What is damaged or of another version is ignored: see `stats().knowledge`.
     */
    evidenceKey?: string | null;
    /** Browser to put into records, when the launcher knows it better than the page. */
    browser?: { name: string; version: string };
    /** Records, and as many events, kept while the agent does not answer; beyond it the oldest are dropped and counted. Default 1000. */
    recordLimit?: number;
}

/** Bytes of one model, arriving. `total` is 0 when the server does not say. */
export interface LoadProgress {
    /** Id or name of the model. */
    model: string;
    /** `download`, then `verify`, then `load` (into the first worker), then `done`. */
    phase: 'download' | 'verify' | 'load' | 'done';
    /** Bytes so far, over all files of the model. */
    loaded: number;
    /** Bytes to come in all, or 0. */
    total: number;
}

/** Known inputs and outputs of a model. */
export interface ProbeOptions {
    /** As for `run()`. */
    inputs: ModelInputs | PipelineInputs;
    /** What must come out. Without it the inputs only serve `backend: 'auto'`. */
    outputs?: Record<string, { data: Tensor['data'] | number[] }>;
    /**
     * Largest absolute difference over the range of the expected values, default 0.01, and cosine similarity at least,
     * default 0.999.
     */
    limits?: { maxAbsRatio?: number; cosine?: number };
}

export interface LoadOptions {
    /**
     * Default `wasm`. `auto` runs the model a few times on every backend that the workers have, leaves it those whose
     * outputs agree, and says so in an event; each run then goes where it is expected to end first. It uses the probe's
     * inputs, or made-up ones for a plain model; a pipeline without a probe is not measured and gets wasm.
     */
    backend?: Backend | 'auto';
    /**
     * What a worker that failed is tried with before it gets jobs again: a worker that answers wrongly stays out.
     * `first-run` takes the first run that goes well, which suits models that always answer the same. Default: jobs.
     */
    probe?: ProbeOptions | 'first-run';
    /** SHA-256 (hex) that the bytes behind a URL must have; the catalogue knows its own. */
    sha256?: string;
    /** Name in records and statistics for the caller's own bytes. Default: file name, last part of the URL, or `unnamed`. */
    name?: string;
    onProgress?: (progress: LoadProgress) => void;
    /** A loaded variant of the model with the same inputs and outputs and smaller weights: stands in when memory runs out. */
    lowerPrecision?: Model;
    /** Stops the download, and the wait. */
    signal?: AbortSignal;
}

export interface RunOptions {
    /** Cancels the job, waiting or running. */
    signal?: AbortSignal;
    /** The job fails with category `timeout` when it has not ended this long after the call. */
    deadlineMs?: number;
    /** Share of the pool while others wait; default `normal`. No priority starves another. */
    priority?: 'low' | 'normal' | 'high';
    /**
     * Hands the input arrays' buffers over to the worker instead of copying them: they are empty afterwards, and the job
     * cannot be tried again elsewhere when its worker dies. Default false: do not change the arrays before the promise settles.
     */
    transfer?: boolean;
    /**
     * Cuts a large job along the first dimension into pieces of nearly equal size, one for each ready worker, that run as jobs
     * of their own with the same signal, deadline and priority; the outputs come back joined in order, with `pieces`. Every piece
     * has its record; the result carries that of the first piece. A piece that fails for good fails the job and calls the others
     * off. What cannot be split runs whole, which is no error: a pipeline, a model that does not leave the first dimension of every
     * input and output free, inputs that differ in it or have one row, a pool with one ready worker. The first time, the job
     * also runs whole, and that alone decides: a model whose pieces fail or differ by more than 1e-4 of an output's range
     * runs whole from then on (`isSplittable` in `stats()`). Arrays of what is split are copied whatever `transfer` says.
     * Default false.
     */
    split?: boolean;
    /** Id of the bench case that the run belongs to, for its record. */
    case?: string;
}

export interface RunResult {
    /** Output tensors by name. */
    outputs: Record<string, Tensor>;
    /** A pipeline's result that is not a tensor. */
    result?: any;
    /** How many jobs the outputs are joined from, where it was `split`. */
    pieces?: number;
    record: RunRecord;
}

/** One run, as it is stored. Field names are those of the agent's JSON. */
export interface RunRecord {
    id: string;
    session: string | null;
    case: string | null;
    started_unix_micros: number;
    browser: { name: string; version: string; user_agent: string };
    engine: string;
    engine_version: string;
    backend: Backend;
    backend_detail: string;
    adapter: { vendor: string; architecture: string; description: string; is_fallback: boolean } | null;
    precision: 'f32' | 'f16' | 'int8' | 'unknown';
    model: string;
    model_sha256: string;
    /** E.g. `input_ids:1x16`; with `@4` behind it, the call ran four such jobs together and `run_micros` is the call's. */
    shapes: string;
    cold: boolean;
    connection: number;
    attempt: number;
    phases: {
        queue_micros?: number;
        download_micros?: number;
        verify_micros?: number;
        load_micros?: number;
        run_micros?: number;
        total_micros?: number;
    };
    memory_bytes: number;
    outcome: { kind: 'ok' } | { kind: 'failed'; fault: Fault };
}

/** `waiting`: a pause before the worker is started again. */
export type ConnectionState = 'waiting' | 'opening' | 'ready' | 'draining' | 'closed';

export type BreakerState = 'closed' | 'open' | 'half_open';

/** What has a breaker of its own in each connection. */
export type Component = Backend | 'loader' | 'transport';

/**
 * Who decides: the breaker (`automatic`), or an operator: `forced_open` passes nothing, `disabled` everything without counting,
 * `metrics_only` everything while counting.
 */
export type BreakerMode = 'automatic' | 'forced_open' | 'disabled' | 'metrics_only';

/** What one worker can do, found by trying. Field names are those of the agent's JSON. */
export interface Capabilities {
    wasm_build: string;
    backends: Backend[];
    adapter?: { vendor: string; architecture: string; description: string; is_fallback: boolean };
    webgpu_reason?: string;
    webnn_devices: string[];
    webnn_reason?: string;
    webnn_notes?: string[];
    cross_origin_isolated: boolean;
}

export interface ConnectionStats {
    /** A connection keeps its id when its worker is replaced. */
    id: number;
    kind: 'worker' | 'iframe';
    state: ConnectionState;
    /** 0–100: its link, or its best backend when that is worse. */
    health: number;
    /** Id of the model that runs now, or null. */
    job: string | null;
    /** When that run started, on the clock of `performance.now()`. */
    jobStartedMs?: number;
    /** Ids of the models loaded in the worker. */
    models: string[];
    /** Size of the worker's wasm memory after its last answer, bytes; 0 when unknown. */
    memoryBytes: number;
    nRuns: number;
    nFaults: number;
    /** Workers that were started to replace a lost one. */
    nRespawns: number;
    /** Its backends, its loader and its link; `openForMs` is the time until an open breaker lets a probe pass. */
    breakers: {
        component: Component; state: BreakerState; mode: BreakerMode; health: number; openForMs: number | null;
    }[];
    /** Null until the first worker is ready. */
    capabilities: Capabilities | null;
}

export interface ModelStats {
    id: string;
    nRuns: number;
    nFaults: number;
    /** Median and 95th percentile from `run()` to its promise over the last `nSamples` successful runs, or null without any. */
    medianMs: number | null;
    p95Ms: number | null;
    nSamples: number;
    /** Whether pieces of its jobs gave what a whole one gave; null before one was `split`. */
    isSplittable: boolean | null;
}

export interface PoolStats {
    /** Jobs waiting. */
    queued: number;
    /** Jobs in workers. */
    running: number;
    connections: ConnectionStats[];
    models: ModelStats[];
    /** What all workers use, and may. */
    memoryBytes: number;
    memoryLimitBytes: number | null;
    /** Records of runs: waiting to be posted, accepted by the agent, lost for good. */
    records: Sent;
    /** The same for events. */
    events: Sent;
    /** What the pool took up from earlier visits and from the agent's history, or why it could not. */
    knowledge: {
        evidence: { n: number; problem: string | null };
        advice: { n: number; problem: string | null };
    };
}

export interface Sent {
    pending: number;
    posted: number;
    dropped: number;
}

/** One place where a model could run, and what speaks for and against it. Times are milliseconds. */
export interface Candidate {
    connection: number;
    backend: Backend;
    /** Expected time until the result: wait, load, and the run divided by health. */
    totalMs: number;
    /** Until a slot is free. */
    waitMs: number;
    /** 0 where the model is loaded. */
    loadMs: number;
    /** At full health. */
    runMs: number;
    /** Of the component, 0–100. */
    health: number;
    /** How many times slower than others of its kind the worker is; 1 unless that is certain. */
    memberFactor: number;
    /** Standard error of ln(runMs): above 1 little is known. */
    uncertainty: number;
    /** Why it is out of the question, or null. */
    exclusion: 'not_allowed' | 'not_ready' | 'no_backend' | 'unsupported' | 'not_serving' | 'no_memory' | null;
    /** All of it as a sentence. */
    text: string;
}

/** Something that the pool decided or found out, as it is stored. Field names are those of the agent's JSON. */
export interface EventRecord {
    id: string;
    session: string | null;
    at_unix_micros: number;
    source: 'page';
    browser: { name: string; version: string; user_agent: string };
    connection?: number;
    event:
        | { kind: 'breaker'; component: string; from: BreakerState; to: BreakerState; reason: string; health: number }
        | { kind: 'connection'; to: ConnectionState; cause?: Fault['category'] }
        | { kind: 'recovering'; category: Fault['category']; component: string; strategy: string; after_micros: number }
        | {
              kind: 'recovered'; category: Fault['category']; component: string; strategy: string; is_success: boolean;
              took_micros: number;
          }
        | {
              kind: 'incident'; domain: number; category: Fault['category']; component: string; n_members: number;
              phase: 'opened' | 'returning' | 'failed';
          }
        | { kind: 'root_cause'; category: Fault['category']; n_faults: number; sentence: string; factors: object[] }
        | { kind: 'quarantined'; model: string; cause: Fault['category']; n_connections: number }
        | { kind: 'backend_chosen'; model: string; backend: Backend; sentence: string }
        | {
              kind: 'scaled'; from: number; to: number; reason: string; utilization: number; n_queued: number;
              queue_delay_micros: number; memory_ratio: number;
          }
        | {
              kind: 'placed'; model: string; backend: Backend; n_jobs: number; expected_micros: number; load_micros: number;
              is_exploration: boolean; is_probe: boolean; is_hedge: boolean;
          }
        | {
              kind: 'called'; call: string; component: string; model?: string; latency_micros: number; is_probe: boolean;
              fault?: Fault['category'];
          }
        | { kind: 'refused'; model: string; reason: string }
        | { kind: 'ended'; model: string; verdict: string; cause: Fault['category']; took_micros: number }
        | { kind: 'unloaded'; model: string; backend: Backend; reason: string }
        | { kind: 'breaker_mode'; component: string; mode: BreakerMode };
}

/** Events of `pool.on`. */
export interface PoolEvents {
    /** A run ended, well or not. */
    record: RunRecord;
    /** The pool decided or found out something. `state`, `breaker` and `scale` are the same events in short. */
    event: EventRecord;
    /** A connection changed its state. */
    state: { connection: number; state: ConnectionState; reason: string };
    /** Something failed; a job that goes on elsewhere afterwards is still reported here. */
    fault: { fault: Fault; connection: number | null; model: string | null };
    /** A circuit breaker opened, half-opened or closed; `health` is 0–100. */
    breaker: { connection: number; component: string; from: BreakerState; to: BreakerState; health: number };
    /** The pool starts or retires workers. */
    scale: { from: number; to: number; reason: string };
    /** Bytes of a model arrive. */
    progress: LoadProgress;
    /** Posting records failed, or works again. */
    agent: { reachable: boolean; fault: Fault | null };
    /** `stats()` has changed: a queue, a connection or a model. At most one per turn of the event loop. */
    change: null;
}

/** A model or pipeline loaded into the pool. */
export interface Model {
    readonly id: string;
    /** Graph inputs of a plain model. */
    readonly inputs: TensorSpec[];
    readonly outputs: TensorSpec[];
    run(inputs: ModelInputs | PipelineInputs, options?: RunOptions): Promise<RunResult>;
    /** Forgets the model in every worker once the last handle on it is unloaded. Jobs already accepted still run. */
    unload(): Promise<void>;
}

export interface Pool {
    /** Loads a model or pipeline by its id in the agent's catalogue, by URL, or from bytes. */
    load(source: string | URL | ArrayBuffer | Uint8Array | Blob, options?: LoadOptions): Promise<Model>;
    stats(): PoolStats;
    /**
     * Where a run of the model would go now, and why: every place, best first, those out of the question last. With inputs, the
     * times are those of their shapes.
     */
    explain(model: Model, inputs?: ModelInputs | PipelineInputs): Candidate[];
    /** Takes a connection's breaker into your hands, or lets go of it; it stays so when the worker is replaced. */
    setBreakerMode(connection: number, component: Component, mode: BreakerMode): void;
    /** Calls `callback` for every such event until the returned function is called. */
    on<Name extends keyof PoolEvents>(event: Name, callback: (event: PoolEvents[Name]) => void): () => void;
    /** Terminates one worker as a crash would; the pool recovers as from any other. */
    killWorker(connection: number): void;
    /** Posts the records and events that wait and gives the number that could not be posted. */
    flush(): Promise<number>;
    /** Ends every job as cancelled, posts what records it can, terminates the workers. */
    close(): Promise<void>;
}

/** Starts a pool; the promise settles when a first worker is ready or none can be. */
export function createPool(options?: PoolOptions): Promise<Pool>;
