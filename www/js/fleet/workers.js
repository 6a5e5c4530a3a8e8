// The engine workers of a page of a fleet: started, spoken to, and ended together, as the agent says.

import { request as fetchFromAgent } from "../agent.js";
import { decodeRecording } from "../audio/decode.js";
import { faultOf, PageError } from "../fault.js";

const WORKER_URL = new URL("../../pkg/worker.js", import.meta.url);

export class Workers {
  #report;
  #start = 0;
  #workers = [];
  /** What the page did for a request, by its id: `{ decoded }` or `{ downloadMicros }`. */
  #done = new Map();

  /** @param {(message: object, buffers?: ArrayBuffer[]) => void} report Tells the agent. */
  constructor(report) {
    this.#report = report;
  }

  /** Ends the workers there are, and starts new ones. */
  start({ start, n_workers: nWorkers }) {
    this.end();
    this.#start = start;
    try {
      this.#workers = Array.from({ length: nWorkers }, (_, index) => this.#open(start, index));
    } catch (cause) {
      this.#lose(start, cause.message);
    }
  }

  end() {
    for (const worker of this.#workers) {
      worker.onmessage = worker.onerror = worker.onmessageerror = null;
      worker.terminate();
    }
    this.#workers = [];
    this.#done.clear();
  }

  /** Hands a request to a worker, with the buffers that it needs; what cannot be had is an answer as well. */
  async hand({ worker, request, is_refetch: isRefetch, decode }, buffers) {
    const start = this.#start;
    const { id } = request;
    let done = {};
    try {
      if (request.request.kind === "load") {
        const began = performance.now();
        buffers = await Promise.all(request.request.parts.map((part) => fetchPart(part, isRefetch)));
        done = { downloadMicros: Math.round(1000 * (performance.now() - began)) };
      } else if (decode) {
        const { header, buffer } = await DECODERS[decode](new Blob(buffers));
        request.request.inputs = [header];
        buffers = [buffer];
        done = { decoded: header };
      }
    } catch (cause) {
      const reply = { id, reply: { kind: "failed", fault: faultOf(cause) } };
      this.#report({ kind: "engine", start, worker, reply });
      return;
    }
    // Workers that were replaced meanwhile are not asked, and nobody waits for their answer.
    if (start !== this.#start) return;
    this.#done.set(id, done);
    this.#workers[worker]?.postMessage({ header: JSON.stringify(request), buffers }, buffers);
  }

  #open(start, index) {
    const worker = new Worker(WORKER_URL, { type: "module" });
    worker.onmessage = ({ data: { header, buffers } }) => {
      const reply = JSON.parse(header);
      const { decoded, downloadMicros } = this.#done.get(reply.id) ?? {};
      this.#done.delete(reply.id);
      if (reply.reply.kind === "loaded") reply.reply.phases.download_micros = downloadMicros;
      this.#report({ kind: "engine", start, worker: index, reply, decoded }, buffers);
    };
    worker.onerror = (event) => {
      event.preventDefault();
      this.#lose(start, event.message ?? `cannot load ${WORKER_URL}`);
    };
    worker.onmessageerror = () => this.#lose(start, "a message could not be deserialised");
    return worker;
  }

  #lose(start, why) {
    const fault = { category: "worker_crash", code: "worker-lost", message: `a worker was lost: ${why}` };
    this.#report({ kind: "lost", start, fault });
  }
}

/** A file of the model, by its hash. */
async function fetchPart({ sha256 }, isRefetch) {
  const response = await fetchFromAgent(`/models/${sha256}`, isRefetch ? { cache: "reload" } : {});
  return response.arrayBuffer();
}

/** A file → the one input tensor of its pipeline, as `wire::Media` describes it. */
const DECODERS = {
  async image(file) {
    let picture;
    try {
      picture = await createImageBitmap(file);
    } catch (cause) {
      throw new PageError(
        "validation",
        "not-a-picture",
        `this browser cannot decode the picture: ${cause?.message ?? "unknown format"}`,
        "give a PNG, JPEG or WebP file",
      );
    }
    const { width, height } = picture;
    const context = new OffscreenCanvas(width, height).getContext("2d");
    context.drawImage(picture, 0, 0);
    picture.close();
    const { buffer } = context.getImageData(0, 0, width, height).data;
    return { header: { name: "image", dtype: "uint8", dims: [height, width, 4] }, buffer };
  },
  async audio(file) {
    // A copy of its own: what the browser decoded may not be handed over.
    const samples = (await decodeRecording(file)).slice();
    return { header: { name: "audio", dtype: "float32", dims: [samples.length] }, buffer: samples.buffer };
  },
};
