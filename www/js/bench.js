// The benchmark page: does what the agent's plan says, case by case, and reports as it goes.

import init from "../pkg/tabpool.js";
import { fetchCatalogue, postJson, request } from "./agent.js";
import { runCase } from "./bench/case.js";
import { find, make, setText } from "./dom.js";
import { faultOf, PageError } from "./fault.js";

const session = new URLSearchParams(location.search).get("session");
const base = `/v1/bench/${session}`;
const tell = (event) => postJson(`${base}/event`, event);
const say = (text) => setText(find("#state"), text);

/** Keeps the list on the page in step with the plan, for whoever looks at the browser. */
function listCases(cases) {
  const items = cases.map(({ id }) => make("li", {}, make("span", {}, id), make("span", {}, "waiting")));
  find("#cases").replaceChildren(...items);
  return (index, text, failed = false) => {
    items[index].classList.toggle("failed", failed || items[index].classList.contains("failed"));
    setText(items[index].lastElementChild, text);
  };
}

async function main() {
  await init();
  const plan = await (await request(`${base}/plan`)).json();
  const catalogue = await fetchCatalogue();
  const show = listCases(plan.cases);
  await tell({ kind: "started" });
  say("measuring");

  let nUnposted = 0;
  for (const [index, benchCase] of plan.cases.entries()) {
    nUnposted += await runCase(
      { base, session, plan, catalogue, index, benchCase },
      {
        onProgress: async (nDone) => {
          show(index, `${nDone} of ${1 + benchCase.n_warmup + benchCase.n_runs} runs`);
          await tell({ kind: "progress", case: index, n_done: nDone });
        },
        onFailure: async (engine, cause) => {
          const fault = faultOf(cause);
          show(index, `${engine}: ${fault.message} (${fault.code})`, true);
          await tell({ kind: "case_failed", case: index, engine, fault });
        },
      },
    );
  }
  if (nUnposted > 0) {
    throw new PageError("connection_lost", "records-not-posted", `${nUnposted} records could not be posted`);
  }
  await tell({ kind: "finished" });
  say("done");
}

main().catch(async (cause) => {
  const fault = faultOf(cause);
  say(`${fault.message} (${fault.code})`);
  // When the agent is gone there is nobody left to tell; the line above stays on the page.
  await tell({ kind: "aborted", fault }).catch(() =>
    say(`${fault.message} (${fault.code}); the agent is gone`),
  );
});
