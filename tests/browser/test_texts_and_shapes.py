"""Texts and shapes, chosen under Create."""

from __future__ import annotations

from math import cos, pi, sin
from typing import Any

import pytest
from playwright.sync_api import expect

from tests.browser.conftest import Visit
from tests.browser.test_playground import Strokes, answer, draw_with_the_mouse
from tests.core.images import image, images, png

pytestmark = pytest.mark.browser

CIRCLE: Strokes = [
    [(0.5 + 0.3 * sin(at * pi / 12), 0.5 - 0.3 * cos(at * pi / 12)) for at in range(25)]
]
STORY = "The cat sat on the mat, and the dog — a small one — sat on the cat.\r\n" * 60


def file_of(content: bytes, name: str = "story.txt") -> Any:
    return {"name": name, "mimeType": "text/plain", "buffer": content}


def trained(visit: Visit) -> dict[str, Any]:
    """What the one training has come to, that was started under Create."""
    visit.until(lambda: len(visit.hook("operations")) == 1, "the training")
    (operation,) = visit.hook("operations")
    snapshot: dict[str, Any] = visit.hook("wait", operation["id"])
    assert snapshot.get("status") == "completed", snapshot
    return snapshot


def test_a_text_of_ones_own_is_read_from_a_file_and_told_in_bits(visit: Visit) -> None:
    page = visit.go("create")
    expect(page.get_by_test_id("preset-text")).to_be_hidden()
    page.get_by_test_id("data-text").check()
    expect(page.get_by_test_id("preset-text")).to_be_visible()
    expect(page.get_by_test_id("preset-small")).to_be_hidden()
    expect(page.get_by_test_id("learning-rate")).to_have_value("0.005")
    page.get_by_test_id("text-file").set_input_files(file_of(b"\x89PNG\r\n", "cat.png"))
    expect(page.get_by_test_id("recipe-error")).to_contain_text("cat.png cannot be read as text")
    page.get_by_test_id("text-file").set_input_files(file_of(STORY.encode("utf-16")))
    expect(page.get_by_test_id("own-text")).to_have_value(STORY.replace("\r\n", "\n"))
    expect(page.get_by_test_id("recipe-error")).to_be_hidden()
    page.get_by_test_id("epochs").fill("8")
    page.get_by_test_id("train").click()
    snapshot = trained(visit)
    bits = snapshot["test"]["bits_per_character"]
    bigram = snapshot["baselines"]["test"]["bigram"]
    assert 0 < bits < snapshot["baselines"]["test"]["unigram"]
    assert 0 < bigram < snapshot["baselines"]["test"]["unigram"]
    assert snapshot["recipe"]["data"]["characters"] == len(STORY) - 60
    assert snapshot["recipe"]["model"] == {"preset": "text", "output": "auto"}
    expect(visit.go("dashboard").get_by_test_id("test-result")).to_be_visible()
    expect(page.get_by_test_id("test-result")).to_contain_text("bits for each")
    expect(page.locator("#examples button")).to_have_count(0)
    visit.go("playground")  # nothing that can be asked about a drawing
    expect(page.get_by_test_id("no-network")).to_be_visible()
    page.get_by_test_id("to-reader").click()
    expect(page.get_by_test_id("write")).to_be_visible()
    page = visit.go("create")
    base = page.get_by_test_id("start-from").locator(f"option[value='{snapshot['id']}']")
    expect(base).to_have_count(1)
    page.get_by_test_id("data-digits").check()
    expect(base).to_have_count(0)
    page.get_by_test_id("data-text").check()
    page.get_by_test_id("start-from").select_option(snapshot["id"])
    page.get_by_test_id("method-head").check()
    page.get_by_test_id("own-text").fill("The dog sat on the mat. " * 100)
    page.get_by_test_id("train").click()
    visit.until(lambda: len(visit.hook("operations")) == 2, "the fine-tuning")
    tuned = visit.hook("wait", visit.hook("operations")[-1]["id"])
    assert tuned.get("status") == "completed", tuned
    assert (tuned["kind"], tuned["base"]) == ("fine-tune", snapshot["id"])


def test_a_text_that_is_too_short_is_refused_beside_its_field(visit: Visit) -> None:
    page = visit.go("create")
    page.get_by_test_id("data-text").check()
    page.get_by_test_id("own-text").fill("too short")
    page.get_by_test_id("train").click()
    expect(page.get_by_test_id("recipe-error")).to_contain_text("only 9 characters")
    expect(page.get_by_test_id("own-text")).to_be_focused()
    assert visit.hook("operations") == []


def test_shapes_are_as_difficult_as_is_wanted(visit: Visit) -> None:
    page = visit.go("create")
    page.get_by_test_id("data-shapes").check()
    expect(page.get_by_test_id("preset-tiny-layers")).to_contain_text("7 units")
    expect(page.get_by_test_id("difficulty-words")).to_have_text("easy")
    page.get_by_test_id("difficulty").fill("0")
    expect(page.get_by_test_id("difficulty-words")).to_have_text("very easy")
    page.get_by_test_id("preset-tiny").check()
    page.get_by_test_id("epochs").fill("2")
    page.get_by_test_id("train").click()
    snapshot = trained(visit)
    assert snapshot["recipe"]["data"]["difficulty"] == 0
    assert snapshot["test"]["accuracy"] > 0.9
    visit.go("playground")
    draw_with_the_mouse(page, CIRCLE)
    assert "circle" in answer(visit)


def test_pictures_from_files_are_brought_to_their_size_and_learned_from(visit: Visit) -> None:
    recipe = {
        "recipe": 1,
        "data": {"source": "images", "size": 8, "images": images(10)},
        "model": {"preset": "tiny"},
        "training": {"epochs": 20, "batch_size": 4, "learning_rate": 0.01},
    }
    snapshot = visit.train(recipe)
    assert snapshot["test"]["accuracy"] == 1
    assert snapshot["recipe"]["data"]["examples"] == 20
    torn = image(png()[:40], "red", name="torn.png")
    recipe["data"] = {"source": "images", "images": [*images(10), torn]}
    failed = visit.hook("wait", visit.start(recipe))["refused"]
    assert failed["status"] == "failed"
    assert "torn.png" in failed["error"]["message"]
