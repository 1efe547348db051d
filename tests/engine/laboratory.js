// Loads what the engine needs and offers `laboratory.run(code, argumentsAsJson)`.
import { loadPyodide } from "../pyodide/pyodide.mjs";
import { loadKernels } from "../scripts/kernels.mjs";

const RUN = `
import json, traceback

async def _laboratory_run(code, given):
    try:
        names = {}
        exec(compile(code, "<laboratory>", "exec"), names)
        return json.dumps({"value": await names["main"](**json.loads(given))})
    except BaseException:
        return json.dumps({"error": traceback.format_exc()})
`;

async function start() {
  tf.wasm.setWasmPaths(new URL("../tfjs/", location.href).href);
  // As scripts/tensorflow.mjs does it: the kernels cannot work in a memory that threads share.
  tf.env().set("WASM_HAS_MULTITHREAD_SUPPORT", false);
  globalThis.loadKernels = loadKernels;
  globalThis.backburnerKernels = await loadKernels("best");
  const pyodide = await loadPyodide({ indexURL: new URL("../pyodide/", location.href).href });
  await pyodide.loadPackage("backburner", { messageCallback: () => {} });
  pyodide.runPython(RUN);
  // What Pyodide's own tests count: Python objects that JavaScript holds, and the reverse.
  pyodide._module.enable_pyproxy_allocation_tracing();
  globalThis.livingProxies = () => pyodide._module.pyproxy_alloc_map.size;
  globalThis.javascriptReferences = () => pyodide._module._hiwire_num_refs();
  const run = pyodide.globals.get("_laboratory_run");
  return { run: async (code, given) => await run(code, given) };
}

window.laboratory = start();
