"""Builds the `backburner` wheel: what both threads of the page import.

The same sources give the same bytes (file times are fixed), so that the lock, the snapshot's
cache and the visitors' caches only change when the code does.
"""

import os
import subprocess
import sys
from pathlib import Path

from backburner_site import checkout
from backburner_site.errors import BuildFailed

FIXED_TIME = "1704067200"  # 2024-01-01; any fixed moment after 1980, where zip's calendar begins


def build_wheel(folder: Path) -> Path:
    """The wheel, in `folder`. Raises BuildFailed with what hatchling said."""
    ended = subprocess.run(
        [sys.executable, "-m", "hatchling", "build", "--target", "wheel", "-d", str(folder)],
        cwd=checkout.ROOT,
        env=os.environ | {"SOURCE_DATE_EPOCH": FIXED_TIME},
        capture_output=True,
        text=True,
        check=False,
    )
    wheels = list(folder.glob("backburner-*.whl"))
    if ended.returncode != 0 or len(wheels) != 1:
        raise BuildFailed(
            "The backburner wheel was not built. Most often pyproject.toml names something that "
            "is not there.",
            detail=ended.stderr or ended.stdout,
        )
    return wheels[0]
