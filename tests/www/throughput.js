// Measures how many runs of a model end per second: tabpool's pool of one-thread workers, and onnxruntime-web in one
// worker with several threads or in several with one. The example that serves this page calls the functions.

const { default: init, createPool } = await import("/pkg/tabpool.js");
await init();

/** Runs of each lane before the clock starts. */
const WARM_UP_RUNS = 10;
/** Jobs that are in the pool at any time: it loads a model into a further worker when that is shorter than the queue. */
const JOBS = 64;

/** Runs per second of a pool that always has jobs waiting, up to `maxBatch` of which share a call. */
window.tabpool = async (model, inputs, workers, maxBatch, seconds) => {
  const workerUrl = new URL("/pkg/worker.js", location.href);
  const pool = await createPool({ workers, maxBatch, agent: null, workerUrl });
  const loaded = await pool.load(await bytesOf(model), { backend: "wasm" });
  const lane = (salt) => () =>
    loaded.run(Object.fromEntries(inputs.map((input) => [input.name, tensor(input, salt)])));
  const speed = await throughput(Array.from({ length: JOBS }, (_, salt) => lane(salt)), seconds);
  await pool.close();
  return speed;
};

/** Runs per second of onnxruntime-web in `workers` workers of `threads` threads, each with one job at a time. */
window.ort = async (model, inputs, workers, threads, seconds) => {
  const bytes = await bytesOf(model);
  const sessions = await Promise.all(Array.from({ length: workers }, () => OrtWorker.open(bytes, threads)));
  const speed = await throughput(
    sessions.map((session) => () => session.ask({ inputs: inputs.map((input) => ({ ...input, ...tensor(input) })) })),
    seconds,
  );
  sessions.forEach((session) => session.worker.terminate());
  return speed;
};

/** Every lane runs its function over and over until the time is over. */
async function throughput(lanes, seconds) {
  const repeat = async (run, isOver) => {
    let runs = 0;
    for (; !isOver(runs); runs += 1) await run();
    return runs;
  };
  await Promise.all(lanes.map((run) => repeat(run, (runs) => runs >= WARM_UP_RUNS)));
  const started = performance.now();
  const isOver = () => performance.now() - started >= seconds * 1000;
  const runs = await Promise.all(lanes.map((run) => repeat(run, isOver)));
  return runs.reduce((a, b) => a + b) / ((performance.now() - started) / 1000);
}

class OrtWorker {
  static async open(bytes, threads) {
    const opened = new OrtWorker();
    await opened.ask({ bytes, threads });
    return opened;
  }

  constructor() {
    this.worker = new Worker(URL.createObjectURL(new Blob([ORT_WORKER], { type: "text/javascript" })), {
      type: "module",
    });
  }

  ask(message) {
    return new Promise((resolve, reject) => {
      this.worker.onmessage = ({ data }) => (data.error ? reject(new Error(data.error)) : resolve(data));
      this.worker.onerror = (event) => reject(new Error(event.message));
      this.worker.postMessage({ ...message, origin: location.origin });
    });
  }
}

const ORT_WORKER = `
  let ort, session;
  self.onmessage = async ({ data }) => {
    try {
      if (data.bytes) {
        ort = await import(data.origin + "/ort/ort.wasm.min.mjs");
        ort.env.wasm.numThreads = data.threads;
        ort.env.wasm.wasmPaths = data.origin + "/ort/";
        session = await ort.InferenceSession.create(new Uint8Array(data.bytes));
      } else {
        await session.run(Object.fromEntries(data.inputs.map((t) => [t.name, new ort.Tensor(t.dtype, t.data, t.dims)])));
      }
      self.postMessage({});
    } catch (error) {
      self.postMessage({ error: String(error) });
    }
  };
`;

async function bytesOf(model) {
  return (await fetch(`/model/${model}`)).arrayBuffer();
}

/** Ones for masks, otherwise small numbers, others for each salt. */
function tensor({ name, dtype, dims }, salt = 0) {
  const n = dims.reduce((product, dim) => product * dim, 1);
  const at = (index) => (name.includes("mask") ? 1 : ((index + salt) * 37) % 1000 + 1);
  return { dtype, dims, data: BigInt64Array.from({ length: n }, (_, index) => BigInt(at(index))) };
}

document.title = "ready";
