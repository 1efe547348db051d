// The worker's bootstrap: takes the port that the page sends, loads Python and TensorFlow.js
// side by side, and starts backburner.kitchen on the port. A MessagePort keeps what arrives
// before somebody listens, so nothing that the page says early is lost.
//
// An unhandled rejection in a worker reaches nobody by itself, and neither does an error after
// `close()`: both are sent to the page as a message of the protocol (core/messages.py: FAULT).

import { startPython } from "../scripts/python.mjs";

const tfFolder = new URL("../tfjs/", import.meta.url).href;
const stages = {};

function mark(stage) {
  stages[stage] = Math.round(performance.now());
}

/** TensorFlow.js with the wanted backend registered; its bundles leave `tf` on globalThis. */
async function loadTensorFlow(backend) {
  await import(`${tfFolder}tf.es2017.min.js`);
  await import(`${tfFolder}tf-backend-wasm.es2017.min.js`);
  if (backend === "webgpu") await import(`${tfFolder}tf-backend-webgpu.es2017.min.js`);
  const { tf } = globalThis;
  tf.wasm.setWasmPaths(tfFolder);
  // Compiling the backend goes on beside Python's start; whether it worked is asked later.
  await tf.setBackend(backend).catch(() => false);
  mark("tensorflow");
}

/** Called once, by the blob that the page started (site/scripts/boot.mjs). */
export async function start({ port, ...settings }) {
  const { generation, backend } = settings;
  let started = false;
  const fault = (event) => {
    // Told here, and so not to the page as the end of this worker: a stray error in a timer
    // does not end a worker that runs.
    event.preventDefault?.();
    const reason = event.reason ?? event.error ?? event;
    const message = String(reason?.message ?? reason);
    const body = { message, starting: !started };
    const envelope = { v: 1, tag: "FAULT", generation, request: null, operation: null, body };
    port.postMessage({ text: JSON.stringify(envelope), buffers: [] });
  };
  self.addEventListener("unhandledrejection", fault);
  self.addEventListener("error", fault);
  try {
    const tensorflow = loadTensorFlow(backend);
    const { python, start, reason } = await startPython({}, mark);
    await tensorflow;
    const kitchen = python.pyimport("backburner.kitchen");
    mark("ready");
    const folder = new URL("../", import.meta.url).href;
    const boot = { stages, start, reason };
    await kitchen.main(port, JSON.stringify({ ...settings, folder, boot }));
    started = true;
    kitchen.destroy();
  } catch (error) {
    fault(error);
  }
}
