// One visit to a page: a pool whose worker fails on negative inputs, and what it knows at the end.

const worker = `
  const post = (id, reply, buffers = []) =>
    self.postMessage({ header: JSON.stringify({ id, reply }), buffers }, buffers);
  const tensor = (name) => ({ name, dtype: 'float32', dims: [0] });
  self.onmessage = ({ data }) => {
    const { id, request } = JSON.parse(data.header);
    const run = (x) => x[0] < 0
      ? post(id, { kind: 'failed', fault: { category: 'internal', code: 'test', message: 'it fails' } })
      : post(id, { kind: 'ran', outputs: [{ ...tensor('y'), dims: [x.length] }], phases: {}, memory_bytes: 0 }, [x.buffer]);
    if (request.kind === 'load')
      post(id, { kind: 'loaded', inputs: [tensor('x')], outputs: [tensor('y')], backend_detail: 'test', phases: {} });
    if (request.kind === 'run') run(new Float32Array(data.buffers[0]));
    if (request.kind === 'ping') post(id, { kind: 'pong', memory_bytes: 0 });
  };
  post(0, {
    kind: 'ready',
    capabilities: { wasm_build: 'test', backends: ['wasm'], webnn_devices: [], cross_origin_isolated: true },
  });
`;

/** `runs`: whether this visit runs anything. */
window.visit = async (runs) => {
  const { default: init, createPool } = await import("/pkg/tabpool.js");
  await init();
  const pool = await createPool({
    workers: 1,
    agent: null,
    evidenceKey: "reload-test",
    // Its breakers open after five failures in a row, for 24 s or more.
    browser: { name: "chromium", version: "" },
    workerUrl: URL.createObjectURL(new Blob([worker], { type: "text/javascript" })),
  });
  const model = await pool.load(new Uint8Array([1, 2, 3]), { name: "model" });
  const run = (x, options) =>
    model.run({ x: { dtype: "float32", dims: [1], data: Float32Array.of(x) } }, options);
  if (runs) {
    for (let n = 0; n < 20; n += 1) await run(1);
    await run(-1).catch(() => {});
    await run(-1, { deadlineMs: 500 }).catch(() => {});
  }
  const { breakers } = pool.stats().connections[0];
  const wasm = pool.explain(model).find(({ backend }) => backend === "wasm");
  return {
    breaker: breakers.find(({ component }) => component === "wasm"),
    // The worker's own factor belongs to the worker.
    runMs: wasm.runMs / wasm.memberFactor,
    uncertainty: wasm.uncertainty,
    text: wasm.text,
    knowledge: pool.stats().knowledge,
  };
};
