"""One at a time: two commands in one checkout must not make the same folder at once.

An operating-system lock on a file: it is gone when its holder dies, however it dies.
Only the standard library: build.py uses it before anything is installed.
"""

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

if sys.platform == "win32":
    import msvcrt

    def _try_lock(descriptor: int) -> None:
        msvcrt.locking(descriptor, msvcrt.LK_NBLCK, 1)
else:
    import fcntl

    def _try_lock(descriptor: int) -> None:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)


@contextmanager
def only_one(lock_file: Path, waiting: Callable[[], None]) -> Iterator[None]:
    """Holds `lock_file` for the block; calls `waiting` once if another command holds it."""
    lock_file.parent.mkdir(parents=True, exist_ok=True)
    with lock_file.open("a+b") as file:
        said = False
        while True:
            try:
                _try_lock(file.fileno())
                break
            except OSError:
                if not said:
                    waiting()
                    said = True
                time.sleep(0.1)
        yield
