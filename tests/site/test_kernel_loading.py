"""scripts/kernels.mjs on a server that takes its time, run in Node."""

from __future__ import annotations

import json
import subprocess
from typing import Any

import pytest

from backburner_site import checkout
from backburner_site.node import find_node
from backburner_site.progress import Progress

# A server that has every file but the `hanging` ones, of which it sends nothing or only the
# beginning. Time goes a thousand times faster for whoever sets a limit.
SCRIPT = """
const [script, hanging, sends] = process.argv.slice(1);
const parts = {kernels: {relaxed: {url: "r.wasm"}, simd: {url: "s.wasm"}}};
const empty = Uint8Array.of(0, 97, 115, 109, 1, 0, 0, 0);
const limits = [];
const timeout = AbortSignal.timeout;
AbortSignal.timeout = (ms) => (limits.push(ms), timeout.call(AbortSignal, ms / 1000));

function hang(signal) {
  const aborted = (end) => signal.addEventListener("abort", () => end(signal.reason));
  if (sends === "nothing") return new Promise((_, reject) => aborted(reject));
  return new Response(new ReadableStream({
    start(stream) {
      stream.enqueue(empty.slice(0, 4));
      aborted((reason) => stream.error(reason));
    },
  }));
}
globalThis.fetch = async (url, { signal } = {}) => {
  const name = String(url).split("/").at(-1);
  if (name === "parts.json") return Response.json(parts);
  return hanging.split(",").includes(name) ? hang(signal) : new Response(empty);
};
const alive = setInterval(() => {}, 1000); // Node would end with nothing but a limit to wait for
const { loadKernels } = await import(script);
const { variant, module, reason } = await loadKernels("best");
clearInterval(alive);
console.log(JSON.stringify({ variant, compiled: module !== null, reason, limits }));
"""


def load_kernels(hanging: str, sends: str = "nothing") -> Any:
    node = find_node(Progress()).node
    script = (checkout.SITE / "scripts" / "kernels.mjs").as_uri()
    done = subprocess.run(
        [*node, "--input-type=module", "--eval", SCRIPT, script, hanging, sends],
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_kernels_that_come_are_taken_without_a_word() -> None:
    found = load_kernels("")
    assert found == {"variant": "relaxed", "compiled": True, "reason": "", "limits": [20_000]}


@pytest.mark.parametrize("sends", ["nothing", "the beginning"])
def test_after_a_while_the_next_variant_is_taken_and_it_is_said_why(sends: str) -> None:
    found = load_kernels("r.wasm", sends)
    assert (found["variant"], found["compiled"]) == ("simd", True)
    assert found["reason"] == "relaxed: not there within 20 s"


def test_a_server_that_never_answers_leaves_the_stock_kernels() -> None:
    found = load_kernels("r.wasm,s.wasm")
    assert (found["variant"], found["compiled"]) == ("stock", False)
    assert found["reason"] == "relaxed: not there within 20 s; simd: not there within 20 s"
