"""Questions about something that changes, on a clock that only the test moves."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

from backburner.views.asking import Asker
from tests.loops import on_a_loop


class Asked:
    """What an asker was made to ask; answers come when the test lets them."""

    def __init__(self) -> None:
        self.now_s = 0.0
        self.questions: list[tuple[str, int]] = []
        self.redraws = 0
        self.answers: list[asyncio.Future[None]] = []
        self.asker = Asker(lambda: self.now_s, self._redraw)

    def _redraw(self) -> None:
        self.redraws += 1

    def put(self, subject: str, step: int) -> None:
        self.asker.put(subject, step, self._answer(subject, step))

    def _answer(self, subject: str, step: int) -> Callable[[], Awaitable[None]]:
        async def answer() -> None:
            self.questions.append((subject, step))
            self.answers.append(asyncio.get_running_loop().create_future())
            await self.answers[-1]

        return answer

    async def settle(self) -> None:
        await asyncio.sleep(0)
        self.answers[-1].set_result(None)
        await asyncio.sleep(0)
        await asyncio.sleep(0)


@on_a_loop
async def test_one_question_is_asked_at_a_time_and_once() -> None:
    asked = Asked()
    asked.put("a", 1)
    await asyncio.sleep(0)
    asked.put("a", 2)
    asked.put("b", 2)
    await asked.settle()
    assert asked.questions == [("a", 1)]
    assert asked.redraws == 1
    asked.put("a", 1)
    await asyncio.sleep(0)
    assert asked.questions == [("a", 1)]


@on_a_loop
async def test_a_later_step_waits_and_another_subject_does_not() -> None:
    asked = Asked()
    asked.asker.rest_s = 0.01
    asked.put("a", 1)
    await asked.settle()
    asked.put("a", 2)
    asked.put("a", 3)
    await asyncio.sleep(0)
    assert asked.questions == [("a", 1)]
    asked.put("b", 3)
    await asked.settle()
    assert asked.questions == [("a", 1), ("b", 3)]
    while asked.redraws < 3:  # two answers, and the rest that is over
        await asyncio.sleep(0.005)
    asked.now_s = 0.01
    asked.put("b", 4)
    await asked.settle()
    assert asked.questions[-1] == ("b", 4)


@on_a_loop
async def test_a_question_that_fails_is_settled_too() -> None:
    asked = Asked()
    asked.put("a", 1)
    await asyncio.sleep(0)
    asked.answers[-1].set_exception(RuntimeError("refused"))
    for _ in range(3):
        await asyncio.sleep(0)
    asked.put("a", 1)
    await asyncio.sleep(0)
    assert asked.questions == [("a", 1)]
    asked.put("c", 1)
    await asked.settle()
    assert asked.questions[-1] == ("c", 1)
