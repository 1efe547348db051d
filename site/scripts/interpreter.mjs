// What PyScript takes for Pyodide: the same module, with `loadPyodide` wrapped so that the page
// starts from the snapshot. PyScript's own options (where output goes) pass through.

import { startPython } from "./python.mjs";

export { version } from "../pyodide/pyodide.mjs";

export async function loadPyodide(options) {
  const boot = globalThis.backburnerBoot;
  try {
    const { python, start, reason } = await startPython(options, boot.mark);
    boot.start = start;
    boot.reason = reason;
    await globalThis.backburnerShell.texts; // without words Python has nothing to say
    return python;
  } catch (fault) {
    boot.fail(fault?.message ?? fault);
    throw fault;
  }
}
