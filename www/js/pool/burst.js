// Sends many jobs of the current task at once, so that one sees them spread over the pool.

import { find, setText } from "../dom.js";
import { faultOf } from "../fault.js";
import { count, median, micros } from "../format.js";

/**
 * @param {HTMLElement} form
 * @param {() => import("../main.js").Task} currentTask
 */
export function startBursts(form, currentTask) {
  const output = find("output", form);
  const sendButton = find("[type=submit]", form);
  const stopButton = find("[type=button]", form);
  const size = find("select", form);
  let controller;

  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    controller = new AbortController();
    sendButton.disabled = true;
    stopButton.disabled = false;
    try {
      const task = currentTask();
      setText(output, "Working …");
      const model = await task.model();
      setText(output, await sendBurst(model, await task.inputs(), Number(size.value), controller.signal));
    } catch (cause) {
      const fault = faultOf(cause);
      setText(output, `${fault.message} (${fault.code})${fault.hint ? `. Hint: ${fault.hint}` : ""}`);
    }
    sendButton.disabled = false;
    stopButton.disabled = true;
  });
  stopButton.addEventListener("click", () => controller?.abort());
}

/** Runs `n` jobs at once and says how they did. */
async function sendBurst(model, inputs, n, signal) {
  const started = performance.now();
  const settled = await Promise.allSettled(Array.from({ length: n }, () => model.run(inputs, { signal })));
  const seconds = (performance.now() - started) / 1000;
  const done = settled.flatMap((end) => (end.status === "fulfilled" ? [end.value.record] : []));
  const faults = settled.flatMap((end) => (end.status === "rejected" ? [faultOf(end.reason)] : []));
  const cancelled = faults.filter(({ category }) => category === "cancelled").length;
  const failed = faults.length - cancelled;
  const parts = [`${count(done.length, "job")} in ${seconds.toFixed(1)} s`];
  if (done.length)
    parts.push(
      `${(done.length / seconds).toFixed(1)} a second`,
      `median run ${micros(median(done.map(({ phases }) => phases.run_micros)))}`,
    );
  const retried = done.filter(({ attempt }) => attempt > 1).length;
  if (retried) parts.push(`${retried} tried again`);
  if (cancelled) parts.push(`${cancelled} cancelled`);
  if (failed) parts.push(`${failed} failed: ${faults.find(({ category }) => category !== "cancelled").code}`);
  return `${parts.join(", ")}.`;
}
