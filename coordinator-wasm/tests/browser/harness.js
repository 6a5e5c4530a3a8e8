// Test doubles on the page's side: workers that speak the wire protocol without an engine, and an agent inside `fetch`.

/** Behaviour of a test worker, by name. A run adds 1 to every element of `x`; negative first elements have special meanings. */
const BEHAVIOURS = {
    answers: `serve({});`,
    // Gives back what it was asked.
    answersPipelines: `serve({
        run: (id, { header: { request } }) =>
            post(id, { kind: 'ran', outputs: [], result: request, phases: { run_micros: 7 }, memory_bytes: 4096 }),
    });`,
    // Traps on a negative input, answers others.
    traps: `serve({ run: (id, message) => (first(message) < 0 ? trap() : answerRun(id, message)) });`,
    // Throws where nobody catches it.
    throws: `serve({ run: () => { throw new Error('test worker throws'); } });`,
    // Takes a negative input and never answers anything again.
    hangs: `serve({
        run: (id, message) => {
            if (first(message) < 0) {
                for (;;) {}
            }
            answerRun(id, message);
        },
    });`,
    // Refuses to load, as the engine does with a file that is not a model.
    refuses: `serve({
        load: (id) => failed(id, { category: 'model_load', code: 'not-onnx', message: 'not an onnx file' }),
    });`,
    // Fails on a negative input, and goes on.
    fails: `serve({
        run: (id, message) =>
            first(message) < 0
                ? failed(id, { category: 'internal', code: 'test', message: 'test worker fails' })
                : answerRun(id, message),
    });`,
    // Fails on a negative input, and answers wrongly from then on.
    breaksDown: `let offset = 1;
    serve({
        run: (id, message) => {
            if (first(message) < 0) {
                offset = 2;
                return failed(id, { category: 'internal', code: 'test', message: 'test worker breaks down' });
            }
            answerRun(id, message, 7, offset);
        },
    });`,
    // Two backends that agree; webgpu is the faster one.
    twoBackends: `serve(
        { run: (id, message) => answerRun(id, message, message.header.request.key.endsWith('webgpu') ? 3 : 7) },
        ['webgpu', 'wasm'],
    );`,
    // The same, but webgpu is wrong.
    wrongBackend: `serve(
        {
            run: (id, message) =>
                message.header.request.key.endsWith('webgpu')
                    ? answerRun(id, message, 3, 1000)
                    : answerRun(id, message),
        },
        ['webgpu', 'wasm'],
    );`,
    // Loses its device on the first negative input.
    losesDevice: `let isLost = false;
    serve(
        {
            run: (id, message) => {
                if (first(message) < 0 && !isLost) {
                    isLost = true;
                    return failed(id, { category: 'device_lost', code: 'device-lost', message: 'test device lost' });
                }
                answerRun(id, message);
            },
        },
        ['webgpu'],
    );`,
    // Runs jobs together, 7 microseconds for each.
    stacks: `serve({
        run_batch: (id, { header: { request }, buffers }) => {
            const results = buffers.map((buffer) => new Float32Array(buffer).map((v) => v + 1));
            const outputs = results.map((y) => ({ name: 'y', dtype: 'float32', dims: [y.length] }));
            const reply = { kind: 'ran', outputs, phases: { run_micros: 7 * request.n_jobs }, memory_bytes: 4096 };
            post(id, reply, results.map((y) => y.buffer));
        },
    });`,
    // Uses as many megabytes as the first element says.
    hungry: `serve({ run: (id, message) => answerRun(id, message, 7, 1, first(message) * 1e6) });`,
    // Has no memory for a model of more than three bytes.
    small: `const sizes = new Map();
    serve({
        load: (id, message) => {
            sizes.set(message.header.request.key, message.buffers[0].byteLength);
            answerLoad(id);
        },
        run: (id, message) =>
            sizes.get(message.header.request.key) > 3
                ? failed(id, { category: 'out_of_memory', code: 'out-of-memory', message: 'test memory is used up' })
                : answerRun(id, message),
    });`,
    // Takes a fifth of a second for a run, and as many megabytes as the first element says.
    slow: `serve({ run: (id, message) => setTimeout(answerRun, 200, id, message, 7, 1, first(message) * 1e6) });`,
    // Takes 5 seconds for a negative input, unless another worker does already.
    straggles: `serve({
        run: (id, message) => {
            const answer = () => answerRun(id, message);
            if (first(message) >= 0) {
                return answer();
            }
            navigator.locks.request('straggler', { ifAvailable: true }, (lock) =>
                lock ? new Promise((resolve) => setTimeout(resolve, 5000)).then(answer) : answer());
        },
    });`,
    neverReady: `self.onmessage = () => {};`,
    brokenProtocol: `self.postMessage('not a message');`,
};

