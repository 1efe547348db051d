// Makes the memory snapshot that page and worker start from.
//
//   node snapshot.cjs PYODIDE_FOLDER OUTPUT < names of standard modules as JSON
//
// Loads Pyodide from the folder that will be shipped, installs our wheel from it, imports the
// named modules and every module of ours, and writes the interpreter's memory. One line of
// JSON on stdout says what was imported, what was left out, and what failed.
//
// What is baked in with it: the hash seed (fixed to 0 here, so that two snapshots of the same
// code agree) and the state of `random`'s global generator. Files in Pyodide's file system are
// not: a restored interpreter has the modules but not the wheel they came from.

"use strict";

const fs = require("node:fs");
const path = require("node:path");
const { pathToFileURL } = require("node:url");

// pyodide.mjs imports the package `ws` unless a `require` is there already. Nothing here needs it.
globalThis.require = (name) => (name === "ws" ? {} : require(name));

const IMPORT_EVERYTHING = `
def import_everything(standard):
    import gc, importlib, linecache, pkgutil, site, sys, traceback, zipfile

    imported, without_page, failed = [], [], {}
    for name in standard:
        importlib.import_module(name)

    def explain(error):
        # The last place in our own code, and what went wrong there.
        frames = traceback.extract_tb(error.__traceback__)
        ours = [frame for frame in frames if "/backburner/" in frame.filename]
        place = f"{ours[-1].filename}:{ours[-1].lineno}: " if ours else ""
        return place + "".join(traceback.format_exception_only(error)).strip()

    def load(name):
        try:
            module = importlib.import_module(name)
        except ModuleNotFoundError as error:
            # PyScript is only there in the page, where these modules are imported later.
            if (error.name or "").partition(".")[0] == "pyscript":
                without_page.append(name)
            else:
                failed[name] = explain(error)
        except Exception as error:
            failed[name] = explain(error)
        else:
            imported.append(name)
            for found in pkgutil.iter_modules(getattr(module, "__path__", [])):
                load(f"{name}.{found.name}")

    with zipfile.ZipFile("/tmp/backburner.whl") as wheel:
        wheel.extractall(site.getsitepackages()[0])
    importlib.invalidate_caches()
    load("backburner")
    # Nothing that remembers files which a restored interpreter does not have.
    sys.path_importer_cache.clear()
    importlib.invalidate_caches()
    linecache.clearcache()
    gc.collect()
    return {"imported": imported, "left_out": without_page, "failed": failed}

import json
report = json.dumps(import_everything(json.loads(standard)))
del import_everything, standard
report
`;

async function main(folder, output) {
  const standard = fs.readFileSync(0, "utf8");
  const { loadPyodide } = await import(pathToFileURL(path.join(folder, "pyodide.mjs")));
  const pyodide = await loadPyodide({
    _makeSnapshot: true,
    indexURL: folder + path.sep,
    env: { HOME: "/home/pyodide", PYTHONHASHSEED: "0" },
    stdout: (line) => console.error(line),
    stderr: (line) => console.error(line),
  });
  // Not loadPackage: what it notes about loaded packages is a JavaScript object that stays
  // referred to, and a memory that refers to one cannot be kept.
  const wheel = fs.readdirSync(folder).find((name) => /^backburner-.*\.whl$/.test(name));
  pyodide.FS.writeFile("/tmp/backburner.whl", fs.readFileSync(path.join(folder, wheel)));
  pyodide.globals.set("standard", standard);
  const report = JSON.parse(pyodide.runPython(IMPORT_EVERYTHING));
  pyodide.runPython("globals().pop('report', None)");
  if (Object.keys(report.failed).length === 0) {
    fs.writeFileSync(output, pyodide.makeMemorySnapshot());
  }
  console.log(JSON.stringify(report));
}

main(path.resolve(process.argv[2]), path.resolve(process.argv[3])).catch((error) => {
  console.error(error);
  process.exitCode = 1;
});
