"""What every worker/storage.py Database does: the fake in CPython, IndexedDB in the browser.

Each check is given `make`, which gives a database on the same stored rows each time.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

from backburner.core.errors import BackburnerError, Damaged, Dispossessed
from backburner.worker.storage import Database, Delete, Get, Keys, Put, Row, Rows

Make = Callable[[], Database]


async def put(database: Database, *writes: Any) -> None:
    await database.write(sorted({each.store for each in writes}), (), lambda _: writes)


async def error_of(awaitable: Awaitable[object]) -> BackburnerError | None:
    try:
        await awaitable
    except BackburnerError as error:
        return error
    return None


async def what_was_written_is_read_back(make: Make) -> None:
    database = make()
    every_byte = bytes(range(256)) * 3
    row = Row.of('{"name": "späße \\u0000 \U0001f525"}', every_byte)
    await put(database, Put("checkpoints", ("op-1", 3), row), Put("runs", "op-1", Row.of("{}")))
    found, run, missing = await database.read(
        Get("checkpoints", ("op-1", 3)), Get("runs", "op-1"), Get("checkpoints", ("op-1", 4))
    )
    assert found == row
    assert found.check().data == every_byte
    assert run == Row.of("{}")
    assert missing is None
    await database.close()


async def it_is_there_for_the_next_one_to_open_it(make: Make) -> None:
    first = make()
    await put(first, Put("runs", "op-1", Row.of("first")))
    await first.close()
    second = make()
    assert await second.read(Get("runs", "op-1")) == [Row.of("first")]
    await second.close()


async def a_range_holds_one_name_in_the_order_of_its_numbers(make: Make) -> None:
    database = make()
    await put(
        database,
        *(Put("curves", (name, step), Row.of(f"{name} {step}"))
          for name in ("op-1", "op-10", "op-2", "op")
          for step in (100, 9, 0)),
    )  # fmt: skip
    rows, keys, every = await database.read(
        Rows("curves", "op-1"), Keys("curves", "op-1"), Keys("curves")
    )
    assert [row.text for row in rows] == ["op-1 0", "op-1 9", "op-1 100"]
    assert keys == [("op-1", 0), ("op-1", 9), ("op-1", 100)]
    assert len(every) == 12
    assert every == sorted(every)
    assert await database.read(Keys("curves", "op-3"), Rows("drawings")) == [[], []]
    await database.close()


async def a_decision_is_made_from_what_is_there_at_its_moment(make: Make) -> None:
    database, other = make(), make()

    async def count(by: Database) -> None:
        def one_more(found: list[Any]) -> list[Any]:
            return [Put("runs", "n", Row.of(str(int(found[0].text) + 1 if found[0] else 1)))]

        await by.write(["runs"], [Get("runs", "n")], one_more)

    await asyncio.gather(*(count(each) for each in (database, other) * 10))
    assert (await database.read(Get("runs", "n")))[0].text == "20"
    await database.close()
    await other.close()


async def a_decision_that_raises_undoes_everything(make: Make) -> None:
    database = make()
    await put(database, Put("runs", "op-1", Row.of("before")))

    def refuse(found: list[Any]) -> list[Any]:
        raise Dispossessed(f"It says {found[0].text}.")

    refused = await error_of(database.write(["runs", "curves"], [Get("runs", "op-1")], refuse))
    assert isinstance(refused, Dispossessed)
    assert refused.message == "It says before."
    assert await database.read(Get("runs", "op-1"), Keys("curves")) == [Row.of("before"), []]
    await database.close()


async def a_row_is_replaced_and_removed(make: Make) -> None:
    database = make()
    await put(database, Put("runs", "a", Row.of("1")), Put("runs", "a", Row.of("2", b"x")))
    assert await database.read(Get("runs", "a")) == [Row.of("2", b"x")]
    await put(database, Delete("runs", "a"), Delete("runs", "never was"))
    assert await database.read(Get("runs", "a"), Keys("runs")) == [None, []]
    await database.close()


async def many_can_ask_at_once(make: Make) -> None:
    database = make()
    names = [f"op-{n}" for n in range(30)]
    await asyncio.gather(*(put(database, Put("runs", name, Row.of(name))) for name in names))
    rows = await asyncio.gather(*(database.read(Get("runs", name)) for name in names))
    assert [row.text for (row,) in rows] == names
    await database.close()


async def closing_twice_is_as_good_as_once_and_asking_opens_it_again(make: Make) -> None:
    database = make()
    await database.close()
    await put(database, Put("runs", "a", Row.of("1")))
    await database.close()
    await database.close()
    assert await database.read(Get("runs", "a")) == [Row.of("1")]
    await database.close()


async def a_changed_record_is_noticed_when_it_is_checked(make: Make) -> None:
    database = make()
    whole = Row.of("{}", b"numbers")
    await put(database, Put("runs", "a", Row(text="{}", data=b"nombers", sha256=whole.sha256)))
    (found,) = await database.read(Get("runs", "a"))
    try:
        found.check()
    except Damaged:
        await database.close()
        return
    raise AssertionError("a changed byte was noticed")


CHECKS = (
    what_was_written_is_read_back,
    it_is_there_for_the_next_one_to_open_it,
    a_range_holds_one_name_in_the_order_of_its_numbers,
    a_decision_is_made_from_what_is_there_at_its_moment,
    a_decision_that_raises_undoes_everything,
    a_row_is_replaced_and_removed,
    many_can_ask_at_once,
    closing_twice_is_as_good_as_once_and_asking_opens_it_again,
    a_changed_record_is_noticed_when_it_is_checked,
)
