// One case of a benchmark: every engine gets the same inputs, run by run in turns, and the order alternates.

import { postJson, request } from "../agent.js";
import { decodeBundle, encodeBundle } from "../tensor.js";
import { profileCase, tuneCase } from "./engine.js";
import { PeerRunner } from "./peer.js";
import { TabpoolRunner } from "./tabpool.js";

/** Between an engine's end and the next cold start, milliseconds. */
const SETTLE_MILLIS = 1_000;

/**
 * An engine that can run a case. `open` ends with a loaded model in a fresh worker; `run` gives the outputs;
 * `close` posts the records, frees everything, and gives the number of records that could not be posted.
 * @typedef {{ engine: string, open: () => Promise<void>, run: (inputs: object) => Promise<object>, close: () => Promise<number> }} Runner
 */

/**
 * Runs the case with tabpool and its peers: one cold run, the warm-ups, the measured runs. An engine that fails leaves;
 * the others go on. A plan may ask for a profile as well, or for the speed of kernel variants instead.
 * @returns {Promise<number>} Records that could not be posted.
 */
export async function runCase(context, { onProgress, onFailure }) {
  const { base, plan, index, benchCase } = context;
  const first = index + (plan.turn ?? 0);
  let inputs;
  try {
    inputs = decodeBundle(await (await request(`${base}/input/${index}`)).arrayBuffer());
  } catch (cause) {
    await onFailure("tabpool", cause);
    return 0;
  }

  if (plan.tune_millis) {
    try {
      const tuned = await tuneCase(context, inputs, plan.tune_millis);
      await postJson(`${base}/event`, { kind: "tuned", case: index, ...tuned });
    } catch (cause) {
      await onFailure("tabpool", cause);
    }
    return 0;
  }

  const builds = plan.builds ?? [];
  const all = builds.length
    ? builds.map((build) => new TabpoolRunner(context, build))
    : [new TabpoolRunner(context), ...plan.peers.map((peer) => new PeerRunner(context, peer))];
  const ours = all.find(({ engine }) => engine === "tabpool");
  let runners = all;
  const attempt = async (runner, work) => {
    try {
      return await work();
    } catch (cause) {
      runners = runners.filter((other) => other !== runner);
      await onFailure(runner.engine, cause);
      return undefined;
    }
  };

  // Loading and the cold run belong together; which engine goes first changes from case to case and from run to run.
  const inTurn = (turn) => (turn % 2 ? [...runners].reverse() : [...runners]);
  let nUnposted = 0;
  const close = async (runner) => {
    nUnposted += (await attempt(runner, () => runner.close())) ?? 0;
  };
  for (const runner of inTurn(first)) {
    const tell = (isOver) =>
      postJson(`${base}/event`, { kind: "cold_start", case: index, engine: runner.engine, is_over: isOver });
    await attempt(runner, async () => {
      if (plan.is_cold) await tell(false);
      await runner.open();
      const outputs = await runner.run(inputs);
      if (plan.is_cold) await tell(true);
      await postOutputs(base, index, runner.engine, outputs);
    });
    if (plan.is_cold) {
      await close(runner);
      // Gives the browser time to free what the engine had.
      await new Promise((resolve) => setTimeout(resolve, SETTLE_MILLIS));
    }
  }
  const nRuns = 1 + benchCase.n_warmup + benchCase.n_runs;
  for (let nDone = 1; nDone < nRuns && runners.length > 0; nDone++) {
    if (runners.includes(ours)) await onProgress(nDone);
    for (const runner of inTurn(first + nDone)) await attempt(runner, () => runner.run(inputs));
  }
  if (runners.includes(ours)) await onProgress(nRuns);

  if (!plan.is_cold) for (const runner of all) await close(runner);
  if (plan.is_profiled && runners.includes(ours)) {
    await attempt(ours, async () => {
      const profile = await profileCase(context, inputs).catch((cause) => {
        // The agent says which cases have none.
        if (cause.code !== "no-profile") throw cause;
      });
      if (profile) await postJson(`${base}/event`, { kind: "profiled", case: index, profile });
    });
  }
  return nUnposted;
}

/** The agent compares the outputs of each engine's first run with its own reference. */
function postOutputs(base, index, engine, outputs) {
  return request(`${base}/output/${index}?engine=${engine}`, { method: "POST", body: encodeBundle(outputs) });
}
