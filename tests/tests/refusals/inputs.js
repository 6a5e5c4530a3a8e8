// Runs in a page: gives one pool a list of wrong inputs, each followed by a right one, and reports what came back.
const done = arguments[arguments.length - 1];

const floats = (dims) => ({ dtype: "float32", dims, data: new Float32Array(dims.reduce((a, b) => a * b, 1)) });
const right = () => ({ input: floats([2, 576]), h: floats([1, 1, 128]), c: floats([1, 1, 128]) });

const WRONG = {
  name: { ...right(), inputs: floats([2, 576]) },
  missing: { input: floats([2, 576]), h: floats([1, 1, 128]) },
  type: { ...right(), input: { dtype: "int32", dims: [2, 576], data: new Int32Array(2 * 576) } },
  shape: { ...right(), input: floats([2, 577]) },
  size: { ...right(), input: { dtype: "float32", dims: [2, 576], data: new Float32Array(10) } },
};

async function outcome(work) {
  try {
    await work();
    return { code: "ok" };
  } catch ({ category, code, message, hint }) {
    return { category, code, message, hint };
  }
}

(async () => {
  const { default: init, createPool } = await import("/pkg/tabpool.js");
  await init();
  const pool = await createPool({ workers: 1 });
  const model = await pool.load("silero-vad");
  const goesOn = async () => (await outcome(() => model.run(right()))).code;
  const answers = {};
  for (const [name, inputs] of Object.entries(WRONG)) {
    answers[name] = { ...(await outcome(() => model.run(inputs))), nextRun: await goesOn() };
  }
  answers["unknown model"] = { ...(await outcome(() => pool.load("no-such-model"))), nextRun: await goesOn() };
  await pool.close();
  return answers;
})().then(done, (cause) => done({ failed: { code: String(cause) } }));
