// A page of a fleet: hands the agent's requests to its workers and their answers back. It decides nothing.

import { request } from "./agent.js";
import { find, setText } from "./dom.js";
import { faultOf } from "./fault.js";
import { decodeFrame, encodeFrame } from "./fleet/frame.js";
import { Workers } from "./fleet/workers.js";

const session = new URLSearchParams(location.search).get("session");
const base = `/v1/fleet/${session}`;
const say = (text) => setText(find("#state"), text);

/** Reports arrive in the order in which things happened. */
let lastReport = Promise.resolve();
function report(message, buffers = []) {
  lastReport = lastReport.then(() =>
    request(`${base}/report`, { method: "POST", body: encodeFrame(message, buffers) }).catch(giveUp),
  );
}

const workers = new Workers(report);

async function main() {
  report({ kind: "up", user_agent: navigator.userAgent });
  say("waiting for jobs");
  for (;;) {
    const response = await request(`${base}/next`);
    if (response.status === 204) continue;
    const { message, buffers } = decodeFrame(await response.arrayBuffer());
    if (message.kind === "start") workers.start(message);
    else if (message.kind === "ping") report({ kind: "pong" });
    else workers.hand(message, buffers).catch(giveUp);
  }
}

/** The agent is gone, or is done with this browser: there is nobody left to tell. */
function giveUp(cause) {
  workers.end();
  const fault = faultOf(cause);
  say(`${fault.message} (${fault.code})`);
}

main().catch(giveUp);
