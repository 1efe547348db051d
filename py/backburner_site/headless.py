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
    from backburner.core.errors import ConfigurationError  # the rules are the app's
    from backburner.core.recipe import Recipe

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
        Recipe.from_wire(wire)
    except ConfigurationError as error:
        raise BadRecipe(with_key(str(error), error.key)) from error
    assert isinstance(wire, dict), "Recipe.from_wire takes objects only"
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
    """`{operation, history, weights, diagnostics}` of the completed run.

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
        """What the method gives. Raises BadRecipe for a refused recipe, RunFailed for others."""
        answer = self._evaluate(CALL, [method, list(arguments)])
        refusal = answer.get("refusal")
        if refusal is None:
            return answer.get("value")
        words = with_key(str(refusal.get("message")), refusal.get("key"))
        if method == "start":
            raise BadRecipe(words)
        raise RunFailed(f"The page refused {method}: {words}", detail=json.dumps(refusal))


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
    """Starts the recipe, watches it to its end, and collects what came of it."""
    hook.call("ready")
    operation_id = hook.call("start", recipe)["id"]
    while (operation := hook.call("operation", operation_id))["status"] not in FINAL:
        if time.monotonic() > deadline:
            raise RunFailed(
                f"The run did not end within the time that --timeout allows; {words_of(operation)}."
            )
        step.advance(words_of(operation), operation.get("eta_s"))
        time.sleep(POLL_S)
    if operation["status"] != "completed":
        raise RunFailed(f"The run ended: {words_of(operation)}.", detail=json.dumps(operation))
    step.advance(words_of(operation))
    return {
        "operation": hook.call("wait", operation_id),
        "history": hook.call("history", operation_id),
        "weights": hook.call("weights", operation_id),
        "diagnostics": hook.call("diagnostics"),
    }


def words_of(operation: Mapping[str, Any]) -> str:
    """`running, epoch 2 of 5, step 90 of 225, loss 0.412`, with what is known."""
    words = [str(operation.get("status"))]
    for name, total in (("epoch", "epochs"), ("step", "steps")):
        if operation.get(name) is not None and operation.get(total):
            words.append(f"{name} {operation[name]} of {operation[total]}")
    if isinstance(operation.get("loss"), int | float):
        words.append(f"loss {operation['loss']:.4g}")
    error = operation.get("error")
    if error and operation.get("status") == "failed":
        words.append(str(error.get("message", error) if isinstance(error, dict) else error))
    return ", ".join(words)