const PRELUDE = `
    const post = (id, reply, buffers = []) =>
        self.postMessage({ header: JSON.stringify({ id, reply }), buffers }, buffers);
    const first = (message) => new Float32Array(message.buffers[0])[0];
    const failed = (id, fault) => post(id, { kind: 'failed', fault });
    const trap = () =>
        post(0, { kind: 'trapped', fault: { category: 'worker_crash', code: 'trap', message: 'test trap' } });
    const answerRun = (id, message, run_micros = 7, offset = 1, memory_bytes = 4096) => {
        const x = new Float32Array(message.buffers[0]);
        const outputs = [{ name: 'y', dtype: 'float32', dims: [x.length] }];
        const phases = { run_micros };
        post(id, { kind: 'ran', outputs, phases, memory_bytes }, [x.map((v) => v + offset).buffer]);
    };
    const tensor = (name) => ({ name, dtype: 'float32', dims: [0] });
    const answerLoad = (id) => {
        const loaded = { inputs: [tensor('x')], outputs: [tensor('y')], phases: { load_micros: 5 } };
        post(id, { kind: 'loaded', backend_detail: 'test-worker', ...loaded });
    };
    const serve = (special, backends = ['wasm']) => {
        const handlers = {
            load: answerLoad,
            run: answerRun,
            run_batch: (id) => failed(id, { category: 'validation', code: 'batch', message: 'test worker runs single jobs' }),
            unload: (id) => post(id, { kind: 'unloaded' }),
            ping: (id) => post(id, { kind: 'pong', memory_bytes: 4096 }),
            ...special,
        };
        self.onmessage = ({ data }) => {
            const header = JSON.parse(data.header);
            handlers[header.request.kind](header.id, { header, buffers: data.buffers });
        };
        const capabilities = {
            wasm_build: 'test-worker', backends, webnn_devices: [], cross_origin_isolated: false,
        };
        post(0, { kind: 'ready', capabilities });
    };
`;

export function workerUrl(behaviour) {
    const script = new Blob([PRELUDE, BEHAVIOURS[behaviour]], { type: 'text/javascript' });
    return URL.createObjectURL(script);
}

/** A page for an iframe, as `frame.html`, around such a worker. Chromium does not always find another frame's blob: it has its own. */
export function frameUrl(behaviour) {
    const source = JSON.stringify(PRELUDE + BEHAVIOURS[behaviour]).replaceAll('</', '<\\/');
    const script = `
        addEventListener('message', ({ ports: [port] }) => {
            const source = new Blob([${source}], { type: 'text/javascript' });
            const worker = new Worker(URL.createObjectURL(source));
            const pass = (to) => (event) => to.postMessage(event.data, event.data.buffers);
            worker.onmessage = pass(port);
            port.onmessage = pass(worker);
        });`;
    const page = new Blob([`<script>${script}</`, 'script>'], { type: 'text/html' });
    return URL.createObjectURL(page);
}

/** The iframes of this page, the first of which goes away; gives how many there were. */
export function removeFrame() {
    const frames = document.querySelectorAll('iframe');
    frames[0].remove();
    return frames.length;
}

export function inputs(values) {
    return { x: { dtype: 'float32', dims: [values.length], data: Float32Array.from(values) } };
}


/** An agent at http://agent.test that answers from memory. `status` 0 means that nobody listens. */
export class AgentDouble {
    constructor() {
        this.status = 200;
        this.records = [];
        this.events = [];
        this.files = new Map();
        this.models = [];
        this.pipelines = [];
        this.advice = [];
        this.real = globalThis.fetch;
        this.beacons = [];
        navigator.sendBeacon = (url, body) => {
            this.beacons.push({ url, body });
            return true;
        };
        globalThis.fetch = (url, init) => {
            const { origin, pathname } = new URL(url, location.href);
            return origin === 'http://agent.test' ? this.answer(pathname, init) : this.real.call(globalThis, url, init);
        };
    }

    async answer(path, init) {
        if (this.status === 0) {
            throw new TypeError('nobody listens');
        }
        if (path === '/v1/metrics' && this.status === 200) {
            const batch = JSON.parse(init.body);
            this.records.push(...batch.records);
            this.events.push(...batch.events);
            return Response.json({ accepted: batch.records.length, duplicates: 0 });
        }
        if (path === '/v1/models' && this.status === 200) {
            return Response.json({ models: this.models, pipelines: this.pipelines });
        }
        if (path === '/v1/advice' && this.status === 200) {
            return Response.json({ schema: 1, advice: this.advice, profiles: [] });
        }
        const file = this.files.get(path);
        if (file && this.status === 200) {
            return new Response(file);
        }
        return new Response('', { status: this.status === 200 ? 404 : this.status });
    }

    addModel(id, bytes, sha256) {
        const url = `/models/${sha256}`;
        const spec = (name) => ({ name, dtype: 'float32', dims: [0] });
        this.files.set(url, bytes);
        this.models.push({
            id, family: 'text', sha256, size_bytes: bytes.length, precision: 'f32', licence: 'MIT', url,
            inputs: [spec('x')], outputs: [spec('y')], available: true,
        });
    }

    /** What the history says of `model` in a browser: `n` runs on wasm with this median. */
    addAdvice(model, browser, medianMicros, n) {
        const choice = { browser, backend: 'wasm relaxed-simd', n, median_micros: medianMicros };
        this.advice.push({ model, case: '1', choices: [choice] });
    }

    addPipeline(id, kind, bytes, sha256) {
        const url = `/models/${sha256}`;
        this.files.set(url, bytes);
        const parts = [{ role: 'model', sha256, size_bytes: bytes.length, url }];
        this.pipelines.push({ id, title: id, family: 'text', kind, parts, available: true });
    }

    /** Records in the beacons that the browser took. */
    async beaconRecords() {
        const batches = await Promise.all(this.beacons.map(({ body }) => body.text()));
        return batches.flatMap((batch) => JSON.parse(batch).records);
    }

    restore() {
        globalThis.fetch = this.real;
        delete navigator.sendBeacon;
    }
}
