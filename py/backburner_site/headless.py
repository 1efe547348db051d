"""`run`: one recipe, trained by the real page in a real browser, its result as JSON.

Drives the page through its public hook only (`window.backburner`, see the contracts). Polls with
`evaluate`: Playwright's own waiting needs 'unsafe-eval', which the page's policy forbids.
"""

import json
import logging
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

from backburner_site.browser import launch_options
from backburner_site.errors import BadRecipe, RunFailed
from backburner_site.progress import Progress, Step
from backburner_site.server import Server

POLL_S = 0.5
START_POLL_S = 0.1
READY_WITHIN_S = 120.0
FINAL = ("completed", "failed", "aborted", "stopped", "interrupted")

STATE = "document.documentElement.dataset.backburner"
# The hook's `ready` waits inside of `evaluate`, which knows no time-out: so it is asked again and
# again. `state` is "starting", "ready" (a worker, or the page's own thread) or "failed".
KITCHEN = """() => Promise.race([
    window.backburner.ready.then(
        ({ mode }) => ({ state: "ready", words: mode }),
        ({ message }) => ({ state: "failed", words: message }),
    ),
    new Promise((resolve) => setTimeout(resolve, 50, { state: "starting", words: "" })),
])"""
DETAIL = "document.getElementById('boot-detail')?.textContent ?? ''"
# A refusal crosses over as a value: Playwright would make one line of text of the error.
CALL = """async ([method, args]) => {
    try {
        const hook = window.backburner;
        const found = hook[method];
        return { value: await (typeof found === "function" ? found.apply(hook, args) : found) };
    } catch (error) {
        const { name, message, key } = error;
        return { refusal: { name, message: message ?? JSON.stringify(error), key } };
    }
}"""


def read_recipe(file: Path) -> dict[str, Any]:
    """The recipe as JSON gave it, after the page's own check. Raises BadRecipe."""
    from backburner.core.chain import chain_from_wire  # the rules are the app's
    from backburner.core.errors import ConfigurationError

    try:
        wire: Any = json.loads(file.read_text(encoding="utf-8"))
    except OSError as error:
        raise BadRecipe(
            f"{file} cannot be read: {error.strerror}. Give the path of a recipe's JSON file."
        ) from error
    except ValueError as error:
        raise BadRecipe(
            f"{file} is not JSON: {error}. Most often a comma or a quotation mark is missing there."
        ) from error
    try:
        chain_from_wire(wire)
    except ConfigurationError as error:
        raise BadRecipe(with_key(str(error), error.key)) from error
    assert isinstance(wire, dict), "a recipe is an object"
    return wire


def with_key(message: str, key: object) -> str:
    """The message with the recipe's key in front, unless it names that anyway."""
    return f"{key}: {message}" if key and str(key) not in message else message


def run(
    recipe: dict[str, Any],
    site: Path,
    program: Path,
    *,
    backend: str | None,
    timeout_s: float,
    progress: Progress,
) -> dict[str, Any]:
    """`{operation, history, weights, examination, diagnostics}` of the completed run.

    Raises RunFailed, or BadRecipe when the page refuses what the host's check let pass.
    """
    from playwright.sync_api import Error, sync_playwright

    deadline = time.monotonic() + timeout_s
    with Server(site) as server, sync_playwright() as playwright, in_words():
        browser = playwright.chromium.launch(**launch_options(program))
        try:
            page = browser.new_page()
            with progress.step("Starting the page") as step:
                hook = open_page(page, server.url + page_query(recipe, backend), deadline, step)
            with progress.step("Running the recipe") as step:
                return drive(hook, recipe, deadline, step)
        finally:
            with suppress(Error):
                browser.close()


@contextmanager
def in_words() -> Iterator[None]:
    """Makes RunFailed of what the browser's driver raises."""
    from playwright.sync_api import Error

    try:
        yield
    except Error as error:
        raise RunFailed(
            "The browser stopped answering. Most often it ran out of memory: try a smaller "
            "model or batch.",
            detail=str(error),
        ) from error
    except KeyboardInterrupt:
        # Ctrl-C reached Playwright's driver too, and asyncio would complain of its end.
        logging.getLogger("asyncio").setLevel(logging.CRITICAL)
        raise


def open_page(page: Any, address: str, deadline: float, step: Step) -> "Hook":
    """Goes to an address of the site; the hook, once the page can train. Raises RunFailed."""
    page_errors: list[str] = []
    page.on("pageerror", lambda error: page_errors.append(str(error)))
    page.on("console", lambda said: page_errors.append(said.text) if said.type == "error" else None)
    page.goto(address)
    wait_until_ready(page.evaluate, page_errors, deadline, step)
    wait_for_kitchen(page.evaluate, page_errors, deadline, step)
    return Hook(page.evaluate)


def page_query(recipe: Mapping[str, Any], backend: str | None) -> str:
    """The seed makes the page deterministic; the backend is the page's choice if not given."""
    asked = {"seed": str(recipe.get("seed", 0))}
    if backend:
        asked["backend"] = backend
    return "?" + urlencode(asked)


Evaluate = Callable[..., Any]


