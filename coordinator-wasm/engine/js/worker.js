// The worker's module: loads the engine build that this browser can run, and passes messages to and from it.
//
// A message is `{ header, buffers }`, as `wire::engine` describes. Nothing is decided here but which build answers, and
// what counts as the end of the engine: a panic, a trap or any exception that nobody caught is posted as `trapped`.
// A model with an operator that the engine refuses is handed to the fallback build, which is loaded when that happens.

/** wasm modules with one relaxed instruction each. WebKit can have the first and lack the second. */
const RELAXED_MADD = [
    // (func (result v128) i32.const 0 i8x16.splat (twice more) f32x4.relaxed_madd)
    0, 97, 115, 109, 1, 0, 0, 0, 1, 5, 1, 96, 0, 1, 123, 3, 2, 1, 0, 10, 19, 1, 17, 0,
    65, 0, 253, 15, 65, 0, 253, 15, 65, 0, 253, 15, 253, 133, 2, 11,
];
const RELAXED_DOT = [
    // (func (result v128) i32.const 0 i8x16.splat (twice more) i32x4.relaxed_dot_i8x16_i7x16_add_s)
    0, 97, 115, 109, 1, 0, 0, 0, 1, 5, 1, 96, 0, 1, 123, 3, 2, 1, 0, 10, 19, 1, 17, 0,
    65, 0, 253, 15, 65, 0, 253, 15, 65, 0, 253, 15, 253, 147, 2, 11,
];

const hasRelaxedSimd = [RELAXED_MADD, RELAXED_DOT].every((bytes) => WebAssembly.validate(new Uint8Array(bytes)));
const build = hasRelaxedSimd ? 'relaxed' : 'simd128';

/** Longest that a request may have to wait for the warm-up, milliseconds. */
const WARM_UP_MILLIS = 40;

/** The generated modules that are imported. */
const glues = [];
/** The fallback build's engine, or the promise of it, once a model needed it. */
let fallback = null;
/** Keys of the models that the fallback holds. */
const fallbackKeys = new Set();
/** False once the engine is gone: what still comes in is answered by the page, which replaces the worker. */
let alive = true;

self.addEventListener('error', (event) => {
    event.preventDefault();
    trapped(event.error ?? event.message);
});
self.addEventListener('unhandledrejection', (event) => {
    event.preventDefault();
    trapped(event.reason);
});

const started = start(build);

self.addEventListener('message', async ({ data: { header, buffers: given } }) => {
    const engine = await started;
    if (alive) {
        const request = requestOf(header);
        const settled = await Promise.allSettled(given.map((buffer) => opened(buffer, request.backend)));
        const buffers = settled.map(({ value }) => value);
        const isWhole = settled.every(({ status }) => status === 'fulfilled');
        post(isWhole ? await answer(engine, request, header, buffers) : unreadable(header));
        // What was handed over is used up: a model's file need not wait for a garbage collection. Only WebGPU reads weights
        // again, when a device is lost.
        const isUsedUp = request.backend !== 'webgpu';
        buffers.forEach((buffer) => (buffer?.close ? buffer.close() : isUsedUp && buffer?.transfer?.(0)));
    }
});

post(await (await started).ready());
// The page has a model to find and to download now.
(await started).warmUp(WARM_UP_MILLIS);

async function start(name) {
    const glue = await import(`./engine-${name}.js`);
    await glue.default();
    glues.push(glue);
    return new glue.Engine();
}

/** A buffer, or what a stored file is read from. */
async function opened(buffer, backend) {
    if (!(buffer instanceof Blob)) return buffer;
    try {
        const folder = await (await navigator.storage.getDirectory()).getDirectoryHandle('tabpool-models');
        const handle = await folder.getFileHandle(buffer.name);
        const access = await handle.createSyncAccessHandle({ mode: 'read-only' });
        return Object.assign(access, { blob: buffer });
    } catch {
        // This worker's storage is another one, another worker reads the file in a browser that lets only one, or it is no
        // file of the storage.
        if (backend !== 'webgpu') return buffer.arrayBuffer();
        await buffer.slice(0, 1).arrayBuffer();
        return buffer;
    }
}

/** What is said when somebody emptied the storage: the page fetches the model again. */
function unreadable(header) {
    const message = 'the stored files of the model cannot be read any more';
    const reply = { kind: 'failed', fault: { category: 'integrity', code: 'bytes-unreadable', message } };
    return { header: JSON.stringify({ id: JSON.parse(header).id, reply }), buffers: [], free() {} };
}

async function answer(engine, { kind, key, backend }, header, buffers) {
    if (kind !== 'load') {
        const holder = fallbackKeys.has(key) ? await fallback : engine;
        return holder.handle(header, buffers);
    }
    const message = await engine.handle(header, buffers);
    if (backend !== 'wasm' || !isUnsupported(message.header)) {
        fallbackKeys.delete(key);
        return message;
    }
    try {
        fallback ??= start('fallback');
        await fallback;
    } catch {
        // It is not served: the refusal stands.
        fallback = null;
        return message;
    }
    message.free();
    fallbackKeys.add(key);
    return (await fallback).handle(header, buffers);
}

/** A request that cannot be read has neither kind nor key; the engine says so. */
function requestOf(header) {
    try {
        return JSON.parse(header).request ?? {};
    } catch {
        return {};
    }
}

function isUnsupported(header) {
    const { kind, fault } = JSON.parse(header).reply;
    return kind === 'failed' && fault.code === 'unsupported-operator';
}

function post(message) {
    const { header, buffers } = message;
    message.free();
    self.postMessage({ header, buffers }, buffers);
}

/** Tells the page, once, that this worker is of no more use. */
function trapped(error) {
    if (!alive) {
        return;
    }
    alive = false;
    const words = error instanceof Error ? `${error.name}: ${error.message}` : String(error);
    const reply = { kind: 'trapped', fault: fault(words) };
    self.postMessage({ header: JSON.stringify({ id: 0, reply }), buffers: [] });
}

function fault(words) {
    const { panic, failedBytes } = lastWords();
    if (glues.length === 0) {
        return {
            category: 'worker_crash',
            code: 'engine-missing',
            message: `the worker cannot load its engine: ${words}`,
            hint: `serve engine-${build}.js and engine-${build}_bg.wasm beside worker.js`,
        };
    }
    if (failedBytes > 0) {
        return {
            category: 'out_of_memory',
            code: 'out-of-memory',
            message: `the engine could not allocate ${failedBytes} bytes`,
            hint: 'use a smaller model or batch, or fewer models per worker',
        };
    }
    return {
        category: 'worker_crash',
        code: panic === undefined ? 'trap' : 'panic',
        message: `the engine stopped: ${panic ?? words}`,
    };
}

/** What the engines noted before one of them stopped. It may be too broken to be asked. */
function lastWords() {
    const words = { panic: undefined, failedBytes: 0 };
    for (const glue of glues) {
        try {
            words.panic ??= glue.lastPanic();
            words.failedBytes ||= glue.failedAllocationBytes();
        } catch {
            // The other one may still speak.
        }
    }
    return words;
}
