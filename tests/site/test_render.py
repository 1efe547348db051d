"""Pages: the strict policy, escaped values, and no name left undefined."""

import re
from pathlib import Path

import pytest

from backburner.core.texts import Texts
from backburner_site import checkout
from backburner_site.errors import BuildFailed
from backburner_site.render import FIRST_STYLES, join_styles, policy, render_pages


def templates(folder: Path, **pages: str) -> Path:
    for name, text in pages.items():
        (folder / f"{name}.html").write_text(text)
    return folder


def test_the_policy_allows_no_other_origin_and_no_evaluation() -> None:
    text = policy()
    assert text.startswith("default-src 'none'; ")
    assert "script-src 'self' 'wasm-unsafe-eval';" in text
    assert "worker-src blob:" in text
    assert "http" not in text
    assert "'unsafe-eval'" not in text
    assert "'unsafe-inline'" not in text


def test_values_are_escaped(tmp_path: Path) -> None:
    render_pages(templates(tmp_path, index="{{ word }}"), tmp_path, {"word": "<b>"})
    assert (tmp_path / "index.html").read_text() == "&lt;b&gt;"


def test_parts_of_pages_are_no_pages(tmp_path: Path) -> None:
    pages = templates(tmp_path, index="{% include '_part.html' %}", _part="part")
    (tmp_path / "out").mkdir()
    assert render_pages(pages, tmp_path / "out", {}) == ["index.html"]
    assert [file.name for file in (tmp_path / "out").iterdir()] == ["index.html"]


@pytest.mark.parametrize("text", ["\n{{ wrod }}", "\n{% if %}"])
def test_a_wrong_template_is_named(tmp_path: Path, text: str) -> None:
    with pytest.raises(BuildFailed, match=r"index\.html"):
        render_pages(templates(tmp_path, index=text), tmp_path, {"word": "x"})


def test_a_site_without_a_page_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BuildFailed, match=r"no index\.html"):
        render_pages(tmp_path, tmp_path, {})


def test_a_text_that_is_not_in_the_catalogue_stops_the_build(tmp_path: Path) -> None:
    pages = templates(tmp_path, index='\n{{ t("create.trian") }}')
    with pytest.raises(BuildFailed, match=r"create\.trian"):
        render_pages(pages, tmp_path, {"t": Texts("en", {}, strict=True)})


def test_styles_are_joined_with_what_others_build_on_first(tmp_path: Path) -> None:
    for name in ("a_view.css", *reversed(FIRST_STYLES)):
        (tmp_path / name).write_text(f"/* {name} */")
    join_styles(tmp_path, tmp_path / "out" / "all.css")
    joined = (tmp_path / "out" / "all.css").read_text().split("\n")
    assert joined == [f"/* {name} */" for name in (*FIRST_STYLES, "a_view.css")]


def test_no_style_asks_for_a_file_and_every_colour_is_a_token() -> None:
    styles = checkout.SITE / "styles"
    for file in styles.glob("*.css"):
        text = file.read_text(encoding="utf-8")
        assert "url(" not in text
        assert "@import" not in text
        if file.name != "tokens.css":
            assert not re.search(r"#[0-9a-f]{3,8}\b(?![^{]*\{)|rgb\(|hsl\(", text), file.name
