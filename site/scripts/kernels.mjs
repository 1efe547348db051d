// The engine's own kernels (workers/kernels, compiled by the build), for TensorFlow.js's wasm
// backend: the best variant that this browser can compile. Without any the engine computes with
// what TensorFlow.js brings ("stock"): slower, and never an error.

import { shippedParts } from "./parts.mjs";

const BEST_FIRST = ["relaxed", "simd"];

// The start waits for the kernels, so each variant's 50 kB have a limit; long enough for a slow line
// that brings the rest of the start at the same time.
const PATIENCE_S = 20;

async function load({ url, integrity }) {
  const signal = AbortSignal.timeout(PATIENCE_S * 1000);
  try {
    const reply = await fetch(new URL(url, import.meta.url), { integrity, signal });
    if (!reply.ok) throw new Error(`the server answered with status ${reply.status}`);
    return await reply.arrayBuffer();
  } catch (fault) {
    // Browsers have several names for it.
    throw signal.aborted ? new Error(`not there within ${PATIENCE_S} s`) : fault;
  }
}

/** The compiled module; null where this browser does not know the instructions. */
async function compile(part) {
  const bytes = await load(part);
  return WebAssembly.validate(bytes) ? WebAssembly.compile(bytes) : null;
}

/**
 * Gives `{ variant, module, reason }`. `wanted` is "relaxed", "simd" or "stock", or "best" for the
 * first of them that works; where the wanted one does not, the next one is taken. `reason` is why
 * it is not the one that was wanted, or that should have been there; else it is empty.
 */
export async function loadKernels(wanted) {
  const reasons = [];
  const first = BEST_FIRST.indexOf(wanted);
  const candidates = wanted === "best" ? BEST_FIRST : first < 0 ? [] : BEST_FIRST.slice(first);
  for (const variant of candidates) {
    try {
      const module = await compile((await shippedParts()).kernels[variant]);
      if (module !== null) return { variant, module, reason: reasons.join("; ") };
      // Old browsers have no relaxed SIMD. That is no news to whoever has asked for the best.
      if (wanted !== "best") reasons.push(`${variant}: this browser has no such instructions`);
    } catch (fault) {
      reasons.push(`${variant}: ${fault?.message ?? fault}`);
    }
  }
  return { variant: "stock", module: null, reason: reasons.join("; ") };
}
