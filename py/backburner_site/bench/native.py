"""PyTorch's side of the contest: starts its process, gives it orders, ends it.

It is optional: whoever wants the comparison installs it into `.venv` (pyproject.toml's extra
`peers`), for it is far larger than everything else together. Without it nothing is claimed.
"""

import importlib.util
import json
import os
import signal
import subprocess
import sys
import tempfile
import tomllib
from contextlib import suppress
from types import TracebackType
from typing import Any

from backburner_site import checkout, environment
from backburner_site.bench.contest import Round, Unmeasurable
from backburner_site.bench.workloads import Workload
from backburner_site.errors import RunFailed

MODULE = "backburner_site.bench.pytorch"
PATIENCE_S = 10.0

KEEPING_MEMORY = {
    "MALLOC_TRIM_THRESHOLD_": "2000000000",
    "MALLOC_MMAP_THRESHOLD_": "2000000000",
    "MALLOC_TOP_PAD_": "100000000",
}
"""Lets glibc keep what PyTorch frees. It gives large pieces back to the system otherwise, and has
them cleared and mapped anew in the next step: up to half of the time, and not the same in every
process (W2 with one thread: 9.0 or 3.9 ms). PyTorch's tuning guide recommends other allocators for
that reason; these settings do the same without installing one."""


def is_installed() -> bool:
    """Whether this Python, which is `.venv`'s, has PyTorch."""
    return importlib.util.find_spec("torch") is not None


def how_to_install() -> str:
    """The words for those who miss it."""
    with (checkout.ROOT / "pyproject.toml").open("rb") as file:
        wanted = tomllib.load(file)["project"]["optional-dependencies"]["peers"]
    python = environment.python_in(checkout.VENV).relative_to(checkout.ROOT)
    return (
        "PyTorch is not installed, so there is no comparison with it. To have one: "
        f"python3 -m pip --python {python} install {' '.join(wanted)}"
    )


class PyTorch:
    """A contestant: `backburner_site.bench.pytorch` in a process of its own, on `threads`.

    `plain`: as one gets it who asks for nothing special; else the fastest that it can.

    A process that cannot be started is a failure. One that dies later (where the memory is full,
    the system ends it) is left out from then on; the others are measured to the end.
    """

    rounds = None

    def __init__(self, name: str, threads: int, *, plain: bool = False) -> None:
        self.name = name
        self.threads = threads
        self.plain = plain

    def __enter__(self) -> "PyTorch":
        # What it says on stderr (warnings, mostly) is only of interest when it dies.
        self._said = tempfile.TemporaryFile("w+", encoding="utf-8", errors="replace")
        self._process = subprocess.Popen(
            [sys.executable, "-m", MODULE, str(self.threads), "plain" if self.plain else "all"],
            env=os.environ
            | {"PYTHONPATH": str(checkout.PY)}
            | ({} if self.plain else KEEPING_MEMORY),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._said,
            text=True,
            start_new_session=True,  # Ctrl-C is ours to deal with
        )
        try:
            self.versions = self._ask({"versions": True})
        except Unmeasurable as ended:
            detail = self._last_words()
            self._end()
            raise RunFailed(
                f"{ended} Most often PyTorch does not fit this machine, or its memory was full.",
                detail=detail,
            ) from ended
        except BaseException:
            self._end()
            raise
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._end()

    def _end(self) -> None:
        assert self._process.stdin is not None
        with suppress(OSError):
            self._process.stdin.close()
        try:
            self._process.wait(PATIENCE_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._said.close()

    def prepare(self, workload: Workload) -> dict[str, Any]:
        answer = self._ask({"workload": workload.as_request()})
        if "problem" in answer:
            raise Unmeasurable(answer["problem"])
        return answer

    def measure(self, workload: Workload, round_ms: float) -> Round:
        answer = self._ask({"round_ms": round_ms})
        return Round(ms_per_step=answer.pop("ms_per_step"), facts=answer)

    def _ask(self, order: dict[str, Any]) -> dict[str, Any]:
        """Its answer. Raises Unmeasurable when the process has ended, now or before."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        with suppress(BrokenPipeError):  # its end of file says the same, and is read below
            self._process.stdin.write(json.dumps(order) + "\n")
            self._process.stdin.flush()
        line = self._process.stdout.readline()
        if not line.endswith("\n"):  # nothing, or the beginning of an answer
            raise Unmeasurable(f"The process of {self.name} ended{self._how_it_ended()}.")
        answer: dict[str, Any] = json.loads(line)
        return answer

    def _how_it_ended(self) -> str:
        try:
            code = self._process.wait(PATIENCE_S)
        except subprocess.TimeoutExpired:
            return ""
        if code >= 0:
            return f" with exit code {code}"
        full = ", perhaps because the memory was full" if code == -signal.SIGKILL else ""
        return f" by signal {-code}{full}"

    def _last_words(self) -> str:
        self._said.seek(0)
        return self._said.read()[-2000:]
