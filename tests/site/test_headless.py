"""`run`: what a recipe's fate means for the exit code, without a browser."""

import json
import time
from pathlib import Path
from typing import Any

import pytest

from backburner_site import command_line, headless
from backburner_site.errors import BadRecipe, RunFailed
from backburner_site.progress import Step

FINISHED = {"id": "a", "status": "completed", "epoch": 5, "epochs": 5, "loss": 0.1}


class FakePage:
    """Answers as the hook in the page does; `operations` are given one after the other."""

    def __init__(
        self, operations: list[dict[str, Any]], refusal: object = None, *, inside: object = None
    ) -> None:
        self.operations = operations
        self.refusal = refusal
        self.inside = inside or {"value": {"part": "test"}}
        self.calls: list[str] = []
        self.started: dict[str, Any] = {"id": "a"}

    def evaluate(self, script: str, asked: list[Any]) -> dict[str, Any]:
        method, _ = asked
        self.calls.append(method)
        if method == "start" and self.refusal:
            return {"refusal": self.refusal}
        values = {"ready": {}, "start": self.started, "wait": FINISHED}
        if method == "inspect":
            return self.inside  # type: ignore[return-value]
        if method == "operation":
            return {"value": self.operations.pop(0)}
        return {"value": values.get(method, {method: "here"})}


@pytest.fixture(autouse=True)
def _no_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(headless, "POLL_S", 0)
    monkeypatch.setattr(headless, "START_POLL_S", 0)


def drive(page: FakePage, timeout_s: float = 60) -> dict[str, Any]:
    deadline = time.monotonic() + timeout_s
    return headless.drive(headless.Hook(page.evaluate), {"recipe": 1}, deadline, Step("run"))


def write(folder: Path, content: str) -> str:
    file = folder / "recipe.json"
    file.write_text(content)
    return str(file)


