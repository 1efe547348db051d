"""One worker for the life of the page, whatever is said to it."""

from __future__ import annotations

from typing import Any

import pytest
from playwright.sync_api import Page

from tests.browser.conftest import LONG, SLOW, TINY, Visit

pytestmark = pytest.mark.browser


def test_a_second_run_fetches_nothing_and_starts_nothing(visit: Visit) -> None:
    visit.train(TINY)
    before = len(visit.requests)
    visit.train(TINY)
    assert visit.requests[before:] == []
    assert visit.hook("diagnostics")["workers_started"] == 1
    assert len(visit.page.workers) == 1


def test_tensors_and_proxies_return_to_where_they_were(visit: Visit) -> None:
    # Five models are kept; from the sixth run on, each new one takes the place of an old one.
    def counts() -> Any:
        found = visit.hook("diagnostics")
        return found["tensors"], found["models"], found["proxies"], found["tensor_bytes"]

    recipe = {**TINY, "training": {"epochs": 1, "batch_size": 128}}
    for _ in range(6):
        visit.train(recipe)
    before = counts()
    for _ in range(2):
        key = visit.train(recipe)["id"]
        visit.hook("predict", key, [[0.5] * 8] * 8)
    assert counts() == before
    assert before[1] == 5


@pytest.mark.parametrize(
    "message",
    [
        "bake a cake",
        None,
        5,
        {"text": "not json", "buffers": []},
        {"text": '{"v": 1, "tag": "BAKE", "generation": 1, "body": {}}', "buffers": []},
        {"text": '{"v": 9, "tag": "PING", "generation": 1, "body": {}}', "buffers": 7},
        {"text": '{"v": 1, "tag": "START_TRAINING", "generation": 1, "body": {}}'},
    ],
    ids=["text", "null", "number", "not json", "unknown tag", "other version", "no operation"],
)
def test_a_bad_message_is_refused_and_the_training_goes_on(
    shared_visit: Visit, message: Any
) -> None:
    visit = shared_visit
    key = visit.start(LONG)
    visit.until_step(key, 2)
    answers = visit.page.evaluate(
        """async (message) => {
            const { port } = backburnerBoot.first;
            const heard = port.onmessage;
            const refused = new Promise((resolve) => {
                port.onmessage = (event) => {
                    heard(event);
                    const said = JSON.parse(event.data.text);
                    if (said.tag === "REFUSED") resolve(said.body.error);
                };
            });
            port.postMessage(message);
            const answer = await refused;
            port.onmessage = heard;
            return answer;
        }""",
        message,
    )
    assert answers["name"] in ("NotJson", "UnknownTag", "BadField", "InterfaceError")
    step = visit.hook("operation", key)["step"]
    visit.until_step(key, step + 2)
    assert visit.hook("stop", key)["status"] == "stopped"
    assert visit.hook("diagnostics")["workers_started"] == 1


def test_an_order_is_heard_within_a_few_steps_of_a_training(visit: Visit) -> None:
    key = visit.start(SLOW)
    # The longer a training had run, the longer its worker let others wait.
    visit.until_step(key, 60)
    waits = []
    for _ in range(20):
        before = visit.hook("operation", key)["step"]
        waits.append(visit.hook("weights", key)["step"] - before)
    # Reports are at most 100 ms old; a step takes some 20 ms.
    assert max(waits) <= 25, waits
    assert visit.hook("stop", key)["status"] == "stopped"


def hang(page: Page) -> None:
    """Keeps the worker busy for ever, without waiting for it."""
    page.workers[0].evaluate("() => { setTimeout(() => { for (;;); }, 50); }")


def test_a_worker_that_hangs_is_replaced_and_the_next_training_runs(visit: Visit) -> None:
    done = visit.train(TINY)
    hang(visit.page)
    visit.page.wait_for_timeout(200)
    again = visit.train(TINY)
    assert again["test"] == done["test"]
    diagnostics = visit.hook("diagnostics")
    assert diagnostics["workers_started"] == 2
    assert diagnostics["worker_alive"]
    assert visit.state("mode") == "worker"
    found = visit.hook("predict", done["id"], [[0.5] * 8] * 8)
    assert "label" in found, "its model is brought back from its checkpoint"


def test_an_idle_worker_sleeps(visit: Visit) -> None:
    visit.train(TINY)
    turns = visit.page.workers[0].evaluate(
        """async () => {
            let turns = 0;
            const { postMessage } = MessagePort.prototype;
            MessagePort.prototype.postMessage = function (...given) {
                turns += 1;
                return postMessage.apply(this, given);
            };
            const { setTimeout: later } = globalThis;
            globalThis.setTimeout = (...given) => { turns += 1; return later(...given); };
            await new Promise((resolve) => later(resolve, 1000));
            MessagePort.prototype.postMessage = postMessage;
            globalThis.setTimeout = later;
            return turns;
        }"""
    )
    assert turns == 0
