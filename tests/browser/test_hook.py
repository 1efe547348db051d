"""`window.backburner` and the page state: the contract for tests and tools."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from tests.browser.conftest import LONG, TINY, Visit
from tests.browser.states import DIVERGING

pytestmark = pytest.mark.browser

WHITE = [[[0.0]] * 8 for _ in range(8)]


def inline(inputs: list[Any], labels: list[str]) -> dict[str, Any]:
    """A recipe that brings its own examples."""
    return {
        "recipe": 1,
        "data": {"source": "inline", "inputs": inputs, "labels": labels},
        "model": {"layers": [{"type": "flatten"}]},
        "training": {"batch_size": 2},
    }


def test_ready_says_what_was_promised(visit: Visit) -> None:
    ready = visit.ready()
    assert {"version", "hook", "mode", "backend", "kernels", "boot"} <= set(ready)
    assert (ready["hook"], ready["mode"], ready["backend"]) == (1, "worker", "wasm")
    assert {"python", "page", "worker_python", "worker_ready"} <= set(ready["boot"])
    for name, value in {
        "backburner": "ready",
        "worker": "ready",
        "mode": "worker",
        "backend": "wasm",
        "version": ready["version"],
    }.items():
        assert visit.state(name) == value


def test_one_recipe_gives_the_same_weights_and_predictions_change_nothing(visit: Visit) -> None:
    recipe = {**TINY, "training": {"epochs": 200}}
    first = visit.train(recipe)
    second = visit.start(recipe)
    asked = 0
    while visit.hook("operation", second)["status"] in ("queued", "initializing", "running"):
        answer = visit.hook("predict", second, WHITE)
        asked += "probabilities" in answer
    assert asked > 3
    weights = [visit.hook("weights", key)["sha256"] for key in (first["id"], second)]
    assert weights[0] == weights[1]
    other = visit.train({**recipe, "seed": 8})
    assert visit.hook("weights", other["id"])["sha256"] != weights[0]


def test_a_paused_and_resumed_training_ends_with_the_same_weights(visit: Visit) -> None:
    recipe = {**TINY, "training": {"epochs": 100}}
    undisturbed = visit.train(recipe)
    key = visit.start(recipe)
    visit.until_step(key, 3)
    assert visit.hook("pause", key)["status"] == "paused"
    assert visit.hook("resume", key)["status"] == "running"
    assert visit.hook("wait", key)["status"] == "completed"
    hashes = {visit.hook("weights", each)["sha256"] for each in (undisturbed["id"], key)}
    assert len(hashes) == 1


@pytest.fixture(scope="module")
def trained(shared_visit: Visit) -> str:
    """The id of a trained network in the shared page."""
    return str(shared_visit.train(TINY)["id"])


def test_a_prediction_adds_up_to_one(shared_visit: Visit, trained: str) -> None:
    answer = shared_visit.hook("predict", trained, WHITE)
    assert sum(answer["probabilities"]) == pytest.approx(1.0, abs=1e-5)
    assert answer["confidence"] == max(answer["probabilities"])
    assert answer["label"] == str(answer["probabilities"].index(answer["confidence"]))


@pytest.mark.parametrize(
    "example",
    [[], [[0.5]], [[0.0] * 8] * 7, "seven", None, [[["a"]] * 8] * 8, [[float("nan")] * 8] * 8],
    ids=["empty", "one", "seven rows", "text", "nothing", "letters", "not a number"],
)
def test_an_example_of_the_wrong_shape_is_refused(
    shared_visit: Visit, trained: str, example: Any
) -> None:
    refused = shared_visit.hook("predict", trained, example)["refused"]
    assert refused["name"] == "DataError"
    assert "example to predict" in refused["message"]
    assert shared_visit.hook("diagnostics")["worker_alive"]


def test_weights_are_named_and_hashed(shared_visit: Visit, trained: str) -> None:
    weights = shared_visit.hook("weights", trained)
    assert len(weights["sha256"]) == 64
    assert [each["name"] for each in weights["tensors"]][:2] == ["conv2d_1/kernel", "conv2d_1/bias"]
    assert weights["tensors"][0]["shape"] == [3, 3, 1, 8]


def test_a_second_training_waits_and_both_end(visit: Visit) -> None:
    first, second = visit.start(TINY), visit.start(TINY)
    assert visit.hook("operation", second)["status"] == "queued"
    assert visit.hook("wait", second)["status"] == "completed"
    assert visit.hook("operation", first)["status"] == "completed"


def test_wait_rejects_with_the_snapshot_of_another_ending(visit: Visit) -> None:
    key = visit.start(LONG)
    visit.until_step(key, 3)
    visit.page.evaluate(
        "key => { window.waited = backburner.wait(key).catch((snapshot) => snapshot); }", key
    )
    assert visit.hook("stop", key)["status"] == "stopped"
    assert visit.page.evaluate("() => window.waited")["status"] == "stopped"


def test_tools_hear_of_operations_by_events(visit: Visit) -> None:
    visit.page.evaluate(
        """() => {
            window.heard = [];
            addEventListener("backburner:operation", ({ detail }) => heard.push(detail.status));
            addEventListener("backburner:error", ({ detail }) => heard.push(detail.name));
        }"""
    )
    visit.train(TINY)
    heard = visit.page.evaluate("() => window.heard")
    in_order = list(dict.fromkeys(heard))
    assert in_order == ["queued", "initializing", "running", "completed"] or in_order == [
        "initializing",
        "running",
        "completed",
    ]
    visit.hook("wait", visit.start(DIVERGING))
    assert "TrainingDiverged" in visit.page.evaluate("() => window.heard")


@pytest.mark.parametrize(
    ("recipe", "key"),
    [
        (None, None),
        ([], None),
        ({}, "recipe"),
        ({"recipe": 2}, "recipe"),
        ({"recipe": 1, "lerning": {}}, "lerning"),
        ({"recipe": 1, "kind": "bake"}, "kind"),
        ({"recipe": 1, "training": {"learning_rate": 0}}, "training.learning_rate"),
        ({"recipe": 1, "training": {"learning_rate": -1}}, "training.learning_rate"),
        ({"recipe": 1, "training": {"learning_rate": float("inf")}}, "training.learning_rate"),
        ({"recipe": 1, "training": {"learning_rate": float("nan")}}, "training.learning_rate"),
        ({"recipe": 1, "training": {"epochs": 0}}, "training.epochs"),
        ({"recipe": 1, "training": {"epochs": None}}, "training.epochs"),
        ({"recipe": 1, "training": {"batch_size": -3}}, "training.batch_size"),
        ({"recipe": 1, "model": {"layers": []}}, "model.layers"),
        ({"recipe": 1, "model": {"layers": [{"type": "conv3d"}]}}, "model.layers[0].type"),
        (
            {
                "recipe": 1,
                "model": {"layers": [{"type": "conv2d", "filters": 4, "kernel_size": 9}]},
            },
            "model.layers[0]",
        ),
        (
            {"recipe": 1, "model": {"layers": [{"type": "flatten"}], "output": "given"}},
            "model.layers[0]",
        ),
        ({**TINY, "training": {"batch_size": 5_000}}, "training.batch_size"),
        (inline([[[float(n)]] for n in range(12)], ["a"] * 11 + ["b"]), "data.split"),
    ],
)
def test_a_recipe_that_cannot_work_is_refused_by_key(
    shared_visit: Visit, recipe: object, key: str | None
) -> None:
    before = shared_visit.hook("operations")
    refused = shared_visit.hook("start", recipe)["refused"]
    assert refused.get("key") == key
    assert refused["name"] in ("RecipeError", "LayerError", "DataError")
    assert len(refused["message"]) > 40
    assert shared_visit.hook("operations") == before


def test_what_only_the_worker_can_see_fails_in_words_and_it_lives_on(shared_visit: Visit) -> None:
    failed = shared_visit.hook("wait", shared_visit.start(DIVERGING))["refused"]
    assert failed["status"] == "failed"
    assert "smaller learning rate" in failed["error"]["message"]
    assert shared_visit.train(TINY)["status"] == "completed"
    assert shared_visit.hook("diagnostics")["workers_started"] == 1


def test_a_failure_of_an_earlier_visit_is_no_news(visit: Visit) -> None:
    failed = visit.hook("wait", visit.start(DIVERGING))["refused"]
    assert failed["recipe"]["data"]["examples"] == 40
    assert [each["name"] for each in visit.hook("diagnostics")["errors"]] == ["TrainingDiverged"]
    visit.open()
    assert visit.hook("operation", failed["id"])["status"] == "failed"
    assert visit.hook("diagnostics")["errors"] == []


def test_unknown_ids_are_refused(shared_visit: Visit) -> None:
    for method in ("operation", "wait", "stop", "pause", "resume", "history", "weights", "predict"):
        refused = shared_visit.hook(method, "op-nobody")["refused"]
        assert refused["name"] == "InterfaceError"
        assert shared_visit.hook(method)["refused"]["key"] == "id"


def test_what_a_method_does_not_ask_for_is_passed_over_as_usual(shared_visit: Visit) -> None:
    assert isinstance(shared_visit.hook("operations", 1, [2], {"three": 3}), list)


def test_a_recipe_that_holds_itself_is_refused_in_words(shared_visit: Visit) -> None:
    refused = shared_visit.page.evaluate(
        "() => { const ring = { recipe: 1 }; ring.name = ring;"
        " return window.backburner.start(ring).catch((refused) => refused); }"
    )
    assert refused["name"] == "InterfaceError"
    assert "holds itself" in refused["message"]


def test_wishes_in_one_moment_are_never_laid_to_another_tab(visit: Visit) -> None:
    visit.ready()
    # All in one script: it must still be in the queue, because what is under way is not cleared.
    answers = visit.page.evaluate(
        "async (recipe) => { const { id } = await window.backburner.start(recipe);"
        " return (await Promise.allSettled(['stop', 'clear', 'clear']"
        ".map((method) => window.backburner[method](id)))).map((each) => each.reason?.message); }",
        LONG,
    )
    assert not any("another tab" in (each or "") for each in answers), answers
    assert visit.hook("operations") == []


def test_the_seed_of_the_address_is_the_default(
    new_visit: Callable[..., Visit], served: str
) -> None:
    visit = new_visit(served).open("?seed=42")
    assert visit.page.get_by_test_id("seed").input_value() == "42"
    recipe = {"recipe": 1, "model": {"preset": "tiny"}, "training": {"epochs": 1}}
    assert visit.train(recipe)["recipe"]["seed"] == 42
    assert visit.train({**recipe, "seed": 5})["recipe"]["seed"] == 5


def test_another_backend_can_be_asked_for(new_visit: Callable[..., Visit], served: str) -> None:
    visit = new_visit(served).open("?backend=cpu")
    assert visit.ready()["backend"] == "cpu"
    assert visit.state("backend") == "cpu"
    recipe = {**TINY, "training": {"epochs": 1, "batch_size": 256}}
    assert visit.train(recipe)["backend"] == "cpu"


def test_a_backend_that_is_not_there_is_said_plainly(
    new_visit: Callable[..., Visit], served: str
) -> None:
    visit = new_visit(served)
    visit.expected.append("abacus")
    visit.open("?backend=abacus")
    visit.until(
        lambda: visit.hook("diagnostics")["worker_status"] == "lost", "the page to give up, too"
    )
    visit.until(lambda: "abacus" in visit.page.get_by_test_id("fallback").inner_text(), "the words")
    assert visit.state("worker") == "failed"
    assert visit.hook("diagnostics")["workers_started"] == 1
