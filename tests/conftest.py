"""Fixtures of every test that needs a browser."""

from tests.engine.laboratory import browser, browser_type_launch_args, laboratory

__all__ = ["browser", "browser_type_launch_args", "laboratory"]
