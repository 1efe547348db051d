"""What a fine-tuning trains, in words, told before there is a worker; and what came of one."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from backburner.core.errors import ConfigurationError
from backburner.core.fine_tuning import Base, tuned_spec
from backburner.core.fine_tuning_method import Method
from backburner.core.messages import Comparison, Measured, OldAndNew
from backburner.core.texts import Texts


def trainable_words(
    texts: Texts, base: Base, method: Mapping[str, object], classes: Iterable[str]
) -> str:
    """How many weights learn, and how many classes there will be; else why it cannot be.

    A network that reads keeps its characters, whatever the text.
    """
    joined = base.classes if base.is_text else base.joined(classes)
    try:
        spec = tuned_spec(base, Method.from_wire(method), joined)
    except ConfigurationError as error:
        return error.message
    trained = texts.number(spec.trained_count)
    learn = texts("create.trainable", trained=trained, all=texts.number(spec.parameter_count))
    if base.is_text:
        return learn
    return f"{learn} {texts('create.trainable.classes', count=len(joined))}"


def comparison_rows(texts: Texts, comparison: Comparison) -> dict[str, tuple[str, str, str]]:
    """What was asked, and the share that was right before and after, for `old` and `new`.

    A row that has no examples is left out.
    """
    before = comparison.before or OldAndNew(old=None, new=None)
    after = comparison.after or OldAndNew(old=None, new=None)
    pairs = {"old": (before.old, after.old), "new": (before.new, after.new)}
    rows: dict[str, tuple[str, str, str]] = {}
    for name, (first, last) in pairs.items():
        known = first or last
        if known is not None:
            of = texts(f"dashboard.comparison.{name}", count=known.count)
            rows[name] = (of, _share(texts, first), _share(texts, last))
    return rows


def forgotten_words(texts: Texts, comparison: Comparison) -> str:
    """What was forgotten; empty where that is not known."""
    forgotten = comparison.forgotten
    if forgotten is None:
        return ""
    if forgotten == 0:
        return texts("dashboard.comparison.nothing-forgotten")
    share = texts.percent(abs(forgotten))
    better = forgotten < 0
    return texts(f"dashboard.comparison.{'better' if better else 'forgotten'}", share=share)


def _share(texts: Texts, measured: Measured | None) -> str:
    return texts("common.none") if measured is None else texts.percent(measured.accuracy)
