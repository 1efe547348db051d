"""Renders the pages from their templates and copies what needs no rendering.

Owns the content-security policy. It stands in a <meta> element, so it needs no headers; the
worker is bound by it too, because it is started from a blob of this origin.
"""

import shutil
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined, TemplateError

from backburner.core.texts import MissingText
from backburner_site import checkout
from backburner_site.errors import BuildFailed

POLICY = {
    "default-src": "'none'",
    "script-src": "'self' 'wasm-unsafe-eval'",
    "worker-src": "blob:",
    "connect-src": "'self'",
    "style-src": "'self'",
    "img-src": "'self' data: blob:",
    "base-uri": "'none'",
    "form-action": "'none'",
}

# {folder of the checkout: (folder of the site, which files)}
COPIED = {
    checkout.SITE / "scripts": ("scripts", (".mjs", ".js", ".json")),
    checkout.SITE / "icons": ("icons", (".svg", ".png", ".ico")),
    checkout.WORKERS: ("workers", (".js", ".mjs")),
}


STYLES = "styles/backburner.css"
FIRST_STYLES = ("tokens.css", "base.css", "controls.css")


def policy() -> str:
    """The content-security policy as one line."""
    return "; ".join(f"{directive} {sources}" for directive, sources in POLICY.items())


def copy_own_files(dist: Path) -> None:
    """Copies scripts, icons and workers, and joins the styles."""
    join_styles(checkout.SITE / "styles", dist / STYLES)
    for source, (folder, endings) in COPIED.items():
        for file in sorted(source.rglob("*")):
            if file.is_file() and file.suffix in endings:
                target = dist / folder / file.relative_to(source)
                target.parent.mkdir(parents=True, exist_ok=True)
                shutil.copyfile(file, target)


def join_styles(styles: Path, target: Path) -> None:
    """One style sheet of all: what the others build on first, then one file a view, by name."""
    rest = sorted(file.name for file in styles.glob("*.css") if file.name not in FIRST_STYLES)
    texts = [(styles / name).read_text(encoding="utf-8") for name in (*FIRST_STYLES, *rest)]
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_text("\n".join(texts), encoding="utf-8")


def render_pages(templates: Path, dist: Path, context: dict[str, Any]) -> list[str]:
    """Renders each *.html (those with a leading underscore are parts of others).

    Returns the names of the pages. Raises BuildFailed when a template is wrong or uses a name
    that it is not given.
    """
    jinja = Environment(
        loader=FileSystemLoader(templates),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    pages = [file.name for file in sorted(templates.glob("[!_]*.html"))]
    if "index.html" not in pages:
        raise BuildFailed(f"There is no index.html in {templates.name}, so there is no page.")
    for page in pages:
        try:
            text = jinja.get_template(page).render(context)
        except MissingText as error:
            raise BuildFailed(
                f"The template {page} uses a text that is not there. {error} "
                "Texts stand in site/locale/, one file an area and language."
            ) from error
        except TemplateError as error:
            line = getattr(error, "lineno", None)
            place = f"{page}, line {line}" if line else page
            raise BuildFailed(
                f"The template {place} cannot be rendered: {error}. "
                f"Templates are given: {', '.join(sorted(context))}."
            ) from error
        (dist / page).write_text(text, encoding="utf-8")
    return pages
