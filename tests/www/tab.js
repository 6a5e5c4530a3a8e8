// What the pool of a tab does with real engines.

const pools = async (options) => {
  const { default: init, createPool } = await import("/pkg/tabpool.js");
  await init();
  return createPool({ evidenceKey: null, ...options });
};

const int64 = (dims, at) => {
  const n = dims.reduce((product, dim) => product * dim, 1);
  return { dtype: "int64", dims, data: BigInt64Array.from({ length: n }, (_, index) => BigInt(at(index))) };
};

/** Largest difference of two outputs over the range of the second, 1 when they have different shapes or integers. */
function difference(one, other) {
  if (one.dims.join() !== other.dims.join()) return 1;
  if (one.dtype !== "float32") return one.data.every((value, index) => value === other.data[index]) ? 0 : 1;
  const range = Math.max(...other.data) - Math.min(...other.data);
  return Math.max(...one.data.map((value, index) => Math.abs(value - other.data[index]))) / range;
}

/** Runs a model for five jobs one by one, and at once. */
window.batches = async (id) => {
  const pool = await pools({ workers: 1 });
  const model = await pool.load(id);
  const inputs = (salt) => ({
    input_ids: int64([1, 16], (index) => ((index + salt) * 37) % 1000 + 1),
    attention_mask: int64([1, 16], (index) => Number(index < 8 + salt)),
  });
  const jobs = [0, 1, 2, 3, 4];
  const alone = [];
  for (const salt of jobs) alone.push(await model.run(inputs(salt)));
  const together = await Promise.all(jobs.map((salt) => model.run(inputs(salt))));
  const names = model.outputs.map(({ name }) => name);
  const worst = Math.max(
    ...jobs.flatMap((job) =>
      names.map((name) => difference(together[job].outputs[name], alone[job].outputs[name])),
    ),
  );
  await pool.close();
  return { shapes: together.map(({ record }) => record.shapes), worst, outputs: names.length };
};

const inputsOf = {
  splitTokens: (model) => {
    const ids = int64([4, 16], (index) => ((index * 37) % 1000) + 1);
    const others = (name) => int64([4, 16], () => Number(name === "attention_mask"));
    return Object.fromEntries(
      model.inputs.map(({ name }) => [name, name === "input_ids" ? ids : others(name)]),
    );
  },
  splitNumbers: () => ({
    x: { dtype: "float32", dims: [4, 8], data: Float32Array.from({ length: 32 }, (_, index) => index * index) },
  }),
};

/** A pool of two workers that both have the model. */
async function onBoth(kind, source) {
  const pool = await pools({ workers: 2, maxBatch: 1 });
  const model = await pool.load(typeof source === "string" ? source : Uint8Array.from(source));
  const inputs = inputsOf[kind](model);
  const isEverywhere = () => pool.stats().connections.every(({ models }) => models.includes(model.id));
  for (let round = 0; round < 100 && !isEverywhere(); round += 1) {
    await Promise.all(Array.from({ length: 32 }, () => model.run(inputs)));
  }
  return { pool, model, inputs };
}

/** Runs a job of four rows whole, and with `split` three times. */
window.split = async (kind, source) => {
  const { pool, model, inputs } = await onBoth(kind, source);
  const whole = await model.run(inputs);
  let records = [];
  pool.on("record", (record) => records.push(record));
  const runs = [];
  for (let run = 0; run < 3; run += 1) {
    records = [];
    const { outputs, pieces } = await model.run(inputs, { split: true });
    const names = Object.keys(whole.outputs);
    runs.push({
      worst: Math.max(...names.map((name) => difference(outputs[name], whole.outputs[name]))),
      shapes: records.map(({ shapes }) => shapes.split(",")[0]).sort(),
      connections: new Set(records.map(({ connection }) => connection)).size,
      pieces,
    });
  }
  const { isSplittable } = pool.stats().models[0];
  await pool.close();
  return { runs, isSplittable };
};

/** Takes back a job of a model that was split before. */
window.abortSplit = async (id) => {
  const { pool, model, inputs } = await onBoth("splitTokens", id);
  await model.run(inputs, { split: true });
  const controller = new AbortController();
  const aborted = model.run(inputs, { split: true, signal: controller.signal }).catch((error) => error);
  // Pieces are with the workers before any task could bring an answer.
  for (let turn = 0; turn < 1000 && pool.stats().running < 2; turn += 1) await null;
  const { running } = pool.stats();
  controller.abort("enough");
  const { code, cause } = await aborted;
  const { queued } = pool.stats();
  await pool.close();
  return { running, code, cause, queued };
};

/** Runs a pipeline in an iframe of another site, has the iframe go elsewhere, and runs it again. */
window.iframe = async (host) => {
  const frame = new URL("/pkg/frame.html", location.href);
  frame.hostname = host;
  const pool = await pools({ workers: 0, iframes: [frame], heartbeatMs: 200 });
  const pipeline = await pool.load("identify-file");
  const bytes = new TextEncoder().encode("fn main() {\n    let x: u32 = 1;\n    println!(\"{x}\");\n}\n".repeat(4));
  const label = async () => (await pipeline.run({ bytes })).result.label;
  const before = await label();
  const gone = new Promise((resolve) => {
    pool.on("state", ({ state, reason }) => state === "waiting" && resolve(reason));
  });
  document.querySelector("iframe").src = "about:blank";
  const reason = await gone;
  const after = await label();
  const [{ kind, nRespawns, capabilities }] = pool.stats().connections;
  await pool.close();
  return { before, reason, after, kind, nRespawns, isolated: capabilities.cross_origin_isolated };
};
