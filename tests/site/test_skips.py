"""On CI a test that was skipped unexpectedly fails the run."""

from pathlib import Path

import pytest

from backburner_site.skips import Skips

SKIPPING = "import pytest\ndef test_a(): pass\ndef test_b(): pytest.skip('no browser here')\n"
SKIPPED_WHOLE = "import pytest\npytest.skip('no browser here', allow_module_level=True)\n"
EXPECTED_FAILURE = "import pytest\n@pytest.mark.xfail\ndef test_a(): assert False\n"


def run_pytest(folder: Path, source: str, *, strict: bool) -> int:
    # Another name each time: Python imports a module of one name only once.
    file = folder / f"test_{folder.name}.py"
    file.write_text(source)
    (folder / "pytest.ini").write_text("[pytest]\n")
    arguments = [str(file), "--rootdir", str(folder), "-c", str(folder / "pytest.ini")]
    # Other plugins keep state of their own, which a run inside a run would disturb.
    arguments += ["--disable-plugin-autoload", "-p", "no:cacheprovider"]
    return pytest.main(arguments, plugins=[Skips(strict=strict)])


@pytest.mark.parametrize(("strict", "code"), [(False, 0), (True, 1)])
def test_a_skip_is_listed_and_fails_only_on_ci(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], strict: bool, code: int
) -> None:
    assert run_pytest(tmp_path, SKIPPING, strict=strict) == code
    said = capsys.readouterr().out
    assert "::test_b: no browser here" in said
    assert said.splitlines()[-1].strip("= ").startswith("1 passed, 1 skipped")


def test_a_module_that_skips_itself_counts(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run_pytest(tmp_path, SKIPPED_WHOLE, strict=True)
    assert "unexpected: " in capsys.readouterr().out


def test_an_expected_failure_is_no_skip(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run_pytest(tmp_path, EXPECTED_FAILURE, strict=True) == 0
    assert "skipped, and why" not in capsys.readouterr().out
