"""A browser spoken to directly over the DevTools protocol, for what Playwright prevents.

Playwright keeps every page focused and visible, and closes a browser in good order; a really
hidden tab, and a browser that is killed, need one without it. Speaks over a pipe, one JSON text
ended by a zero byte for each message.
"""

from __future__ import annotations

import itertools
import json
import os
import subprocess
import tempfile
import time
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import pytest

from backburner_site.browser import CHOSEN, launch_options, on_this_system

PATIENCE_S = 60.0


def the_browser() -> Path:
    """The program that the tests use."""
    chosen = os.environ.get(CHOSEN)
    program = Path(chosen) if chosen else on_this_system()
    if program is None:
        pytest.fail("There is no browser of the system; set $BACKBURNER_BROWSER to one.")
    return program


class RawBrowser:
    """A browser for the time of a `with` block, which ends by `kill -9`.

    Tabs are opened with `open`. What it stores is gone with it, unless `profile` names a folder.
    """

    def __init__(self, program: Path, profile: Path | None = None) -> None:
        self._profile = tempfile.TemporaryDirectory(
            prefix="backburner-", ignore_cleanup_errors=True
        )
        to_browser, self._to = os.pipe()
        self._from, from_browser = os.pipe()

        def place_pipes() -> None:
            # The protocol's pipes are the file descriptors 3 and 4.
            read, write = os.dup(to_browser), os.dup(from_browser)
            os.dup2(read, 3)
            os.dup2(write, 4)

        self._process = subprocess.Popen(
            [
                str(program),
                "--headless=new",
                "--remote-debugging-pipe",
                f"--user-data-dir={profile or self._profile.name}",
                *launch_options(program)["args"],
                "about:blank",
            ],
            preexec_fn=place_pipes,
            close_fds=False,
            stderr=subprocess.DEVNULL,
        )
        os.close(to_browser)
        os.close(from_browser)
        self._reader = os.fdopen(self._from, "rb")
        self._ids = itertools.count(1)
        self._rest = b""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        fault: BaseException | None,
        at: TracebackType | None,
    ) -> None:
        self._process.kill()
        self._process.wait()
        os.close(self._to)
        self._reader.close()
        self._profile.cleanup()

    def send(self, method: str, session: str | None = None, **parameters: Any) -> Any:
        """Sends a command and gives its result; events that come between are passed over."""
        number = next(self._ids)
        message: dict[str, Any] = {"id": number, "method": method, "params": parameters}
        if session is not None:
            message["sessionId"] = session
        os.write(self._to, json.dumps(message).encode() + b"\0")
        while True:
            answer = self._receive()
            if answer.get("id") == number:
                assert "error" not in answer, answer
                return answer["result"]

    def _receive(self) -> dict[str, Any]:
        while b"\0" not in self._rest:
            chunk = os.read(self._from, 65_536)
            assert chunk, "the browser ended"
            self._rest += chunk
        text, self._rest = self._rest.split(b"\0", 1)
        return dict(json.loads(text))

    def open(self, url: str) -> Tab:
        """Opens a tab in front of the others."""
        target = self.send("Target.createTarget", url=url)["targetId"]
        session = self.send("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        return Tab(self, target, session)


def until(tab: Tab, expression: str) -> Any:
    """Polls until an expression is true; gives its value."""
    patience = time.monotonic() + PATIENCE_S
    while not (value := tab.evaluate(expression)):
        assert time.monotonic() < patience, f"waited in vain for {expression}"
        time.sleep(0.1)
    return value


class Tab:
    """One tab."""

    def __init__(self, browser: RawBrowser, target: str, session: str) -> None:
        self._browser = browser
        self._target = target
        self._session = session

    def to_front(self) -> None:
        self._browser.send("Target.activateTarget", targetId=self._target)

    def evaluate(self, expression: str) -> Any:
        """The value of an expression, awaited, as JSON."""
        answer = self._browser.send(
            "Runtime.evaluate",
            self._session,
            expression=expression,
            awaitPromise=True,
            returnByValue=True,
        )
        assert "exceptionDetails" not in answer, answer["exceptionDetails"]
        return answer["result"].get("value")
