"""Operations of several kinds, one after the other, and through a reload."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from tests.browser.conftest import TINY, Visit

pytestmark = pytest.mark.browser

PICTURES = [
    [[((at * 7 + row * 3 + column) % 16) / 16 for column in range(8)] for row in range(8)]
    for at in range(24)
]
TUNED: dict[str, Any] = {
    "recipe": 1,
    "kind": "fine-tune",
    "seed": 5,
    "model": {"from": "previous"},
    "data": {"source": "inline", "inputs": PICTURES, "labels": ["mine", "0"] * 12},
    "method": {"name": "lora", "rank": 2},
    "training": {"epochs": 400, "batch_size": 8},
}
READER: dict[str, Any] = {
    "recipe": 1,
    "seed": 3,
    "data": {"source": "text", "text": "to be or not to be, that is the question.\n" * 40,
             "context": 16},
    "model": {"layers": [
        {"type": "embedding", "output_dim": 8},
        {"type": "conv1d", "filters": 16, "kernel_size": 3, "padding": "causal",
         "activation": "relu"}]},
    "training": {"epochs": 2, "batch_size": 8},
}  # fmt: skip


def test_a_network_is_fine_tuned_through_a_reload_though_its_base_is_cleared(
    new_visit: Callable[..., Visit], served: str
) -> None:
    visit = new_visit(served).open("?seed=7")
    started = visit.hook("start", {**TINY, "then": [TUNED, TUNED]})
    first, (whole, tuned) = started["id"], started["then"]
    undisturbed = visit.hook("wait", whole)
    assert undisturbed["status"] == "completed", undisturbed
    expected = visit.hook("weights", whole)["sha256"]
    visit.until_step(tuned, 100)
    visit.hook("clear", first)
    visit.open("?seed=7")
    done = visit.hook("wait", tuned)
    assert done["status"] == "completed", done
    assert done["resumed_at"] is not None
    assert visit.hook("weights", tuned)["sha256"] == expected
    assert done["fingerprint"] == undisturbed["fingerprint"]
    assert done["comparison"] == undisturbed["comparison"]
    before, after = done["comparison"]["before"], done["comparison"]["after"]
    assert before["old"]["count"] == after["old"]["count"] == 179
    assert done["comparison"]["forgotten"] == before["old"]["accuracy"] - after["old"]["accuracy"]
    assert (done["base"], done["after"], done["method"]["name"]) == (first, first, "lora")
    assert 0 < done["trained_parameters"] < done["parameters"]
    answer = visit.hook("predict", tuned, PICTURES[0])
    assert len(answer["probabilities"]) == 11
    refused = visit.hook("start", {"recipe": 1, "kind": "fine-tune", "model": {"from": first}})
    assert refused["refused"]["key"] == "model.from"


def test_a_text_is_written_stopped_and_taken_up_after_a_reload(
    new_visit: Callable[..., Visit], served: str
) -> None:
    visit = new_visit(served).open("?seed=7")
    reader = visit.train(READER)["id"]
    recipe = {"recipe": 1, "kind": "generate", "model": {"from": reader}, "seed": 5,
              "generation": {"prompt": "to ", "length": 6_000}}  # fmt: skip
    whole = visit.train(recipe)
    assert len(whole["text"]) == whole["characters"] == whole["statistics"]["characters"] == 6_000
    key = visit.start(recipe)
    visit.until_step(key, 500)
    stopped = visit.hook("stop", key)
    assert stopped["checkpoint"] == stopped["characters"] < 6_000, "it was stopped too late"
    visit.open("?seed=7")
    visit.ready()
    visit.until(lambda: visit.hook("operation", key)["text"] == stopped["text"], "its text")
    visit.hook("resume", key)
    done = visit.hook("wait", key)
    assert (done["status"], done["resumed_at"]) == ("completed", stopped["characters"])
    assert done["text"] == whole["text"]
