// The doctor's page: starts one worker and tells the agent what it can do in this browser.

import init, { createPool } from "../pkg/tabpool.js";
import { postJson } from "./agent.js";
import { find, setText } from "./dom.js";
import { faultOf } from "./fault.js";

async function main() {
  const session = new URLSearchParams(location.search).get("session");
  await init();
  const pool = await createPool({ workers: 1, agent: null });
  const { capabilities } = pool.stats().connections[0];
  await pool.close();
  setText(find("#capabilities"), JSON.stringify(capabilities, null, 2));
  if (session) await postJson(`/v1/doctor/${session}`, capabilities);
  setText(find("#state"), session ? "the agent knows" : "this is what a worker here can do");
}

main().catch((cause) => {
  const { message, code, hint } = faultOf(cause);
  setText(find("#state"), `${message} (${code})${hint ? `. Hint: ${hint}` : ""}`);
});
