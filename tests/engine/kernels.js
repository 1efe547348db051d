// Offers `bench(variant)`, and the checks, to test_kernels.py.
import * as checks from "./kernel_checks.mjs";

const benches = {};

globalThis.checks = checks;
globalThis.bench = (variant) =>
  (benches[variant] ??= WebAssembly.compileStreaming(fetch(`../kernels/${variant}.wasm`)).then(
    (module) => checks.Bench.load(module),
  ));
