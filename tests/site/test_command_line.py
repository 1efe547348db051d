"""What build.py understands, and what it refuses."""

import argparse
from pathlib import Path

import pytest

from backburner_site import command_line
from backburner_site.errors import NoBrowser


@pytest.mark.parametrize(
    ("given", "path"),
    [("/", "/"), ("", "/"), ("sub", "/sub/"), ("/sub/path", "/sub/path/"), ("/a/b/", "/a/b/")],
)
def test_a_base_gets_a_slash_at_both_ends(given: str, path: str) -> None:
    assert command_line.base_path(given) == path


@pytest.mark.parametrize("given", ["/a/../b", "/a//b", "a b", "/a?b", "/ä/", "c:\\x", "a#b"])
def test_what_is_no_path_is_refused(given: str) -> None:
    with pytest.raises(argparse.ArgumentTypeError):
        command_line.base_path(given)


@pytest.mark.parametrize(
    "arguments",
    [
        [],
        ["build", "--zip"],
        ["serve", "--port", "0"],
        ["bench", "--workloads", "W1,W9"],
        ["bench", "--rounds", "0"],
    ],
)
def test_what_is_not_there_is_refused(arguments: list[str]) -> None:
    with pytest.raises(SystemExit) as end:
        command_line.main(arguments)
    assert end.value.code == 2


def test_workloads_are_chosen_by_their_names() -> None:
    options = command_line.parser().parse_args(["bench", "--workloads", "w4, W1"])
    assert [workload.name for workload in options.workloads] == ["W1", "W4"]


@pytest.mark.parametrize("text", ["0", "-1", "soon", "nan", "inf"])
def test_a_time_limit_is_a_positive_number(text: str) -> None:
    with pytest.raises(argparse.ArgumentTypeError):
        command_line.seconds(text)


def test_everything_after_test_is_for_pytest(monkeypatch: pytest.MonkeyPatch) -> None:
    from backburner_site import checks

    given: list[list[str]] = []
    monkeypatch.setattr(checks, "test", lambda arguments, _: given.append(arguments) or 5)
    assert command_line.main(["test", "-k", "pause", "--maxfail=1"]) == 5
    assert given == [["-k", "pause", "--maxfail=1"]]


def test_no_browser_ends_with_3(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from backburner_site import checks

    def none_found(*_: object) -> int:
        raise NoBrowser("none here", detail="apt said no")

    monkeypatch.setattr(checks, "test", none_found)
    assert command_line.main(["test"]) == 3
    assert capsys.readouterr().err == "build.py: none here\napt said no\n"


def test_a_bench_without_a_browser_ends_with_3_before_anything_is_built(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(command_line.environment, "ensure", lambda *_: None)
    monkeypatch.setenv("BACKBURNER_BROWSER", "/no/such/program")
    assert command_line.main(["bench"]) == 3


def test_a_json_folder_that_is_not_there_is_said_before_the_bench(tmp_path: Path) -> None:
    assert command_line.main(["bench", "--json", str(tmp_path / "no" / "out.json")]) == 1


def test_ctrl_c_ends_with_130(monkeypatch: pytest.MonkeyPatch) -> None:
    from backburner_site import checks

    def interrupted(*_: object) -> int:
        raise KeyboardInterrupt

    monkeypatch.setattr(checks, "check", interrupted)
    assert command_line.main(["check"]) == 130
