// Measures one large job whole and split, in turns, on two workers that both have the model.

const { default: init, createPool } = await import("/pkg/tabpool.js");
await init();

/** Milliseconds from `run()` to its promise, `runs` of each kind. */
window.turns = async (model, dims, runs) => {
  const workerUrl = new URL("/pkg/worker.js", location.href);
  const pool = await createPool({ workers: 2, maxBatch: 1, agent: null, evidenceKey: null, workerUrl });
  const loaded = await pool.load(await (await fetch(`/model/${model}`)).arrayBuffer());
  const n = dims.reduce((product, dim) => product * dim, 1);
  const int64 = (at) => ({ dtype: "int64", dims, data: BigInt64Array.from({ length: n }, (_, index) => BigInt(at(index))) });
  const inputs = { input_ids: int64((index) => ((index * 37) % 1000) + 1), attention_mask: int64(() => 1) };
  const isEverywhere = () => pool.stats().connections.every(({ models }) => models.length > 0);
  for (let round = 0; round < 100 && !isEverywhere(); round += 1) {
    await Promise.all(Array.from({ length: 16 }, () => loaded.run(inputs)));
  }
  // The first proves the model, the second is the first that is joined.
  for (let round = 0; round < 3; round += 1) await loaded.run(inputs, { split: true });
  if (!pool.stats().models[0].isSplittable) throw new Error("the model is not split");
  const millis = { whole: [], split: [] };
  for (let run = 0; run < runs; run += 1) {
    for (const kind of ["whole", "split"]) {
      const started = performance.now();
      await loaded.run(inputs, { split: kind === "split" });
      millis[kind].push(performance.now() - started);
    }
  }
  await pool.close();
  return millis;
};

document.title = "ready";
