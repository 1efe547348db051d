// Starts one Python interpreter: from the memory snapshot that the build made, or, whenever
// anything about the snapshot is wrong, the plain way. Page and worker both use it, so that
// both have the same interpreter, the same packages and the same fallback.
//
// The snapshot is an accelerator and never a condition: a wrong hash, a torn download, a
// restore that throws and a restored interpreter of another version all end in a plain start.

import { loadPyodide } from "../pyodide/pyodide.mjs";
import { shippedParts } from "./parts.mjs";

// Where the browser can switch stacks (JSPI), Pyodide runs every callback of its event loop on a
// stack of its own. Nothing here needs that, and it has cost tabs their life: the heap profiler that
// Chromium runs in a share of its processes follows frame pointers, reads past the end of such a
// stack, and the process dies (156; docs/EXPERIMENTS.md).
delete WebAssembly.Suspending;
delete WebAssembly.promising;

const pyodideFolder = new URL("../pyodide/", import.meta.url).href;

// Pyodide 314 neither settles nor rejects when its wasm file cannot be had (it only warns), so
// whether the file is there is asked beside the loading. Only a plain "no" counts: a host may
// not know HEAD, and a browser may have the file while the network is gone.
async function load(options) {
  const name = "pyodide.asm.wasm";
  const missing = new Promise((_, reject) => {
    fetch(new URL(name, pyodideFolder), { method: "HEAD" }).then(
      ({ status }) => {
        if (status === 404 || status === 410) reject(new Error(`${name} is not on the server`));
      },
      () => {},
    );
  });
  return Promise.race([loadPyodide(options), missing]);
}

async function fetchSnapshot({ snapshot }) {
  const reply = await fetch(new URL(snapshot.url, import.meta.url), {
    integrity: snapshot.integrity,
  });
  if (!reply.ok) throw new Error(`the snapshot answered with status ${reply.status}`);
  const unpacked = reply.body.pipeThrough(new DecompressionStream("gzip"));
  const memory = new Uint8Array(snapshot.bytes);
  let filled = 0;
  const reader = unpacked.getReader();
  for (let chunk = await reader.read(); !chunk.done; chunk = await reader.read()) {
    memory.set(chunk.value, filled);
    filled += chunk.value.length;
  }
  if (filled !== snapshot.bytes) throw new Error(`the snapshot has ${filled} bytes`);
  return memory;
}

async function restore(options, shipped, mark) {
  const memory = await fetchSnapshot(shipped);
  mark("snapshot");
  const python = await load({ ...options, _loadSnapshot: memory });
  // Memory of another build would answer with another version. The random state is part of
  // the memory too: without a new seed every visitor would draw the same numbers.
  const found = python.runPython(
    "import random, backburner; random.seed(); backburner.__version__",
  );
  if (found !== shipped.version) throw new Error(`the snapshot holds version ${found}`);
  return python;
}

/**
 * Gives `{ python, start, reason }`: the interpreter with the package `backburner` importable,
 * `start` "snapshot" or "plain", and for a plain start the reason why. `mark(stage)` is called
 * as stages end.
 */
export async function startPython(options, mark = () => {}) {
  const settings = { ...options, indexURL: pyodideFolder };
  const shipped = await shippedParts();
  let reason = "this build has no snapshot";
  if (shipped.snapshot) {
    try {
      const python = await restore(settings, shipped, mark);
      mark("python");
      return { python, start: "snapshot", reason: "" };
    } catch (fault) {
      reason = String(fault?.message ?? fault);
    }
  }
  const python = await load({ ...settings, packages: ["backburner"] });
  mark("python");
  return { python, start: "plain", reason };
}
