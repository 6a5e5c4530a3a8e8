// Stands before the engine's worker: what `behaviour.json` says of this browser becomes of the answers to its runs.

const browser = navigator.userAgent.includes("Firefox/") ? "firefox" : "chromium";
const post = self.postMessage.bind(self);

/** Memory that is never given back. */
const hoard = [];

const BEHAVIOURS = {
  /** Every run fails. */
  failing: ({ header }) => {
    const fault = { category: "internal", code: "made-to-fail", message: "the test lets every run fail" };
    return { header: JSON.stringify({ id: JSON.parse(header).id, reply: { kind: "failed", fault } }), buffers: [] };
  },
  /** Every number comes out wrong: what a broken driver does. */
  wrong: ({ header, buffers }) => {
    buffers.forEach((buffer) => new Float32Array(buffer).fill(0.25));
    return { header, buffers };
  },
  /** Every run takes very long. */
  slow: async (message) => {
    await new Promise((resolve) => setTimeout(resolve, 20_000));
    return message;
  },
  /** Every worker takes much more memory, once. */
  hungry: (message) => {
    if (hoard.length === 0) hoard.push(new Uint8Array(900 << 20).fill(1));
    return message;
  },
};

self.postMessage = async (message, transfer) => {
  if (JSON.parse(message.header).reply.kind !== "ran") return post(message, transfer);
  const response = await fetch("../behaviour.json", { cache: "no-store" });
  const behave = BEHAVIOURS[(await response.json())[browser]] ?? ((same) => same);
  const changed = await behave(message);
  post(changed, changed.buffers);
};

await import("./engine-worker.js");
