"""What a fine-tuning did to a network: before and after, on the same test examples."""

from __future__ import annotations

from backburner.core.operation import Operation
from backburner.core.texts import Texts
from backburner.core.tuning_words import comparison_rows, forgotten_words
from backburner.views.written import Written


class ComparisonPanel:
    """Shown once it is known how the network did afterwards."""

    def __init__(self, texts: Texts) -> None:
        self._texts = texts
        self._written = Written()

    def draw(self, operation: Operation | None) -> None:
        found = operation.comparison if operation else None
        is_known = found is not None and found.after is not None
        self._written.shown("comparison-panel", is_known)
        if operation is None or found is None or not is_known:
            return
        texts = self._texts
        rows = comparison_rows(texts, found)
        for name in ("old", "new"):
            self._written.shown(f"comparison-{name}", name in rows)
            for place, words in zip(("of", "before", "after"), rows.get(name, ()), strict=False):
                self._written.text(f"comparison-{name}-{place}", words)
        self._written.text("comparison-forgotten", forgotten_words(texts, found))
        trained, count = operation.trained_parameters, operation.parameters
        self._written.text(
            "comparison-count",
            ""
            if trained is None or count is None
            else texts(
                "dashboard.comparison.count",
                trained=texts.number(trained),
                all=texts.number(count),
            ),
        )
