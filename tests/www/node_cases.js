// Runs ONNX's node cases in the engine's worker and posts what came out; the test that serves this page judges it.

const progress = document.querySelector('#progress');
const backend = new URLSearchParams(location.search).get('backend');

/** A worker that has said it is ready. */
class Engine {
    static async open() {
        const engine = new Engine();
        const { reply } = await engine.next();
        if (reply.kind !== 'ready') {
            throw new Error(JSON.stringify(reply));
        }
        engine.build = reply.capabilities.wasm_build;
        return engine;
    }

    constructor() {
        this.worker = new Worker(`/pkg/worker.js${location.search}`, { type: 'module' });
        this.id = 0;
    }

    next() {
        return new Promise((resolve, reject) => {
            this.worker.onmessage = ({ data }) => resolve({ ...JSON.parse(data.header), ...data });
            this.worker.onerror = (event) => reject(new Error(`the worker failed: ${event.message}`));
        });
    }

    ask(request, buffers) {
        this.id += 1;
        const answer = this.next();
        this.worker.postMessage({ header: JSON.stringify({ id: this.id, request }), buffers }, buffers);
        return answer;
    }
}

/** A tensor bundle (`wire::tensor`) as headers and one `ArrayBuffer` each. */
function parseBundle(body) {
    const nHeader = new DataView(body).getUint32(0, true);
    const headers = JSON.parse(new TextDecoder().decode(body.slice(4, 4 + nHeader)));
    const sizes = { float32: 4, float16: 2, int64: 8, int32: 4, int8: 1, uint8: 1, bool: 1 };
    let start = 4 + nHeader;
    const buffers = headers.map(({ dtype, dims }) => {
        const end = start + dims.reduce((n, dim) => n * dim, sizes[dtype]);
        const buffer = body.slice(start, end);
        start = end;
        return buffer;
    });
    return { headers, buffers };
}

/** The last answer to a case: that of the run, or of the load when it failed. */
async function runCase(engine, body) {
    const { headers, buffers } = parseBundle(body);
    const parts = [{ role: 'model', sha256: null }];
    const loaded = await engine.ask({ kind: 'load', key: 'case', backend, pipeline: null, parts }, [buffers[0]]);
    if (loaded.reply.kind !== 'loaded') {
        return loaded;
    }
    return engine.ask({ kind: 'run', key: 'case', inputs: headers.slice(1) }, buffers.slice(1));
}

async function main() {
    let engine = await Engine.open();
    const nCases = await (await fetch('/cases')).json();
    for (let index = 0; index < nCases; index += 1) {
        progress.textContent = `${engine.build}: ${index} of ${nCases}`;
        const { header, buffers, reply } = await runCase(engine, await (await fetch(`/case/${index}`)).arrayBuffer());
        const text = new TextEncoder().encode(header);
        const body = new Blob([new Uint32Array([text.length]), text, ...buffers]);
        const posted = await fetch(`/outcome/${index}`, { method: 'POST', body });
        if (!posted.ok) {
            throw new Error(`case ${index}: ${await posted.text()}`);
        }
        if (reply.kind === 'trapped') {
            engine.worker.terminate();
            engine = await Engine.open();
        }
    }
    progress.textContent = `done ${engine.build}`;
}

main().catch((error) => {
    progress.textContent = `failed: ${error}`;
});
