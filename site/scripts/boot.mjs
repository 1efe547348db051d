// The first script of the page. It starts the worker before the page's own Python is there, so
// that both interpreters start side by side, and says so plainly when the page cannot start.
// The Python side (backburner.app.browser) takes over what is left in `globalThis.backburnerBoot`.

import { loadTensorFlow } from "./tensorflow.mjs";

const root = document.documentElement;

// A static import would be judged as a worker by the policy (worker-src allows only blobs), an
// import() is judged as a script. A failed import is thrown again outside the promise, because
// only then does the page hear of it.
const kitchenStarter = `
  const kitchen = ${JSON.stringify(new URL("../workers/kitchen.js", import.meta.url).href)};
  addEventListener(
    "message",
    ({ data }) => import(kitchen).then(
      ({ start }) => start(data),
      (error) => setTimeout(() => { throw error; }),
    ),
    { once: true },
  );
`;
const PATIENCE_S = 180;
const stages = {};
const asked = new URLSearchParams(location.search);
const backend = asked.get("backend") ?? "wasm";
const kernels = asked.get("kernels") ?? "best";
const { debug } = globalThis.backburnerShell;
const withoutWorker =
  asked.get("worker") === "off" ? "off" : globalThis.Worker ? null : "This browser has no workers.";

// PyScript extends the class as it is loaded, whether or not it starts a worker.
globalThis.Worker ??= class {
  constructor() {
    throw new Error(withoutWorker);
  }
};

function mark(stage) {
  stages[stage] = Math.round(performance.now());
}

/**
 * Starts a worker and gives `{ worker, port, problem, onproblem }`: `port` carries the whole
 * conversation and holds its messages until somebody listens; when the worker's script fails,
 * `problem` is the reason and `onproblem`, if somebody has set it by then, is called with it.
 *
 * The worker is started from a blob: a policy in a <meta> element binds only such workers
 * (one started from an address takes its policy from headers, which static hosts don't send).
 */
function startKitchen(generation) {
  try {
    return launch(generation);
  } catch (error) {
    const port = new MessageChannel().port1;
    const problem = `The worker could not be started: ${error.message}`;
    return { worker: { terminate() {} }, port, problem, onproblem: undefined };
  }
}

function launch(generation) {
  const source = new Blob([kitchenStarter], { type: "text/javascript" });
  const address = URL.createObjectURL(source);
  const worker = new Worker(address, { type: "module", name: `kitchen-${generation}` });
  const { port1, port2 } = new MessageChannel();
  const kitchen = { worker, port: port1, problem: "", onproblem: undefined };
  worker.addEventListener("error", (event) => {
    event.preventDefault();
    kitchen.problem = event.message || "The worker's script could not be loaded.";
    kitchen.onproblem?.(kitchen.problem);
  });
  worker.postMessage({ port: port2, generation, backend, kernels, debug }, [port2]);
  return kitchen;
}

/** Shows why the page cannot be used. The texts stand in the template. */
function fail(detail) {
  if (root.dataset.backburner === "ready") return;
  root.dataset.backburner = "error";
  const place = document.getElementById("boot-detail");
  if (place) place.textContent = String(detail);
}

// Whatever hangs without a word: the page says so, and is still used if it comes up later.
setTimeout(() => {
  if (root.dataset.backburner === "booting") fail(`Python has not started in ${PATIENCE_S} s`);
}, PATIENCE_S * 1000);

// A script that cannot be loaded fires an error on its element, which only a capture hears.
addEventListener(
  "error",
  ({ target }) => {
    if (target instanceof HTMLScriptElement) fail(`${target.src} could not be loaded`);
  },
  true,
);

globalThis.backburnerBoot = {
  startKitchen,
  loadTensorFlow,
  backend,
  kernels,
  debug,
  withoutWorker,
  stages,
  mark,
  fail,
  first: withoutWorker === null ? startKitchen(1) : undefined,
};
mark("boot");