@pytest.mark.parametrize(
    "content",
    [
        "{",
        "[]",
        "{}",
        '{"recipe": 2}',
        '{"recipe": 1, "training": {"epochs": -1}}',
        '{"recipe": 1, "training": {"batch_size": 5000}}',
        '{"recipe": 1, "then": [{"recipe": 1, "kind": "fine-tune"}]}',
        '{"recipe": 1, "model": {"from": "abc"}}',
    ],
    ids=[
        "no json",
        "no object",
        "no version",
        "a later version",
        "a bad value",
        "a batch larger than the data",
        "a bad chain",
        "a network that is not here",
    ],
)
def test_a_bad_recipe_ends_with_2_before_anything_is_started(
    tmp_path: Path, content: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert command_line.main(["run", write(tmp_path, content)]) == 2
    said = capsys.readouterr()
    assert said.out == ""
    assert said.err.startswith("build.py: ")


def test_a_missing_recipe_ends_with_2(tmp_path: Path) -> None:
    assert command_line.main(["run", str(tmp_path / "none.json")]) == 2


def test_a_bad_value_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    recipe = {"recipe": 1, "training": {"learning_rate": 0}}
    command_line.main(["run", write(tmp_path, json.dumps(recipe))])
    assert "training.learning_rate" in capsys.readouterr().err


def test_a_json_folder_that_is_not_there_is_said_before_the_training(tmp_path: Path) -> None:
    recipe = write(tmp_path, '{"recipe": 1}')
    assert command_line.main(["run", recipe, "--json", str(tmp_path / "no" / "out.json")]) == 1


def test_a_good_recipe_is_read_as_it_stands(tmp_path: Path) -> None:
    assert headless.read_recipe(Path(write(tmp_path, '{"recipe": 1, "seed": 7}'))) == {
        "recipe": 1,
        "seed": 7,
    }


def test_a_completed_run_gives_its_parts() -> None:
    page = FakePage([{"status": "queued"}, {"status": "running", "eta_s": 3}, FINISHED])
    assert drive(page) == {
        "operation": FINISHED,
        "operations": [FINISHED],
        "history": {"history": "here"},
        "weights": {"weights": "here"},
        "examination": None,
        "diagnostics": {"diagnostics": "here"},
    }


def test_a_run_with_a_test_part_is_examined_on_it() -> None:
    tested = {**FINISHED, "test": {"loss": 0.1, "accuracy": 1.0}}
    assert drive(FakePage([tested]))["examination"] == {"part": "test"}
    no_matrix = {"refusal": {"name": "DataError", "message": "No table.", "key": "what"}}
    assert drive(FakePage([tested], inside=no_matrix))["examination"] is None
    with pytest.raises(RunFailed, match="inspect"):
        drive(FakePage([tested], inside={"refusal": {"name": "WorkerLost", "message": "Gone."}}))


def test_a_chain_is_watched_to_its_end_and_gives_all_its_operations() -> None:
    second = {**FINISHED, "id": "b"}
    page = FakePage([{"status": "running"}, FINISHED, {"status": "queued"}, second])
    page.started = {"id": "a", "then": ["b"]}
    found = drive(page)
    assert [each["id"] for each in found["operations"]] == ["a", "b"]
    assert found["operation"]["id"] == "b"


def test_a_chain_of_which_one_fails_is_a_failure_that_names_it() -> None:
    page = FakePage([FINISHED, {"status": "failed", "kind": "fine-tune", "name": "mine"}])
    page.started = {"id": "a", "then": ["b", "c"]}
    with pytest.raises(RunFailed, match=r"fine-tune 2 of 3 \(mine\) failed"):
        drive(page)


def test_a_text_is_told_in_characters() -> None:
    at = {"status": "running", "kind": "generate", "step": 12, "steps": 200, "epoch": 0}
    assert headless.words_of(at) == "running, character 12 of 200"


@pytest.mark.parametrize("status", ["failed", "aborted", "stopped", "interrupted"])
def test_a_run_that_ends_otherwise_is_a_failure_that_names_its_end(status: str) -> None:
    with pytest.raises(RunFailed, match=status):
        drive(FakePage([{"status": status}]))


def test_a_run_that_takes_too_long_is_a_failure() -> None:
    with pytest.raises(RunFailed, match="--timeout"):
        drive(FakePage([{"status": "running"}] * 2), timeout_s=0)


def test_a_recipe_that_the_page_refuses_is_a_bad_recipe() -> None:
    refusal = {"name": "RecipeError", "message": "there is no such operation", "key": "model.from"}
    with pytest.raises(BadRecipe, match=r"model\.from: there is no such operation"):
        drive(FakePage([], refusal))


def test_the_seed_and_the_backend_go_into_the_address() -> None:
    assert headless.page_query({"recipe": 1, "seed": 7}, None) == "?seed=7"
    assert headless.page_query({"recipe": 1}, "cpu") == "?seed=0&backend=cpu"


def test_a_page_that_cannot_start_says_why() -> None:
    answers = {headless.STATE: "error", headless.DETAIL: "no WebAssembly here"}
    with pytest.raises(RunFailed, match="no WebAssembly here"):
        headless.wait_until_ready(answers.get, [], time.monotonic() + 60, Step("start"))


def test_a_page_that_never_gets_ready_shows_what_it_said() -> None:
    with pytest.raises(RunFailed) as failure:
        headless.wait_until_ready(lambda _: "booting", ["404"], time.monotonic(), Step("start"))
    assert failure.value.detail == "404"


class StartingPage:
    """Its kitchen goes through `states`, and stays in the last of them."""

    def __init__(self, *states: str, words: str = "") -> None:
        self.states = list(states)
        self.words = words

    def evaluate(self, script: str) -> dict[str, str]:
        assert script == headless.KITCHEN
        state = self.states.pop(0) if len(self.states) > 1 else self.states[0]
        return {"state": state, "words": self.words}


def wait_for_kitchen(page: StartingPage, timeout_s: float = 60) -> None:
    deadline = time.monotonic() + timeout_s
    headless.wait_for_kitchen(page.evaluate, ["404"], deadline, Step("start"))


def test_a_worker_that_takes_a_while_is_waited_for() -> None:
    page = StartingPage("starting", "starting", "ready")
    wait_for_kitchen(page)
    assert page.states == ["ready"]


def test_a_page_that_cannot_train_ends_the_run_with_its_words() -> None:
    page = StartingPage("starting", "failed", words='no backend "abacus" here')
    with pytest.raises(RunFailed, match='no backend "abacus" here') as failure:
        wait_for_kitchen(page)
    assert failure.value.detail == "404"


def test_a_worker_that_never_starts_is_not_waited_for_beyond_the_timeout() -> None:
    with pytest.raises(RunFailed, match="--timeout") as failure:
        wait_for_kitchen(StartingPage("starting"), timeout_s=0)
    assert failure.value.detail == "404"
