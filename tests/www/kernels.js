// Measures the kernels and profiles models in an engine that was built with the feature `profile`. The example that
// serves this page calls the functions through WebDriver.

const build = new URLSearchParams(location.search).get("build");
const glue = await import(`/pkg/engine-${build}.js`);
await glue.default();

/** Runs before the profile starts, and runs that it covers. */
const WARM_UP_RUNS = 3;
const RUNS = 10;

window.benchKernels = () => JSON.parse(glue.benchKernels());

/** Time per kind of step of one run of a model, and the time of the whole run, milliseconds. */
window.profileModel = async (model, inputs) => {
  const engine = new glue.Engine();
  const bytes = await (await fetch(`/model/${model}`)).arrayBuffer();
  const parts = [{ role: "model", sha256: null }];
  await ask(engine, { kind: "load", key: model, backend: "wasm", pipeline: null, parts }, [bytes]);
  const run = () => ask(engine, { kind: "run", key: model, inputs }, inputs.map(numbers));
  for (let index = 0; index < WARM_UP_RUNS; index += 1) await run();
  const millis = [];
  for (let index = 0; index < RUNS; index += 1) {
    millis.push((await run()).phases.run_micros / 1000);
  }
  millis.sort((a, b) => a - b);
  const steps = new Map();
  for (let index = 0; index < RUNS; index += 1) {
    const { profile } = await ask(engine, { kind: "profile", key: model, inputs }, inputs.map(numbers));
    for (const { kernel: kind, micros, n_flops } of profile.spans) {
      const sum = steps.get(kind) ?? { kind, calls: 0, millis: 0, flops: 0 };
      steps.set(kind, sum);
      sum.calls += 1 / RUNS;
      sum.millis += micros / 1000 / RUNS;
      sum.flops += n_flops / RUNS;
    }
  }
  engine.free();
  return { millis: millis[RUNS / 2], steps: [...steps.values()].map((sum) => ({ ...sum, calls: Math.round(sum.calls) })) };
};

async function ask(engine, request, buffers) {
  const { reply } = JSON.parse((await engine.handle(JSON.stringify({ id: 1, request }), buffers)).header);
  if (reply.kind === "failed") throw new Error(JSON.stringify(reply.fault));
  return reply;
}

/** Ones for masks, zeros for types, small numbers otherwise. */
function numbers({ name, dtype, dims }) {
  const n = dims.reduce((product, dim) => product * dim, 1);
  if (dtype === "int64") {
    const at = (index) => (name.includes("mask") ? 1 : name.includes("type") ? 0 : (index * 37) % 1000 + 1);
    return BigInt64Array.from({ length: n }, (_, index) => BigInt(at(index))).buffer;
  }
  return Float32Array.from({ length: n }, (_, index) => ((index * 7919) % 1009) / 504.5 - 1).buffer;
}

document.title = "ready";
