"""The database in memory that the worker's tests use is as good as the browser's."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from typing import Any

import pytest

from tests.loops import on_a_loop
from tests.worker.database import FakeDatabase
from tests.worker.database_contract import CHECKS


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: str(check.__name__))
@on_a_loop
async def test_the_fake_keeps_the_contract(check: Callable[..., Coroutine[Any, Any, None]]) -> None:
    stored = FakeDatabase()
    await check(lambda: FakeDatabase(stored))
