"""A pytest plugin (`-p backburner_site.skips`): lists every skipped test and why.

On CI a skip that is not expected fails the run: a browser that went missing must not look like
success.
"""

import os

import pytest

# Part of a skip's reason: why it may be skipped on CI. Empty: nothing may.
EXPECTED: dict[str, str] = {
    "no software adapter for webgpu": "a browser may have been built without one",
    "PyTorch is not installed": "it is only measured beside, and larger than all the rest",
}


def is_expected(reason: str) -> bool:
    """Whether a skip with this reason is one that CI may have."""
    return any(part in reason for part in EXPECTED)


class Skips:
    """Collects skips, and judges them when the session ends."""

    def __init__(self, *, strict: bool) -> None:
        self.strict = strict
        self.found: dict[str, str] = {}

    @property
    def unexpected(self) -> list[str]:
        """The tests that should have run."""
        return [test for test, reason in self.found.items() if not is_expected(reason)]

    def note(self, report: pytest.TestReport | pytest.CollectReport) -> None:
        """Keeps the report if it is a skip; an expected failure is not one."""
        if report.skipped and not hasattr(report, "wasxfail"):
            self.found[report.nodeid] = _reason(report)

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        self.note(report)

    def pytest_collectreport(self, report: pytest.CollectReport) -> None:
        self.note(report)

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        if not self.found:
            return
        terminalreporter.section("skipped, and why")
        for test, reason in self.found.items():
            mark = "unexpected: " if self.strict and test in self.unexpected else ""
            terminalreporter.line(f"{mark}{test}: {reason}")

    @pytest.hookimpl(tryfirst=True)
    def pytest_sessionfinish(self, session: pytest.Session) -> None:
        if self.strict and self.unexpected and session.exitstatus == pytest.ExitCode.OK:
            session.exitstatus = pytest.ExitCode.TESTS_FAILED


def pytest_configure(config: pytest.Config) -> None:
    """Registers the collector; strict on CI."""
    strict = os.environ.get("CI", "").lower() in ("1", "true")
    config.pluginmanager.register(Skips(strict=strict), "backburner-skips")


def _reason(report: pytest.TestReport | pytest.CollectReport) -> str:
    where = report.longrepr
    text = str(where[2]) if isinstance(where, tuple) else str(where)
    return text.removeprefix("Skipped: ")
