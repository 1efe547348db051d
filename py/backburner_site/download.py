"""Fetches one address, and gives up soon where it cannot be reached.

For files that can also be had another way: no answer is no error. What comes is not trusted; the
caller compares its sha256.
"""

import queue
import threading
import urllib.request
from http.client import HTTPException, HTTPResponse
from pathlib import Path

from backburner_site.progress import Progress

SILENCE_S = 10.0


def download(address: str, target: Path, progress: Progress) -> Path | None:
    """`target` holding what the address gave; None when nothing answers for ten seconds."""
    with progress.step(f"Fetching {address.rpartition('/')[2]}") as step:
        response = _open(address)
        if response is None:
            step.advance("no answer")
            return None
        total = response.headers.get("Content-Length")
        done = 0
        try:
            with response, target.open("wb") as file:
                while chunk := response.read(1 << 16):
                    file.write(chunk)
                    done += len(chunk)
                    step.advance_bytes(done, int(total) if total else None)
        except (OSError, HTTPException):
            step.advance("broken off")
            return None
    return target


def _open(address: str) -> HTTPResponse | None:
    """In a thread of its own: looking up a name has no time limit that could be set."""
    answers: queue.Queue[HTTPResponse | None] = queue.Queue()

    def ask() -> None:
        try:
            answers.put(urllib.request.urlopen(address, timeout=SILENCE_S))
        except (OSError, HTTPException, ValueError):
            answers.put(None)

    threading.Thread(target=ask, daemon=True).start()
    try:
        return answers.get(timeout=SILENCE_S)
    except queue.Empty:
        return None
