"""Serves folders over HTTP as a plain static host does: no special headers, no rewriting.

Used by `serve`, by `run` and by tests, so that what is tested is what any host would give. Every
answer must be asked about again (`no-cache`), and is answered with 304 while it is the same.
"""

import os
import threading
from email.utils import formatdate
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import TracebackType
from typing import Self
from urllib.parse import unquote, urlsplit

TYPES = {
    ".html": "text/html; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".mjs": "text/javascript; charset=utf-8",
    ".json": "application/json",
    ".svg": "image/svg+xml",
    ".png": "image/png",
    ".ico": "image/x-icon",
    ".txt": "text/plain; charset=utf-8",
    ".wasm": "application/wasm",
    ".webmanifest": "application/manifest+json",
    ".zip": "application/zip",
}
# Among others .whl, .bin and .gz: a snapshot must arrive gzipped, so no Content-Encoding either.
ANYTHING_ELSE = "application/octet-stream"

PORTS_TO_TRY = 20


class Server:
    """A server in a thread of its own, for the time of a `with` block.

    `folder` is served under `base`, each folder of `extra` under its own prefix. Without `port`
    the system chooses a free one. Raises OSError when no port can be had.
    """

    def __init__(
        self,
        folder: Path,
        *,
        base: str = "/",
        extra: dict[str, Path] | None = None,
        host: str = "127.0.0.1",
        port: int = 0,
    ) -> None:
        mounts = {base: folder, **(extra or {})}
        # The longest prefix first: /__lab__/ stands inside /.
        self.mounts = sorted(mounts.items(), key=lambda mount: -len(mount[0]))
        self.base = base
        self._http = _HttpServer((host, port), base, self.mounts)
        # It looks this often whether it should stop.
        self._thread = threading.Thread(
            target=self._http.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True
        )

    @property
    def port(self) -> int:
        """The port that was taken."""
        return int(self._http.server_address[1])

    @property
    def url(self) -> str:
        """The address of the site on this machine, with a slash at its end."""
        return f"http://127.0.0.1:{self.port}{self.base}"

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._http.shutdown()
        self._http.server_close()
        self._thread.join()

    @classmethod
    def on_free_port(cls, folder: Path, *, base: str, host: str, port: int) -> Self:
        """A server on `port` or, if that is taken, on the next free one after it."""
        for candidate in range(port, min(port + PORTS_TO_TRY, 65535)):
            try:
                return cls(folder, base=base, host=host, port=candidate)
            except OSError:
                continue
        return cls(folder, base=base, host=host, port=0)


class _HttpServer(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 64  # a page asks for all its parts at once
    # On Windows it would allow two servers on one port.
    allow_reuse_address = os.name != "nt"

    def __init__(self, address: tuple[str, int], base: str, mounts: list[tuple[str, Path]]) -> None:
        self.base = base
        self.mounts = mounts
        super().__init__(address, _Handler)

    def handle_error(self, request: object, client_address: object) -> None:
        """A browser that leaves in the middle of an answer is no news."""


class _Handler(BaseHTTPRequestHandler):
    server: _HttpServer
    protocol_version = "HTTP/1.1"
    timeout = 60

    def do_GET(self) -> None:
        self._answer(with_body=True)

    def do_HEAD(self) -> None:
        self._answer(with_body=False)

    def log_message(self, format: str, *arguments: object) -> None:
        """Says nothing: a page makes some forty requests."""

    def _answer(self, *, with_body: bool) -> None:
        path = unquote(urlsplit(self.path).path)
        found = find_file(self.server.mounts, path) or (self.server.base if path == "/" else None)
        if isinstance(found, str):
            self._refuse(HTTPStatus.MOVED_PERMANENTLY, location=found)
            return
        try:
            file = found.open("rb") if found else None
        except OSError:
            file = None
        if file is None or found is None:
            self._refuse(HTTPStatus.NOT_FOUND)
            return
        with file:
            facts = os.fstat(file.fileno())
            tag = f'"{facts.st_mtime_ns:x}-{facts.st_size:x}"'
            same = tag in self.headers.get("If-None-Match", "")
            self.send_response(HTTPStatus.NOT_MODIFIED if same else HTTPStatus.OK)
            self.send_header("Cache-Control", "no-cache")
            self.send_header("ETag", tag)
            self.send_header("Last-Modified", formatdate(facts.st_mtime, usegmt=True))
            if not same:
                self.send_header("Content-Type", TYPES.get(found.suffix, ANYTHING_ELSE))
                self.send_header("Content-Length", str(facts.st_size))
            self.end_headers()
            if with_body and not same:
                # Not copyfile until the end of the file: exactly what Content-Length promised.
                self.wfile.write(file.read(facts.st_size))

    def _refuse(self, status: HTTPStatus, location: str = "") -> None:
        body = f"{status.value} {status.phrase}\n".encode()
        self.send_response(status)
        if location:
            self.send_header("Location", location)
        self.send_header("Content-Type", "text/plain; charset=utf-8")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)


def find_file(mounts: list[tuple[str, Path]], path: str) -> Path | str | None:
    """The file for a path; a path to go to instead; or None when there is nothing.

    A folder answers with its index.html. Nothing outside the mounted folders is ever found.
    """
    for prefix, folder in mounts:
        if path == prefix.rstrip("/"):
            return prefix
        if not path.startswith(prefix):
            continue
        root = folder.resolve()
        try:
            file = (root / path.removeprefix(prefix).lstrip("/")).resolve()
            if not file.is_relative_to(root):
                return None
            if file.is_dir():
                return path + "/" if not path.endswith("/") else _existing(file / "index.html")
            return _existing(file)
        except (OSError, ValueError):  # a name with a NUL in it, or one that is far too long
            return None
    return None


def _existing(file: Path) -> Path | None:
    return file if file.is_file() else None
