#!/usr/bin/env python3
"""Makes, serves and tests the site. `python3 build.py --help` names the commands.

This file only makes sure that `.venv` is there, and hands over to `py/backburner_site` in it.
It is the one file that has to run on any Python, so that an old one gets a sentence
instead of a syntax error.
"""

import sys
from pathlib import Path

if sys.version_info < (3, 11):  # noqa: UP036 - the one file that an old Python reads
    sys.exit(
        "build.py needs Python 3.11 or newer, and this is {}.{}. "
        "Install a newer one and run it with that: python3.11 build.py …".format(*sys.version_info)
    )

sys.path.insert(0, str(Path(__file__).resolve().parent / "py"))

from backburner_site.environment import enter

if __name__ == "__main__":
    enter(sys.argv[1:])
