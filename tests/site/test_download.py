"""Fetching one address: what comes, comes whole; what does not come soon is left."""

import socket
from pathlib import Path

import pytest

from backburner_site import download
from backburner_site.progress import Progress
from backburner_site.server import Server


def test_what_answers_is_written_down(tmp_path: Path) -> None:
    (tmp_path / "salt.bin").write_bytes(b"salt" * 50_000)
    with Server(tmp_path) as server:
        got = download.download(f"{server.url}salt.bin", tmp_path / "got", Progress())
    assert got is not None
    assert got.read_bytes() == b"salt" * 50_000


def test_what_is_not_there_is_no_error(tmp_path: Path) -> None:
    with Server(tmp_path) as server:
        assert download.download(f"{server.url}none", tmp_path / "got", Progress()) is None


def test_what_stays_silent_is_left(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(download, "SILENCE_S", 0.05)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        port = silent.getsockname()[1]
        address = f"http://127.0.0.1:{port}/salt.bin"
        assert download.download(address, tmp_path / "got", Progress()) is None


def test_what_breaks_off_is_left(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class Torn:
        headers = {"Content-Length": "10"}  # noqa: RUF012

        def __enter__(self) -> "Torn":
            return self

        def __exit__(self, *_: object) -> None: ...

        def read(self, _: int) -> bytes:
            raise ConnectionResetError

    monkeypatch.setattr(download, "_open", lambda _: Torn())
    assert download.download("salt.bin", tmp_path / "got", Progress()) is None
