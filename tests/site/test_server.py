"""The server behaves as a plain static host does."""

import http.client
from collections.abc import Iterator
from pathlib import Path

import pytest

from backburner_site.server import Server


def a_folder(folder: Path) -> Path:
    site = folder / "site"
    (site / "scripts").mkdir(parents=True)
    (site / "index.html").write_text("home")
    for name in ("a.mjs", "a.js", "a.wasm", "a.json", "a.css", "a.whl", "a.bin.gz"):
        (site / "scripts" / name).write_bytes(b"x")
    (folder / "secret.txt").write_text("secret")
    return site


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    lab = tmp_path / "lab"
    lab.mkdir()
    (lab / "lab.html").write_text("lab")
    with Server(a_folder(tmp_path), base="/sub/path/", extra={"/__lab__/": lab}) as server:
        yield server


def ask(
    server: Server, path: str, method: str = "GET", **headers: str
) -> tuple[http.client.HTTPResponse, bytes]:
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=10)
    connection.request(method, path, headers=headers)
    answer = connection.getresponse()
    body = answer.read()
    connection.close()
    return answer, body


def test_the_site_answers_under_its_base(server: Server) -> None:
    answer, body = ask(server, "/sub/path/")
    assert (answer.status, body) == (200, b"home")
    assert server.url == f"http://127.0.0.1:{server.port}/sub/path/"


def test_nothing_but_the_way_there_is_outside_the_base(server: Server) -> None:
    assert ask(server, "/index.html")[0].status == 404
    for path in ("/", "/sub/path"):
        answer, _ = ask(server, path)
        assert (answer.status, answer.headers["Location"]) == (301, "/sub/path/")


def test_further_folders_have_prefixes_of_their_own(server: Server) -> None:
    assert ask(server, "/__lab__/lab.html")[1] == b"lab"


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("a.mjs", "text/javascript; charset=utf-8"),
        ("a.js", "text/javascript; charset=utf-8"),
        ("a.wasm", "application/wasm"),
        ("a.json", "application/json"),
        ("a.css", "text/css; charset=utf-8"),
        ("a.whl", "application/octet-stream"),
        ("a.bin.gz", "application/octet-stream"),
    ],
)
def test_each_kind_of_file_has_the_type_that_browsers_insist_on(
    server: Server, name: str, kind: str
) -> None:
    answer, _ = ask(server, f"/sub/path/scripts/{name}")
    assert answer.headers["Content-Type"] == kind
    assert "Content-Encoding" not in answer.headers


def test_there_are_no_special_headers(server: Server) -> None:
    answer, _ = ask(server, "/sub/path/")
    expected = {"Server", "Date", "Cache-Control", "ETag", "Last-Modified", "Content-Type"}
    assert set(answer.headers) == expected | {"Content-Length"}
    assert answer.headers["Cache-Control"] == "no-cache"


def test_what_has_not_changed_is_not_sent_again(server: Server) -> None:
    tag = ask(server, "/sub/path/")[0].headers["ETag"]
    answer, body = ask(server, "/sub/path/", **{"If-None-Match": tag})
    assert (answer.status, body) == (304, b"")


def test_what_has_changed_is_sent_again(server: Server, tmp_path: Path) -> None:
    tag = ask(server, "/sub/path/")[0].headers["ETag"]
    (tmp_path / "site" / "index.html").write_text("new home")
    answer, body = ask(server, "/sub/path/", **{"If-None-Match": tag})
    assert (answer.status, body) == (200, b"new home")


def test_a_head_request_gets_the_headers_only(server: Server) -> None:
    answer, body = ask(server, "/sub/path/", method="HEAD")
    assert (answer.headers["Content-Length"], body) == ("4", b"")


@pytest.mark.parametrize(
    "path",
    [
        "/sub/path/../../secret.txt",
        "/sub/path/%2e%2e/secret.txt",
        "/sub/path/..%2fsecret.txt",
        "/sub/path//etc/passwd",
        "/sub/path/%00",
        "/sub/path/scripts/",
        "/sub/path/" + "long" * 2000,
    ],
)
def test_nothing_outside_the_folder_is_found(server: Server, path: str) -> None:
    assert ask(server, path)[0].status == 404


def test_a_link_out_of_the_folder_is_not_followed(server: Server, tmp_path: Path) -> None:
    (tmp_path / "site" / "out").symlink_to(tmp_path / "secret.txt")
    assert ask(server, "/sub/path/out")[0].status == 404


def test_one_connection_serves_several_requests(server: Server) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=10)
    for path in ("/sub/path/", "/nowhere", "/sub/path/scripts/a.js"):
        connection.request("GET", path)
        first_socket = connection.sock
        connection.getresponse().read()
        assert connection.sock is first_socket is not None
    connection.close()


def test_a_taken_port_leads_to_the_next_free_one(tmp_path: Path) -> None:
    site = a_folder(tmp_path)
    with Server(site) as first:
        second = Server.on_free_port(site, base="/", host="127.0.0.1", port=first.port)
        with second:
            assert second.port != first.port
            assert ask(second, "/")[1] == b"home"


def test_a_stopped_server_frees_its_port(tmp_path: Path) -> None:
    site = a_folder(tmp_path)
    with Server(site) as first:
        port = first.port
    with Server(site, port=port) as second:
        assert second.port == port
