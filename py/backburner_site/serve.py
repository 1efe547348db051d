"""`serve`: builds if stale, serves until Ctrl-C, and tells a classroom where to find it."""

import os
import socket
import sys
import threading
import webbrowser
from pathlib import Path

from backburner_site.errors import HostError
from backburner_site.progress import Progress
from backburner_site.server import Server

EVERY_ADDRESS = ("0.0.0.0", "::", "")

# Found by experiment in Chromium and Firefox: what a browser withholds from a page that comes
# over plain http from another machine.
DENIED_ON_A_LAN = (
    "On the other machines the address is not https, so their browsers deny the page: service "
    "worker and offline use, Web Locks, the origin's private files, storage figures, wake lock, "
    "WebGPU, clipboard, camera and file pickers. Training, saving in the browser, and "
    "downloads work."
)


def serve(
    folder: Path, *, base: str, host: str, port: int, browse: bool, progress: Progress
) -> int:
    """Serves `folder` until Ctrl-C; returns the exit code. Raises HostError if it cannot."""
    try:
        server = Server.on_free_port(folder, base=base, host=host, port=port)
    except OSError as error:
        raise HostError(
            f"Nothing can be served at {host}: {error.strerror or error}. The likely reason is "
            "that it is no address of this machine. Leave --host out, or use --host 0.0.0.0."
        ) from error
    with server:
        if server.port != port:
            progress.say(f"Port {port} is taken; using {server.port}")
        here = f"http://localhost:{server.port}{base}"
        shown_host = host not in EVERY_ADDRESS and not host.startswith("127.")
        progress.say(f"Serving at {f'http://{host}:{server.port}{base}' if shown_host else here}")
        if not host.startswith("127."):
            for address in lan_addresses() if host in EVERY_ADDRESS else []:
                progress.say(f"In this network: http://{address}:{server.port}{base}")
            progress.say(DENIED_ON_A_LAN)
        progress.say("Ctrl-C stops it")
        if browse and has_screen():
            webbrowser.open(here)
        try:
            threading.Event().wait()
        except KeyboardInterrupt:
            progress.say("\nStopped")
    return 0


def has_screen() -> bool:
    """Whether a browser window can open here; without one a text browser might take over."""
    if sys.platform in ("win32", "darwin"):
        return True
    return bool(os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY"))


def lan_addresses() -> list[str]:
    """This machine's IPv4 addresses that others can reach; the likeliest first."""
    found: list[str] = []
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            # Sends nothing: it only asks the system which way out it would take.
            probe.connect(("192.0.2.1", 9))
            found.append(str(probe.getsockname()[0]))
        except OSError:
            pass
    try:
        entries = socket.getaddrinfo(socket.gethostname(), None, family=socket.AF_INET)
    except OSError:
        entries = []
    found += [str(entry[4][0]) for entry in entries]
    return [address for address in dict.fromkeys(found) if not address.startswith("127.")]
