// TensorFlow.js for whoever computes: the worker, or, when there is none, the page itself. Its
// bundles leave `tf` on globalThis; beside it stands `backburnerKernels`, what kernels.mjs gives.

import { loadKernels } from "./kernels.mjs";

const folder = new URL("../tfjs/", import.meta.url).href;

/** Registers a backend that no page needs at its start, once it is wanted. */
globalThis.backburnerLoadBackend = async (name) => {
  if (name === "webgpu") await import(`${folder}tf-backend-webgpu.es2017.min.js`);
};

/** Loads it with the wanted backend registered, and begins to start that one. */
export async function loadTensorFlow(backend, kernels) {
  const loadedKernels = loadKernels(kernels);
  await import(`${folder}tf.es2017.min.js`);
  await import(`${folder}tf-backend-wasm.es2017.min.js`);
  await globalThis.backburnerLoadBackend(backend);
  const { tf } = globalThis;
  tf.wasm.setWasmPaths(folder);
  // Where a host isolates the page, TensorFlow.js would take threads: at most half the cores, and
  // a memory that is shared, which the kernels (compiled for one that is not) could not import.
  tf.env().set("WASM_HAS_MULTITHREAD_SUPPORT", false);
  // Compiling the backend goes on beside Python's start; whether it worked is asked later.
  await tf.setBackend(backend).catch(() => false);
  globalThis.backburnerKernels = await loadedKernels;
}
