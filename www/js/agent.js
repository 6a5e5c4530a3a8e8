// The agent's HTTP interface, as far as the pages call it themselves. Records are posted by the pool.

import { PageError } from "./fault.js";

/** No request takes longer: the agent is on this machine or near it. */
const TIMEOUT_MILLIS = 120_000;

/**
 * `fetch` that turns refusals into errors with the agent's own fault.
 * @param {string} path
 * @param {RequestInit} [init]
 * @returns {Promise<Response>}
 */
export async function request(path, init) {
  let response;
  try {
    response = await fetch(path, { signal: AbortSignal.timeout(TIMEOUT_MILLIS), ...init });
  } catch (cause) {
    throw new PageError(
      "connection_lost",
      "agent-unreachable",
      `the agent does not answer ${path}: ${cause.message}`,
      "start it with `tabpool serve`, then reload this page",
    );
  }
  if (response.ok) return response;
  const fault = await response.json().catch(() => ({}));
  throw new PageError(
    fault.category ?? "internal",
    fault.code ?? `http-${response.status}`,
    fault.message ?? `the agent answered ${path} with status ${response.status}`,
    fault.hint,
  );
}

/** The models and pipelines that the agent offers. */
export async function fetchCatalogue() {
  return (await request("/v1/models")).json();
}

/** Posts JSON and waits until the agent has it. */
export async function postJson(path, body) {
  await request(path, {
    method: "POST",
    headers: { "Content-Type": "application/json" },
    body: JSON.stringify(body),
  });
}
