"""The commands, as build.py's users type them. Owns arguments and exit codes, and nothing else.

0 done, 1 failed, 2 bad recipe (or a wrong argument), 3 no browser, 130 stopped by Ctrl-C.
"""

import argparse
import json
import sys
from pathlib import Path

from backburner_site import checkout, environment
from backburner_site.bench.workloads import WORKLOADS, Workload, chosen
from backburner_site.errors import HostError
from backburner_site.progress import Progress

STOPPED = 130


def main(arguments: list[str]) -> int:
    """Runs one command and returns the exit code."""
    progress = Progress()
    try:
        return _run(_parse(arguments), progress)
    except HostError as error:
        progress.say(f"build.py: {error}")
        if error.detail:
            progress.say(error.detail)
        return error.exit_code
    except KeyboardInterrupt:
        progress.say("\nStopped")
        return STOPPED


def base_path(text: str) -> str:
    """`/`, `sub` and `/sub/path` as `/`, `/sub/` and `/sub/path/`."""
    inner = text.strip("/")
    if any(part in ("", ".", "..") for part in inner.split("/")) and inner:
        raise argparse.ArgumentTypeError(f"{text!r} is no path; an example is /sub/path/")
    if not inner.isascii() or any(sign in inner for sign in " ?#%\\:"):
        raise argparse.ArgumentTypeError(
            f"{text!r} has signs that a path in an address cannot have"
        )
    return f"/{inner}/" if inner else "/"


def port_number(text: str) -> int:
    """A port from 1 to 65535."""
    if not text.isdecimal() or not 1 <= int(text) <= 65535:
        raise argparse.ArgumentTypeError(f"{text!r} is no port; an example is 8000")
    return int(text)


def seconds(text: str) -> float:
    """A positive number of seconds."""
    try:
        value = float(text)
    except ValueError:
        value = 0.0
    if not 0 < value < 1e9:
        raise argparse.ArgumentTypeError(f"{text!r} is no number of seconds; an example is 600")
    return value


def workloads(text: str) -> tuple[Workload, ...]:
    """`W1,W4`."""
    try:
        return chosen(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from error


def rounds(text: str) -> int:
    """From 1 to 1000."""
    if not text.isdecimal() or not 1 <= int(text) <= 1000:
        raise argparse.ArgumentTypeError(f"{text!r} is no number of rounds; an example is 6")
    return int(text)


def parser() -> argparse.ArgumentParser:
    """What build.py understands."""
    commands = argparse.ArgumentParser(
        prog="build.py", description="Makes, serves and tests the Backburner site."
    )
    subcommands = commands.add_subparsers(dest="command", required=True, metavar="command")

    build = subcommands.add_parser("build", help="make the static site")
    build.add_argument("--out", type=Path, default=checkout.DIST, help="where (dist)")
    build.add_argument("--base", type=base_path, default="/", help="the path it is served under")

    serve = subcommands.add_parser("serve", help="build if stale, and serve")
    serve.add_argument("--host", default="127.0.0.1", help="0.0.0.0 for the whole network")
    serve.add_argument("--port", type=port_number, default=8000, help="the first port to try")
    serve.add_argument("--base", type=base_path, default="/", help="the path to serve it under")
    serve.add_argument("--no-open", action="store_true", help="don't open the browser")

    subcommands.add_parser(
        "test",
        help="run every test, with --soak those that take long as well; further arguments go to "
        "pytest, and then nothing else is run",
    )

    run = subcommands.add_parser("run", help="train a recipe headless; the result is JSON")
    run.add_argument("recipe", type=Path, metavar="RECIPE.json")
    run.add_argument("--json", type=Path, metavar="OUT.json", help="where to (standard output)")
    run.add_argument("--backend", metavar="NAME", help="wasm, webgl, webgpu or cpu")
    run.add_argument("--timeout", type=seconds, default=3600.0, metavar="S", help="seconds (3600)")

    bench = subcommands.add_parser("bench", help="measure training and start, beside others")
    bench.add_argument("--json", type=Path, metavar="OUT.json", help="everything measured")
    bench.add_argument(
        "--workloads",
        type=workloads,
        default=WORKLOADS,
        metavar="W1,W4",
        help="only these (docs/BENCH.md)",
    )
    bench.add_argument(
        "--rounds", type=rounds, default=6, metavar="N", help="how often each has its turn (6)"
    )
    bench.add_argument(
        "--explain", action="store_true", help="list and time every kernel call of our step"
    )

    subcommands.add_parser("check", help="everything that needs no browser: lint, types, tests")
    return commands


def _parse(arguments: list[str]) -> argparse.Namespace:
    # argparse would take `-k name` after `test` for its own; it belongs to pytest.
    for_pytest = arguments[1:] if arguments[:1] == ["test"] else []
    asks_for_help = for_pytest in (["-h"], ["--help"])
    known = arguments[:1] if for_pytest and not asks_for_help else arguments
    options = parser().parse_args(known)
    options.pytest = for_pytest
    return options


def _run(options: argparse.Namespace, progress: Progress) -> int:
    # Imported by the command that needs it: `serve` should not wait for Playwright.
    match options.command:
        case "build":
            from backburner_site.site import build

            build(options.out.absolute(), options.base, progress)
            return 0
        case "serve":
            from backburner_site.serve import serve
            from backburner_site.site import build

            return serve(
                build(checkout.DIST, options.base, progress),
                base=options.base,
                host=options.host,
                port=options.port,
                browse=not options.no_open,
                progress=progress,
            )
        case "test":
            from backburner_site import checks

            return checks.test(options.pytest, progress)
        case "check":
            from backburner_site import checks

            return checks.check(progress)
        case "run":
            return _run_recipe(options, progress)
        case "bench":
            return _run_bench(options, progress)
    raise AssertionError(f"no command {options.command}")


def _run_recipe(options: argparse.Namespace, progress: Progress) -> int:
    from backburner_site import headless
    from backburner_site.browser import find_browser
    from backburner_site.site import build

    recipe = headless.read_recipe(options.recipe)
    _check_writable(options.json)
    environment.ensure("test", "Installing what a headless run needs", progress)
    result = headless.run(
        recipe,
        build(checkout.DIST, "/", progress),
        find_browser(progress),
        backend=options.backend,
        timeout_s=options.timeout,
        progress=progress,
    )
    text = json.dumps(result, indent=1) + "\n"
    if options.json is None:
        sys.stdout.write(text)
    else:
        options.json.write_text(text, encoding="utf-8")
    return 0


def _run_bench(options: argparse.Namespace, progress: Progress) -> int:
    from backburner_site.bench.command import Bench, run
    from backburner_site.browser import find_browser
    from backburner_site.site import build

    _check_writable(options.json)
    environment.ensure("test", "Installing what the benchmarks need", progress)
    bench = Bench(
        options.workloads, rounds=options.rounds, explains=options.explain, progress=progress
    )
    program = find_browser(progress)
    run(bench, build(checkout.DIST, "/", progress), program, options.json)
    return 0


def _check_writable(file: Path | None) -> None:
    # Said before the work instead of after it.
    if file is not None and not file.absolute().parent.is_dir():
        raise HostError(f"{file.parent} is no folder, so --json cannot write there.")
