"""Takes the one `Function(...)` out of PyScript that a strict content-security policy forbids.

PyScript 0.7.31 evaluates it while it prepares its hooks for workers, on every page, even without
a worker. With it the policy would need 'unsafe-eval'; without it 'wasm-unsafe-eval' is enough.
We start no worker through PyScript, so the result is never called; if it ever is, it says so.
"""

import re

from backburner_site.errors import BuildFailed

# The names that the minifier gave are not part of what is looked for.
EVALUATION = re.compile(
    r"return Function\(`return\(w,x\)=>\(\$\{\w+\}\)\(w,x,\.\.\.\[\$\{\w+\}\]\)`\)\(\)"
)
REPLACEMENT = (
    'return()=>{throw new Error("Backburner ships PyScript without hooks for workers: '
    'its content-security policy forbids evaluating them.")}'
)


def without_evaluation(source: str) -> str:
    """PyScript's core with the expression replaced. Raises BuildFailed unless it is there once."""
    patched, count = EVALUATION.subn(lambda _: REPLACEMENT, source)
    if count != 1:
        raise BuildFailed(
            f"PyScript's core holds the expression that must be replaced {count} times instead of "
            "once, so this is another release than the one the build knows. Look for "
            "`Function(` in its core-*.js and bring backburner_site/pyscript_patch.py into line."
        )
    return without_source_map(patched)


def without_source_map(source: str) -> str:
    """Without the comment that makes a browser's tools ask for a map that is not shipped."""
    return re.sub(r"\n//# sourceMappingURL=\S+\s*$", "\n", source)