class Hook:
    """`window.backburner`, called from here."""

    def __init__(self, evaluate: Evaluate) -> None:
        self._evaluate = evaluate

    def call(self, method: str, *arguments: Any) -> Any:
        """What the method gives. Raises BadRecipe for a refused recipe, HookRefused for others."""
        answer = self._evaluate(CALL, [method, list(arguments)])
        refusal = answer.get("refusal")
        if refusal is None:
            return answer.get("value")
        words = with_key(str(refusal.get("message")), refusal.get("key"))
        if method == "start":
            raise BadRecipe(words)
        raise HookRefused(f"The page refused {method}: {words}", refusal)


class HookRefused(RunFailed):
    """The page refused what it was asked; `key` is what was wrong with it, where it says so."""

    def __init__(self, message: str, refusal: Mapping[str, Any]) -> None:
        super().__init__(message, detail=json.dumps(refusal))
        self.key = refusal.get("key")


def wait_until_ready(
    evaluate: Evaluate, page_errors: list[str], deadline: float, step: Step
) -> None:
    """Returns when page and hook can be used. Raises RunFailed."""
    limit = min(deadline, time.monotonic() + READY_WITHIN_S)
    while (state := evaluate(STATE)) != "ready":
        if state == "error":
            raise RunFailed(
                f"The page could not start: {evaluate(DETAIL) or 'it did not say why'}",
                detail="\n".join(page_errors),
            )
        if time.monotonic() > limit:
            raise RunFailed(
                f"The page was not ready in time (its state is {state!r}). Most often the machine "
                "is busy, or a script of the page failed; what the page said stands below.",
                detail="\n".join(page_errors),
            )
        step.advance(str(state or "loading"))
        time.sleep(START_POLL_S)


def wait_for_kitchen(
    evaluate: Evaluate, page_errors: list[str], deadline: float, step: Step
) -> None:
    """Returns when the page can train, in a worker or without one. Raises RunFailed."""
    while (found := evaluate(KITCHEN))["state"] != "ready":
        if found["state"] == "failed":
            raise RunFailed(
                f"The page cannot train, neither in a worker nor without one. {found['words']}",
                detail="\n".join(page_errors),
            )
        if time.monotonic() > deadline:
            raise RunFailed(
                "The page's worker did not start within the time that --timeout allows. Most "
                "often the machine is busy: allow more seconds.",
                detail="\n".join(page_errors),
            )
        step.advance("Python and TensorFlow.js in the worker")
        time.sleep(START_POLL_S)


def drive(hook: Hook, recipe: dict[str, Any], deadline: float, step: Step) -> dict[str, Any]:
    """Starts the recipe, watches it and what follows it to the end, and collects what came of it.

    `operation` and what belongs to it are of the last one, `operations` are all in their order.
    """
    hook.call("ready")
    started = hook.call("start", recipe)
    ids = [started["id"], *started.get("then", [])]
    operations = [
        watch(hook, key, deadline, step, place=f"{at} of {len(ids)}" if len(ids) > 1 else "")
        for at, key in enumerate(ids, start=1)
    ]
    operation = operations[-1]
    trains = operation.get("kind") != "generate"
    return {
        "operation": operation,
        "operations": operations,
        "history": hook.call("history", operation["id"]) if trains else None,
        "weights": hook.call("weights", operation["id"]) if trains else None,
        "examination": examine(hook, operation),
        "diagnostics": hook.call("diagnostics"),
    }


def watch(hook: Hook, key: str, deadline: float, step: Step, *, place: str) -> dict[str, Any]:
    """An operation as it is once it is completed. Raises RunFailed when it ends otherwise."""
    operation: dict[str, Any]
    while (operation := hook.call("operation", key))["status"] not in FINAL:
        words = words_of(operation, place)
        if time.monotonic() > deadline:
            raise RunFailed(f"The run did not end within the time that --timeout allows; {words}.")
        step.advance(words, operation.get("eta_s"))
        time.sleep(POLL_S)
    words = words_of(operation, place)
    if operation["status"] != "completed":
        raise RunFailed(f"The run ended: {words}.", detail=json.dumps(operation))
    step.advance(words)
    return operation


def examine(hook: Hook, operation: Mapping[str, Any]) -> dict[str, Any] | None:
    """What the model makes of the test part; None without one, and for a model of texts."""
    if operation.get("test") is None:
        return None
    try:
        found: dict[str, Any] = hook.call("inspect", operation["id"], "confusion", {"part": "test"})
    except HookRefused as refused:
        if refused.key == "what":
            return None
        raise
    return found


def words_of(operation: Mapping[str, Any], place: str = "") -> str:
    """`running, epoch 2 of 5, step 90 of 225, loss 0.412`, with what is known.

    Of one of several, with its `place`: `fine-tune 2 of 3 (on my drawings) running, …`.
    """
    status = str(operation.get("status"))
    if place:
        name = f" ({operation['name']})" if operation.get("name") else ""
        status = f"{operation.get('kind', 'operation')} {place}{name} {status}"
    words = [status]
    steps = "character" if operation.get("kind") == "generate" else "step"
    if steps == "character" and operation.get("steps"):
        words.append(f"character {operation['step']} of {operation['steps']}")
    for name, total in (("epoch", "epochs"), ("step", "steps")):
        if name == "step" and steps != "step":
            continue
        if operation.get(name) is not None and operation.get(total):
            words.append(f"{name} {operation[name]} of {operation[total]}")
    if isinstance(operation.get("loss"), int | float):
        words.append(f"loss {operation['loss']:.4g}")
    error = operation.get("error")
    if error and operation.get("status") == "failed":
        words.append(str(error.get("message", error) if isinstance(error, dict) else error))
    return ", ".join(words)
