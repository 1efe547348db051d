// TensorFlow.js for whoever computes: the worker, or, when there is none, the page itself. Its
// bundles leave `tf` on globalThis.

const folder = new URL("../tfjs/", import.meta.url).href;

/** Loads it with the wanted backend registered, and begins to start that one. */
export async function loadTensorFlow(backend) {
  await import(`${folder}tf.es2017.min.js`);
  await import(`${folder}tf-backend-wasm.es2017.min.js`);
  if (backend === "webgpu") await import(`${folder}tf-backend-webgpu.es2017.min.js`);
  const { tf } = globalThis;
  tf.wasm.setWasmPaths(folder);
  // Compiling the backend goes on beside Python's start; whether it worked is asked later.
  await tf.setBackend(backend).catch(() => false);
}
