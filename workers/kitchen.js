// The worker's bootstrap: takes the port that the page sends, loads Python and TensorFlow.js
// side by side, and starts backburner.kitchen on the port. A MessagePort keeps what arrives
// before somebody listens, so nothing that the page says early is lost.
//
// An unhandled rejection in a worker reaches nobody by itself, and neither does an error after
// `close()`: both are sent to the page as a message of the protocol (core/messages.py: FAULT).

import { startPython } from "../scripts/python.mjs";
import { loadTensorFlow } from "../scripts/tensorflow.mjs";

const stages = {};

function mark(stage) {
  stages[stage] = Math.round(performance.now());
}

/** Called once, by the blob that the page started (site/scripts/boot.mjs). */
export async function start({ port, ...settings }) {
  const { generation, backend, kernels } = settings;
  let started = false;
  const say = (tag, body) => {
    const envelope = { v: 1, tag, generation, request: null, operation: null, body };
    port.postMessage({ text: JSON.stringify(envelope), buffers: [] });
  };
  // How one part of the start is doing (core/messages.py: PART); passes on what it gives.
  const part = async (name, work) => {
    try {
      const result = await work;
      mark(name);
      say("PART", { part: name, state: "ready", detail: "" });
      return result;
    } catch (error) {
      say("PART", { part: name, state: "failed", detail: String(error?.message ?? error) });
      throw error;
    }
  };
  const fault = (event) => {
    // Told here, and so not to the page as the end of this worker: a stray error in a timer
    // does not end a worker that runs.
    event.preventDefault?.();
    const reason = event.reason ?? event.error ?? event;
    const message = String(reason?.message ?? reason);
    say("FAULT", { message, starting: !started });
  };
  self.addEventListener("unhandledrejection", fault);
  self.addEventListener("error", fault);
  try {
    const [{ python, start, reason }] = await Promise.all([
      part("python", startPython({}, mark)),
      part("tensorflow", loadTensorFlow(backend, kernels)),
    ]);
    const kitchen = python.pyimport("backburner.kitchen");
    mark("ready");
    const folder = new URL("../", import.meta.url).href;
    const boot = { stages, start, reason };
    const loop = await kitchen.main(port, JSON.stringify({ ...settings, folder, boot }));
    loop.destroy(); // The port's listener keeps it alive, as long as the worker lives.
    started = true;
    kitchen.destroy();
  } catch (error) {
    fault(error);
  }
}
