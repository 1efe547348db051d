"""The one expression that the content-security policy forbids is replaced, or the build fails."""

import pytest

from backburner_site.errors import BuildFailed
from backburner_site.pyscript_patch import without_evaluation, without_source_map

EXPRESSION = "return Function(`return(w,x)=>(${r})(w,x,...[${s}])`)()"


def core(*expressions: str) -> str:
    return f"const jo=(e,t)=>{{{';'.join(expressions)}}};\n//# sourceMappingURL=core-C9.js.map"


def test_the_expression_becomes_one_that_says_why_it_is_gone() -> None:
    patched = without_evaluation(core(EXPRESSION))
    assert "Function(" not in patched
    assert "content-security policy" in patched


def test_other_minified_names_are_recognised() -> None:
    renamed = EXPRESSION.replace("${r}", "${aB}").replace("${s}", "${c2}")
    assert "Function(" not in without_evaluation(core(renamed))


@pytest.mark.parametrize("count", [0, 2])
def test_anything_but_one_expression_fails_the_build(count: int) -> None:
    with pytest.raises(BuildFailed, match=f"{count} times instead of once"):
        without_evaluation(core(*[EXPRESSION] * count))


def test_the_source_map_that_is_not_shipped_is_not_asked_for() -> None:
    assert without_source_map(core("a")) == "const jo=(e,t)=>{a};\n"
    assert without_source_map("a = 1\n") == "a = 1\n"
