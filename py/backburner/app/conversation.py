"""Requests to the kitchen, each of which settles: by its answer, a refusal, a time-out, or death.

Knows which requests are open and what settles them; how the kitchen lives, and what follows a
dead one, is app/kitchens.py's.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass

from backburner.core.errors import BackburnerError, RequestTimeout
from backburner.core.messages import ANSWERS, OPERATION_ENDS, InitTraining, Order, Refused
from backburner.core.wire import Envelope, encode


@dataclass(slots=True)
class Pending:
    """A request that waits for its answer."""

    order: Order
    operation: str | None
    future: asyncio.Future[Envelope]

    @property
    def is_of_an_operation(self) -> bool:
        """Whether the end of a whole operation settles it."""
        return ANSWERS[type(self.order)] == OPERATION_ENDS


def takes_long(order: Order) -> bool:
    """Whether an order takes as long as the work does: a whole operation, or its preparation."""
    return ANSWERS[type(order)] == OPERATION_ENDS or isinstance(order, InitTraining)


class Conversation:
    """The open requests of all kitchens; ids are never used twice."""

    def __init__(self) -> None:
        self._count = 0
        self._pending: dict[str, Pending] = {}

    @property
    def has_long_request(self) -> bool:
        """Whether somebody waits for what may take long."""
        return any(takes_long(each.order) for each in self._pending.values())

    async def ask(
        self,
        order: Order,
        *,
        operation: str | None,
        generation: int,
        timeout_s: float | None,
        post: Callable[[str], None],
    ) -> Envelope:
        """Posts an order and gives its answer; `timeout_s` None waits for ever.

        Raises what it was refused with, RequestTimeout, or what `fail` was called with.
        """
        self._count += 1
        request = f"r{self._count}"
        future: asyncio.Future[Envelope] = asyncio.get_running_loop().create_future()
        self._pending[request] = Pending(order=order, operation=operation, future=future)
        envelope = Envelope(
            message=order, generation=generation, request=request, operation=operation
        )
        try:
            post(encode(envelope))
            async with asyncio.timeout(timeout_s):
                return await future
        except TimeoutError as error:
            raise RequestTimeout(
                f"The worker gave no answer to {order.tag} in {timeout_s:.0f} s. It may be busy "
                "with one very large batch, or it hangs; it is replaced if it stays silent.",
                detail=request,
            ) from error
        finally:
            self._pending.pop(request, None)

    def settle(self, envelope: Envelope) -> None:
        """Gives an answer to whoever waits for it."""
        message = envelope.message
        for request, pending in list(self._pending.items()):
            if pending.future.done():
                continue
            own = request == envelope.request
            if own and isinstance(message, Refused):
                pending.future.set_exception(message.error.as_error())
            elif (own and isinstance(message, ANSWERS[type(pending.order)])) or (
                # However a training ends, whoever started it hears.
                envelope.operation is not None
                and pending.operation == envelope.operation
                and isinstance(message, OPERATION_ENDS)
                and pending.is_of_an_operation
            ):
                pending.future.set_result(envelope)

    def fail(self, error: BackburnerError) -> None:
        """Nobody will answer any more: all that is open fails."""
        for pending in self._pending.values():
            if not pending.future.done():
                pending.future.set_exception(error)
