"""The kitchen on a channel's end in the page's own thread, as the fallback uses it."""

from __future__ import annotations

from textwrap import dedent

import pytest

from tests.engine.laboratory import Laboratory

pytestmark = pytest.mark.browser

SHARED = """
import asyncio, json
from pyodide.ffi import create_proxy, to_js
from backburner import kitchen
from backburner.core.messages import *
from backburner.core.wire import Envelope, decode, encode

class Talk:
    # One conversation with a kitchen of its own.
    async def open(self, **settings):
        channel = js.MessageChannel.new()
        self.port, self.heard, self.count = channel.port1, [], 0
        self.listener = create_proxy(lambda event: self.heard.append(decode(event.data.text)))
        self.port.onmessage = self.listener
        folder = js.URL.new("../", js.location.href).href
        wanted = {"generation": 1, "backend": "wasm", "kernels": "best", "debug": False,
                  "folder": folder, "boot": {"stages": {}, "start": "plain", "reason": ""},
                  **settings}
        self.loop = await kitchen.main(channel.port2, json.dumps(wanted))
        return self

    def send(self, order, operation="op-1"):
        self.count += 1
        request = f"r{self.count}"
        text = encode(Envelope(message=order, generation=1, request=request, operation=operation))
        self.port.postMessage(to_js({"text": text, "buffers": []}, create_pyproxies=False))
        return request

    async def ask(self, order, operation="op-1"):
        return await self.answer(self.send(order, operation))

    async def answer(self, request):
        while True:
            for each in self.heard:
                if each.request == request and each.message.tag != "TRAINING_PROGRESS":
                    return each.message
            await asyncio.sleep(0.005)

    async def close(self):
        await self.loop.close()
        self.port.onmessage = None
        self.port.close()
        self.listener.destroy()

    def logs(self):
        return [each.message.text for each in self.heard if each.message.tag == "LOG"]

def wire(epochs):
    return {"recipe": 1, "seed": 7, "model": {"preset": "tiny"}, "training": {"epochs": epochs}}
"""


def test_a_training_in_the_pages_own_thread_is_kept_and_taken_up(laboratory: Laboratory) -> None:
    code = """
    async def main():
        talk = await Talk().open()
        await talk.ask(InitTraining(recipe=wire(600)), "whole")
        whole = await talk.ask(StartTraining(), "whole")
        expected = (await talk.ask(DescribeWeights(), "whole")).sha256
        await talk.ask(InitTraining(recipe=wire(600), mode="main-thread"))
        talk.send(StartTraining())
        await asyncio.sleep(0.15)
        paused = await talk.ask(Pause())
        await talk.close()

        other = await Talk().open()
        ready = await other.ask(InitTraining(mode="main-thread"))
        done = await other.ask(StartTraining(checkpoint=ready.step))
        sha256 = (await other.ask(DescribeWeights())).sha256
        runs = (await other.ask(ListRuns(), None)).runs
        await other.ask(ClearRun(), "whole")
        await other.ask(ClearRun())
        left = (await other.ask(ListRuns(), None)).runs
        await other.close()
        same = [ready.step == paused.checkpoint == paused.step, sha256 == expected,
                done.test == whole.test, len(left)]
        return [same, sorted([run.mode, run.status] for run in runs)]
    """
    same, runs = laboratory.run(SHARED + dedent(code))
    assert same == [True, True, True, 0]
    assert runs == [["main-thread", "completed"], ["worker", "completed"]]


def test_a_kitchen_that_is_closed_leaves_nothing_behind(laboratory: Laboratory) -> None:
    code = """
    async def cycle(finished):
        talk = await Talk().open()
        await talk.ask(InitTraining(recipe=wire(50)))
        talk.send(StartTraining())
        while not any(each.message.tag == "CHECKPOINTED" for each in talk.heard):
            await asyncio.sleep(0.005)
        if finished:
            await talk.ask(StopTraining())
            await talk.ask(ClearRun())
        await talk.close()
        await talk.loop.close()
        said = len(talk.heard)
        await asyncio.sleep(0.1)
        assert len(talk.heard) == said

    async def main():
        counts = []
        for finished in (True, False, True, False):
            # What was interrupted is taken away by whoever comes next.
            talk = await Talk().open()
            await talk.ask(ClearRun())
            await talk.close()
            await cycle(finished)
            counts.append([js.livingProxies(), int(js.tf.memory().numTensors)])
        return counts
    """
    counts = laboratory.run(SHARED + dedent(code))
    assert counts[1:] == counts[:1] * 3


def test_what_it_does_is_in_the_log_when_that_is_asked_for(laboratory: Laboratory) -> None:
    code = """
    async def main():
        talk = await Talk().open(debug=True)
        await talk.ask(InitTraining(recipe=wire(2)), "op-log")
        await talk.ask(StartTraining(), "op-log")
        await talk.ask(ClearRun(), "op-log")
        await talk.close()
        return talk.logs()
    """
    logs = laboratory.run(SHARED + dedent(code))
    for words in (
        "backend wasm",
        "storage backburner:/:kitchen opened in",
        "received INIT_TRAINING",
        "sent MODEL_READY",
        "sent CHECKPOINTED",
        "written in",
        "received CLEAR_RUN",
    ):
        assert any(words in text for text in logs), words


def test_a_backend_that_does_not_start_is_said_and_can_be_closed(laboratory: Laboratory) -> None:
    code = """
    async def main():
        talk = await Talk().open(backend="cake")
        await asyncio.sleep(0.05)
        said = [each.message.tag for each in talk.heard]
        await talk.close()
        return said
    """
    assert "FAULT" in laboratory.run(SHARED + dedent(code))
