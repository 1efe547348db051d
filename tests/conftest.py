"""Fixtures of every test that needs a browser, and the tests that take long.

Those are marked `soak` and run with `--soak` only. Without it they are not there: what is skipped
on CI is taken for a fault.
"""

import pytest

from tests.engine.laboratory import browser, browser_type_launch_args, laboratory

__all__ = ["browser", "browser_type_launch_args", "laboratory"]


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--soak", action="store_true", help="run the tests that take long as well")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    if config.getoption("--soak"):
        return
    long = [item for item in items if item.get_closest_marker("soak")]
    items[:] = [item for item in items if not item.get_closest_marker("soak")]
    config.hook.pytest_deselected(items=long)
