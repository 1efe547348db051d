"""Looking inside a network: right, while it trains, and without a trace in what it learns."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable
from typing import Any

import pytest
from playwright.sync_api import expect

from backburner_site import checkout
from tests.browser.conftest import LONG, TINY, Visit
from tests.browser.states import SEVEN, draw

pytestmark = pytest.mark.browser


def pictures() -> tuple[list[list[list[float]]], list[int]]:
    """The shipped digits, read from the files of the site: rows from 0 to 1, and labels."""
    data = checkout.DIST / "data"
    binary = (data / "digits.bin").read_bytes()
    labels = json.loads((data / "digits.json").read_text(encoding="utf-8"))["labels"]
    digits = [binary[at : at + 64] for at in range(0, len(binary), 64)]
    rows = [
        [[number / 16 for number in digit[row * 8 : row * 8 + 8]] for row in range(8)]
        for digit in digits
    ]
    return rows, labels


@pytest.fixture(scope="module")
def trained(shared_visit: Visit) -> str:
    """The id of a network in the shared page that still makes mistakes."""
    return str(shared_visit.train({**TINY, "training": {"epochs": 1}})["id"])


def test_the_confusion_matrix_is_what_single_predictions_add_up_to(
    shared_visit: Visit, trained: str
) -> None:
    found = shared_visit.hook("inspect", trained, "confusion", {"part": "test"})
    rows, labels = pictures()
    said = shared_visit.page.evaluate(
        "([key, pictures]) => Promise.all(pictures.map((each) => backburner.predict(key, each)))",
        [trained, [rows[index] for index in behind(found)]],
    )
    counts = [[0] * 10 for _ in range(10)]
    mistakes = []
    for index, answer in zip(behind(found), said, strict=True):
        label, predicted = labels[index], int(answer["label"])
        counts[label][predicted] += 1
        if label != predicted:
            mistakes.append((-answer["confidence"], index))
    assert found["confusion"] == counts
    assert found["count"] == len(said) == 179
    assert mistakes
    assert [each["index"] for each in found["worst"]] == [at for _, at in sorted(mistakes)[:12]]
    assert found["accuracy"] == shared_visit.hook("operation", trained)["test"]["accuracy"]
    for at, each in enumerate(found["per_class"]):
        assert each["count"] == sum(counts[at])
        assert each["recall"] == pytest.approx(counts[at][at] / sum(counts[at]))


def behind(found: dict[str, Any]) -> list[int]:
    """Every example of the part, once: all are behind one cell."""
    indexes = sorted(index for cell in found["cells"] for index in cell["examples"])
    assert len(set(indexes)) == len(indexes)
    return indexes


def test_layers_put_out_what_their_weights_say(shared_visit: Visit, trained: str) -> None:
    """The first convolution and the answer, calculated here from the weights that are shown."""
    rows, _ = pictures()
    (filters,) = shared_visit.hook("inspect", trained, "filters")["layers"]
    looked = shared_visit.hook("inspect", trained, "activations", {"example": 5})["layers"]
    assert [each["layer"] for each in looked] == [
        "conv2d_1", "max_pooling2d_1", "flatten_1", "dense_1",
    ]  # fmt: skip
    assert (filters["shape"], looked[0]["shape"]) == ([3, 3, 1, 8], [6, 6, 8])
    kernel, put_out = filters["numbers"], looked[0]["numbers"]
    given = shared_visit.hook("inspect", trained, "activations", {"input": rows[5]})["layers"]
    assert given == looked
    blank = shared_visit.hook(
        "inspect", trained, "activations", {"input": [[0] * 8] * 8, "layer": "conv2d_1"}
    )["layers"]
    # On paper without ink only the bias is left, cut off at 0; where ink is, it is added in full.
    checked = 0
    for channel in range(8):
        bias = blank[0]["numbers"][channel]
        if bias <= 0:
            continue
        for row in range(6):
            for column in range(6):
                total = bias + sum(
                    rows[5][row + i][column + j] * kernel[(i * 3 + j) * 8 + channel]
                    for i in range(3)
                    for j in range(3)
                )
                seen = put_out[(row * 6 + column) * 8 + channel]
                assert seen == pytest.approx(max(0.0, total), abs=1e-5)
                checked += 1
    assert checked > 0
    powers = [math.exp(number) for number in looked[-1]["numbers"]]
    said = shared_visit.hook("predict", trained, rows[5])["probabilities"]
    assert [power / sum(powers) for power in powers] == pytest.approx(said, abs=1e-5)


@pytest.mark.parametrize("query", ["", "&worker=off"])
def test_a_training_that_is_looked_into_ends_with_the_same_weights_and_leaves_nothing(
    new_visit: Callable[..., Visit], served: str, query: str
) -> None:
    visit = new_visit(served).open(f"?debug=1&seed=7{query}")
    recipe = {**TINY, "training": {"epochs": 300}}
    undisturbed = visit.hook("weights", visit.train(recipe)["id"])["sha256"]
    key = visit.start(recipe)
    asked = 0
    while visit.hook("operation", key)["status"] in ("queued", "initializing", "running"):
        asked += look_at_all(visit, key)
    assert asked >= 6
    assert visit.hook("weights", key)["sha256"] == undisturbed
    before = visit.hook("diagnostics")
    for _ in range(5):
        assert look_at_all(visit, key) == 3
    after = visit.hook("diagnostics")
    assert after["tensors"] == before["tensors"]
    assert after["proxies"] == before["proxies"]


def look_at_all(visit: Visit, key: str) -> int:
    """How many of three questions were answered: of a run that is only queued, none."""
    kinds: dict[str, dict[str, Any]] = {
        "filters": {},
        "activations": {"example": 7},
        "confusion": {"part": "validation"},
    }
    return sum("step" in visit.hook("inspect", key, *each) for each in kinds.items())


@pytest.mark.parametrize(
    ("what", "options", "key"),
    [
        ("brains", {}, "what"),
        ("confusion", {"part": "exam"}, "part"),
        ("confusion", {"parts": "test"}, "options.parts"),
        ("activations", {}, "example"),
        ("activations", {"example": 1797}, "example"),
        ("filters", {"layer": "conv2d_9"}, "layer"),
    ],
)
def test_what_is_not_there_to_be_seen_is_refused_by_key(
    shared_visit: Visit, trained: str, what: str, options: dict[str, Any], key: str
) -> None:
    assert shared_visit.hook("inspect", trained, what, options)["refused"]["key"] == key


def unfold(visit: Visit, part: str) -> None:
    folded = visit.go("dashboard").get_by_test_id(part)
    folded.locator("summary").click()
    folded.scroll_into_view_if_needed()


def step_of(text: str) -> int:
    found = re.search(r"step ([\d,]+)", text)
    return int(found[1].replace(",", "")) if found else -1


def test_the_panel_keeps_up_while_it_trains_and_asks_nothing_when_it_is_folded(
    visit: Visit,
) -> None:
    visit.page.evaluate(
        """() => {
            const { postMessage } = MessagePort.prototype;
            window.asked = 0;
            MessagePort.prototype.postMessage = function (message, ...rest) {
                window.asked += JSON.stringify(message).includes("READ_FILTERS");
                return postMessage.call(this, message, ...rest);
            };
        }"""
    )
    key = visit.start(LONG)
    visit.until_step(key, 20)
    assert visit.page.evaluate("() => window.asked") == 0
    unfold(visit, "inside-layers")
    page = visit.page
    expect(page.get_by_test_id("outputs-0")).to_be_visible()
    seen = step_of(page.get_by_test_id("inside-step").inner_text())
    before = painted(visit, "filters-0")
    visit.until(
        lambda: step_of(page.get_by_test_id("inside-step").inner_text()) > seen, "a later step"
    )
    visit.until(lambda: painted(visit, "filters-0") != before, "other weights")
    page.get_by_test_id("inside-layers").locator("summary").click()
    asked = visit.page.evaluate("() => window.asked")
    assert asked >= 2
    # So long that it would have been asked again several times.
    at = visit.hook("operation", key)["timing"]["elapsed_s"]
    visit.until(
        lambda: visit.hook("operation", key)["timing"]["elapsed_s"] > at + 3, "some time to pass"
    )
    assert visit.page.evaluate("() => window.asked") == asked
    visit.hook("stop", key)


def painted(visit: Visit, test_id: str) -> str:
    """What is on a canvas."""
    return str(visit.page.get_by_test_id(test_id).evaluate("canvas => canvas.toDataURL()"))


def test_a_cell_of_the_table_opens_the_examples_behind_it(visit: Visit) -> None:
    key = visit.train({**TINY, "training": {"epochs": 1}})["id"]
    unfold(visit, "inside-answers")
    page = visit.page
    expect(page.get_by_test_id("answers-text")).to_contain_text("of 179 are right")
    found = visit.hook("inspect", key, "confusion", {"part": "test"})
    wrong = max(
        (cell for cell in found["cells"] if cell["label"] != cell["predicted"]),
        key=lambda cell: len(cell["examples"]),
    )
    button = page.get_by_test_id(f"cell-{int(wrong['label']) * 10 + int(wrong['predicted'])}")
    expect(button).to_have_text(str(len(wrong["examples"])))
    button.focus()
    page.keyboard.press("Enter")
    behind_it = page.get_by_test_id("inside-behind").locator("button")
    expect(behind_it).to_have_count(len(wrong["examples"]))
    expect(behind_it.first).to_have_attribute("data-index", str(wrong["examples"][0]))
    worst = page.get_by_test_id("inside-worst").locator("button")
    expect(worst).to_have_count(len(found["worst"]))
    page.get_by_test_id("inside-part").select_option("validation")
    visit.until(
        lambda: page.get_by_test_id("answers-text").inner_text().count("179"), "the other part"
    )
    behind_it.first.or_(worst.first).first.click()
    expect(page.get_by_test_id("inside-layers")).to_have_attribute("open", "")
    expect(page.get_by_test_id("inside-looking")).to_contain_text("The layers look at example")
    expect(page.get_by_test_id("outputs-0")).to_be_visible()


def test_the_layers_look_at_what_is_drawn_in_the_playground(visit: Visit) -> None:
    visit.train(TINY)
    unfold(visit, "inside-layers")
    page = visit.page
    expect(page.get_by_test_id("outputs-3")).to_be_visible()
    page.get_by_test_id("inside-drawing").click()
    expect(page.get_by_test_id("inside-draw")).to_be_visible()
    page.get_by_test_id("inside-draw").click()
    draw(page, "playground-pad", SEVEN)
    visit.go("dashboard")
    expect(page.get_by_test_id("inside-draw")).to_be_hidden()
    page.get_by_test_id("inside-layers").scroll_into_view_if_needed()
    expect(page.get_by_test_id("outputs-0")).to_be_visible()


def test_a_network_of_an_earlier_visit_is_loaded_on_request(visit: Visit) -> None:
    visit.train(TINY)
    visit.open()
    page = visit.go("dashboard")
    page.get_by_test_id("inside-load").click()
    unfold(visit, "inside-layers")
    expect(page.get_by_test_id("outputs-0")).to_be_visible()
    expect(page.get_by_test_id("inside-load")).to_be_hidden()
