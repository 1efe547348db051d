"""Runs that outlive their page, in the real worker and the browser's own database."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from tests.browser.conftest import SUB_PATH, TINY, Visit

pytestmark = pytest.mark.browser

RECIPE: dict[str, Any] = {**TINY, "training": {"epochs": 600}}

# Speaks to the first worker over the page's own port, beside what the page says itself.
TALK = """() => {
    const { port } = backburnerBoot.first;
    const heard = port.onmessage;
    const waiting = new Map();
    let count = 0;
    globalThis.heardTags = [];
    port.onmessage = (event) => {
        heard(event);
        const said = JSON.parse(event.data.text);
        heardTags.push({ tag: said.tag, operation: said.operation, body: said.body });
        if (said.tag !== "TRAINING_PROGRESS") waiting.get(said.request)?.(said);
    };
    globalThis.tell = (tag, operation, body) => {
        const request = `test-${(count += 1)}`;
        const envelope = { v: 1, tag, generation: 1, request, operation, body };
        const answer = new Promise((resolve) => waiting.set(request, resolve));
        port.postMessage({ text: JSON.stringify(envelope), buffers: [] });
        return answer.then(({ tag, body }) => ({ tag, ...body }));
    };
}"""


class Talk:
    """A conversation with the worker of a visit."""

    def __init__(self, visit: Visit) -> None:
        self.page = visit.page
        self.visit = visit
        self.page.evaluate(TALK)

    def ask(self, tag: str, operation: str | None, **body: Any) -> Any:
        return self.page.evaluate("given => tell(...given)", [tag, operation, body])

    def send(self, tag: str, operation: str | None, **body: Any) -> None:
        self.page.evaluate("given => { tell(...given); }", [tag, operation, body])

    def said(self, tag: str, operation: str) -> list[Any]:
        found: list[Any] = self.page.evaluate(
            """([tag, operation]) => heardTags
                .filter((each) => each.tag === tag && each.operation === operation)
                .map(({ body }) => body)""",
            [tag, operation],
        )
        return found

    def until_checkpoint(self, operation: str, step: int) -> int:
        def reached() -> bool:
            return any(each["step"] >= step for each in self.said("CHECKPOINTED", operation))

        self.visit.until(reached, f"a checkpoint at step {step}")
        return int(self.said("CHECKPOINTED", operation)[-1]["step"])


def finish(visit: Visit, key: str) -> tuple[int, str]:
    """Goes on with a run that this page found; the step that it went on from, and its sha256."""
    visit.until(lambda: "refused" not in visit.hook("operation", key), "the page to find the run")
    visit.hook("resume", key)  # refused where the page goes on by itself
    done = visit.hook("wait", key)
    assert done.get("status") == "completed", done
    assert done["checkpoint"] == done["steps"]
    return done["resumed_at"], visit.hook("weights", key)["sha256"]


def test_a_run_cut_off_by_a_reload_ends_with_the_same_weights(visit: Visit) -> None:
    undisturbed = visit.train(RECIPE)
    expected = visit.hook("weights", undisturbed["id"])["sha256"]

    talk, key = Talk(visit), "op-cut"
    talk.ask("INIT_TRAINING", key, recipe=RECIPE, created=5.0)
    talk.send("START_TRAINING", key)
    safe = talk.until_checkpoint(key, 100)
    visit.page.reload()
    visit.until(lambda: visit.state("backburner") == "ready", "the page to come back")
    step, sha256 = finish(visit, key)
    assert safe <= step < undisturbed["steps"]
    assert sha256 == expected


def test_a_second_tab_takes_a_run_over_and_the_first_can_write_no_more(visit: Visit) -> None:
    expected = visit.hook("weights", visit.train(RECIPE)["id"])["sha256"]
    first = Talk(visit)
    first.ask("INIT_TRAINING", "op-two", recipe=RECIPE, created=5.0)
    first.send("START_TRAINING", "op-two")
    first.until_checkpoint("op-two", 50)

    tab = Visit(visit.page.context.new_page(), visit.url).open()
    step, sha256 = finish(tab, "op-two")
    assert sha256 == expected
    assert step >= 50
    assert first.said("TRAINING_DISPOSSESSED", "op-two")
    assert not [each for each in first.said("CHECKPOINTED", "op-two") if each["step"] > step]
    assert tab.unexpected() == []


def test_a_run_is_kept_with_all_that_was_known_of_it(visit: Visit) -> None:
    talk = Talk(visit)
    ready = talk.ask("INIT_TRAINING", "op-kept", recipe=RECIPE, name="first", created=5.0)
    talk.send("START_TRAINING", "op-kept")
    talk.until_checkpoint("op-kept", 50)
    paused = talk.ask("PAUSE", "op-kept")
    assert paused["checkpoint"] == paused["step"]
    (run,) = [each for each in talk.ask("LIST_RUNS", None)["runs"] if each["id"] == "op-kept"]
    assert (run["status"], run["name"], run["created"]) == ("paused", "first", 5.0)
    assert run["checkpoint"] == run["progress"]["step"] == paused["step"]
    assert (run["backend"], run["mode"]) == ("wasm", "worker")
    assert run["data_sha256"] == ready["data_sha256"]
    stopped = talk.ask("STOP_TRAINING", "op-kept")
    curves = talk.ask("READ_CURVES", "op-kept")
    assert [end["epoch"] for end in curves["epoch_ends"]][:1] == [1]
    assert talk.ask("READ_CURVES", "op-never")["epoch_ends"] == []
    assert talk.ask("STOP_TRAINING", "op-kept", abort=True)["checkpoint"] == stopped["step"]
    assert talk.ask("CLEAR_RUN", "op-kept")["tag"] == "RUN_CLEARED"
    assert talk.ask("LIST_RUNS", None)["runs"] == []
    left = visit.page.workers[0].evaluate(ROWS, SUB_PATH)
    assert {name for name, count in left.items() if count} <= {"backends"}, "which is of no run"


ROWS = """async (path) => {
    const open = (name) => new Promise((resolve) => {
        indexedDB.open(name).onsuccess = ({ target }) => resolve(target.result);
    });
    const database = await open(`backburner:${path}:kitchen`);
    const rows = {};
    for (const name of database.objectStoreNames) {
        rows[name] = await new Promise((resolve) => {
            database.transaction(name).objectStore(name).count().onsuccess =
                ({ target }) => resolve(target.result);
        });
    }
    database.close();
    return rows;
}"""


def test_three_checkpoints_are_kept_under_the_sites_own_path(visit: Visit) -> None:
    visit.train({**TINY, "training": {"epochs": 5}})
    databases = visit.page.evaluate("() => indexedDB.databases()")
    names = [each["name"] for each in databases if each["name"].startswith("backburner:")]
    assert names == [f"backburner:{SUB_PATH}:kitchen"]
    rows = visit.page.workers[0].evaluate(ROWS, SUB_PATH)
    assert rows["checkpoints"] == 3
    assert (rows["runs"], rows["recipes"]) == (1, 1)


def test_without_room_a_training_goes_on_in_memory(
    new_visit: Callable[..., Visit], served: str
) -> None:
    visit = new_visit(served).open()
    origin = "/".join(served.split("/")[:3])
    protocol = visit.page.context.new_cdp_session(visit.page)
    protocol.send("Storage.overrideQuotaForOrigin", {"origin": origin, "quotaSize": 1})
    talk = Talk(visit)
    assert talk.ask("INIT_TRAINING", "op-full", recipe=TINY)["tag"] == "MODEL_READY"
    done = talk.ask("START_TRAINING", "op-full")
    assert (done["tag"], done["checkpoint"]) == ("TRAINING_COMPLETE", None)
    failed = talk.said("CHECKPOINT_FAILED", "op-full")
    assert {each["error"]["name"] for each in failed} == {"StorageFull"}
    # And from the moment that there is room again, runs are kept.
    protocol.send("Storage.overrideQuotaForOrigin", {"origin": origin})
    assert talk.ask("INIT_TRAINING", "op-room", recipe=TINY)["tag"] == "MODEL_READY"
    assert talk.ask("START_TRAINING", "op-room")["checkpoint"] == 90
