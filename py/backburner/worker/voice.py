"""The way out of the loop: every message to the page goes through one place."""

from __future__ import annotations

from collections.abc import Callable

from backburner.core.messages import Log, Message
from backburner.core.wire import Envelope, encode


class Voice:
    """Puts messages into envelopes and posts them.

    With `debug` it says in the log which messages go there and back. Once closed it is silent:
    the other end is gone, or listens to somebody else.
    """

    def __init__(
        self, post: Callable[[str, tuple[bytes, ...]], None], *, generation: int, debug: bool
    ) -> None:
        self._post = post
        self._generation = generation
        self._debug = debug
        self._is_closed = False

    def send(
        self,
        message: Message,
        request: str | None = None,
        operation: str | None = None,
        buffers: tuple[bytes, ...] = (),
    ) -> None:
        if self._is_closed:
            return
        self.trace("sent", message, operation)
        envelope = Envelope(
            message=message, generation=self._generation, request=request, operation=operation
        )
        self._post(encode(envelope), buffers)

    def log(self, level: str, text: str, operation: str | None = None) -> None:
        """A line for the log."""
        self.send(Log(level=level, text=text), operation=operation)

    def trace(self, what: str, message: Message, operation: str | None) -> None:
        """Says that a message came or goes, when that was asked for (`?debug=1`)."""
        if self._debug and not isinstance(message, Log):
            self.log("debug", f"{what} {message.tag}", operation)

    def close(self) -> None:
        self._is_closed = True
