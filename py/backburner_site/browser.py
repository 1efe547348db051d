"""Finds a browser, and says how to start it. Owns the order of preference.

`$BACKBURNER_BROWSER`, the one that Playwright installed, a Chromium of the system, and, for root
on a Debian (a bare CI machine), its package. Never downloads a browser unasked otherwise.
"""

import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

from backburner_site import checkout, environment
from backburner_site.errors import NoBrowser
from backburner_site.progress import Progress

CHOSEN = "BACKBURNER_BROWSER"
ON_PATH = (
    "chromium",
    "chromium-browser",
    "google-chrome-stable",
    "google-chrome",
    "microsoft-edge",
    "chrome",
    "msedge",
)
ELSEWHERE = (
    "/Applications/Google Chrome.app/Contents/MacOS/Google Chrome",
    "/Applications/Chromium.app/Contents/MacOS/Chromium",
    "/Applications/Microsoft Edge.app/Contents/MacOS/Microsoft Edge",
    r"C:\Program Files\Google\Chrome\Application\chrome.exe",
    r"C:\Program Files (x86)\Microsoft\Edge\Application\msedge.exe",
)
ARGUMENTS = (
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
    # Chrome 144 and later give no WebGL without a graphics card unless asked.
    "--enable-unsafe-swiftshader",
)


def find_browser(progress: Progress) -> Path:
    """The browser's program. Raises NoBrowser with the ways to get one."""
    chosen = os.environ.get(CHOSEN)
    if chosen:
        program = shutil.which(chosen)
        if program is None:
            raise NoBrowser(
                f"${CHOSEN} is {chosen}, but there is no such program. "
                "Set it to the full path of a Chromium or Chrome, or unset it."
            )
        return Path(program)
    found = playwrights_own() or on_this_system()
    if found is None and can_install_debian_package():
        install_debian_package(progress)
        found = on_this_system()
    if found is None:
        python = environment.python_in(checkout.VENV).relative_to(checkout.ROOT)
        raise NoBrowser(
            "No browser was found to run the page in. Any one of these helps: install Chromium or "
            f"Chrome; run `{python} -m playwright install chromium`; or set ${CHOSEN} to the "
            "program of one that is already there."
        )
    return found


def playwrights_own() -> Path | None:
    """The Chromium that `playwright install` has put there."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        program = Path(playwright.chromium.executable_path)
    return program if program.is_file() else None


def on_this_system() -> Path | None:
    """A Chromium, Chrome or Edge that is installed in a usual place."""
    candidates = [shutil.which(name) for name in ON_PATH] + list(ELSEWHERE)
    return next((Path(path) for path in candidates if path and Path(path).is_file()), None)


def can_install_debian_package() -> bool:
    """Whether this is root on a system with apt-get."""
    return sys.platform == "linux" and os.geteuid() == 0 and shutil.which("apt-get") is not None


def install_debian_package(progress: Progress) -> None:
    """Installs `chromium` with apt-get. Raises NoBrowser with what apt-get said."""
    silent = os.environ | {"DEBIAN_FRONTEND": "noninteractive"}
    for title, arguments in (
        ("Asking Debian for its list of packages", ["update"]),
        (
            "Installing Debian's chromium",
            ["install", "--yes", "--no-install-recommends", "chromium"],
        ),
    ):
        with progress.step(title):
            ended = subprocess.run(
                ["apt-get", "-q", *arguments],
                env=silent,
                capture_output=True,
                text=True,
                check=False,
            )
        if ended.returncode != 0:
            raise NoBrowser(
                "No browser was found, and apt-get could not install chromium. Most often there "
                f"is no network. Install one by hand, or set ${CHOSEN}.",
                detail=ended.stderr,
            )


def launch_options(program: Path) -> dict[str, Any]:
    """What Playwright's `launch` is given, here and in tests: program, arguments, no sandbox as
    root (Chromium refuses to start with one)."""
    as_root = sys.platform != "win32" and os.geteuid() == 0
    arguments = [*ARGUMENTS, *(["--no-sandbox"] if as_root else [])]
    return {"executable_path": str(program), "args": arguments}
