// The doctor's page: starts one worker and tells the agent what it can do in this browser.

import init, { createPool } from "../pkg/tabpool.js";
import { postJson } from "./agent.js";
import { find, setText } from "./dom.js";
import { faultOf } from "./fault.js";

const session = new URLSearchParams(location.search).get("session");
const say = (text) => setText(find("#state"), text);

async function main() {
  await init();
  const pool = await createPool({ workers: 1, agent: null });
  const { capabilities } = pool.stats().connections[0];
  await pool.close();
  setText(find("#capabilities"), JSON.stringify(capabilities, null, 2));
  if (session) await postJson(`/v1/doctor/${session}`, capabilities);
  say(session ? "the agent knows" : "this is what a worker here can do");
}

main().catch(async (cause) => {
  const fault = faultOf(cause);
  const text = `${fault.message} (${fault.code})${fault.hint ? `. Hint: ${fault.hint}` : ""}`;
  say(text);
  if (!session) return;
  // When the agent is gone there is nobody left to tell.
  await postJson(`/v1/bench/${session}/event`, { kind: "aborted", fault }).catch(() =>
    say(`${text}; the agent is gone`),
  );
});
