"""Who has its turn, and which rounds count."""

from __future__ import annotations

import io

import pytest

from backburner_site.bench.contest import Contest, Turns
from backburner_site.bench.workloads import WORKLOADS, chosen
from backburner_site.errors import RunFailed
from backburner_site.progress import Progress, Step
from tests.site.bench.makers import FakeContestant, result

ONE = WORKLOADS[:1]


def a_contest(*contestants: FakeContestant, rounds: int = 3) -> Contest:
    progress = Progress(io.StringIO())
    return Contest(contestants, rounds=rounds, round_ms=50, progress=progress)


def test_contestants_take_turns_round_by_round() -> None:
    calls: list[str] = []
    contest = a_contest(
        FakeContestant("ours", [2, 2, 2], calls=calls),
        FakeContestant("slow", [9], rounds=1, calls=calls),
        FakeContestant("peer", [4, 4, 4], calls=calls),
    )
    contest.run(ONE)
    assert calls == ["ours", "slow", "peer", "ours", "peer", "ours", "peer"]


def test_the_best_round_counts_on_both_sides() -> None:
    contest = a_contest(
        FakeContestant("ours", [8, 2, 4]), FakeContestant("peer", [30, 90, 60]), rounds=3
    )
    contest.run(ONE)
    (found,) = contest.results
    assert found.best_ms("ours") == 2
    assert found.peers() == {"peer": 30}
    assert found.ratios() == {"peer": 15}
    assert found.spread("peer") == {"best": 30, "median": 60, "worst": 90}


def test_a_ratio_above_one_says_that_ours_is_faster() -> None:
    assert result(ours=[2.0], quick=[1.0], slow=[5.0]).ratios() == {"quick": 0.5, "slow": 2.5}


def test_without_ours_no_ratio_is_claimed() -> None:
    assert result(peer=[1.0]).ratios() == {}
    assert result().best_ms("ours") is None


@pytest.mark.parametrize(
    "peer", [FakeContestant("peer", refuses="no such layer"), FakeContestant("peer", [5.0])]
)
def test_a_peer_that_cannot_go_on_is_left_out_and_the_others_go_on(peer: FakeContestant) -> None:
    contest = a_contest(FakeContestant("ours", [1, 2, 3]), peer)
    contest.run(ONE)
    (found,) = contest.results
    assert list(found.left_out) == ["peer"]
    assert found.peers() == {}
    assert len(found.rounds["ours"]) == 3


def test_a_workload_may_name_whom_it_leaves_out() -> None:
    contest = a_contest(FakeContestant("ours", [1] * 3), FakeContestant("tfjs-cpu", [1] * 3))
    contest.run(chosen("W4"))
    (found,) = contest.results
    assert found.left_out == {"tfjs-cpu": "too slow: a step takes tens of seconds"}


def test_without_ours_there_is_no_contest() -> None:
    contest = a_contest(FakeContestant("ours", refuses="no such layer"))
    with pytest.raises(RunFailed, match="W1 cannot be measured in the page: no such layer"):
        contest.run(ONE)


def test_what_was_measured_before_an_interruption_is_kept() -> None:
    class Impatient(FakeContestant):
        def measure(self, *_: object) -> object:  # type: ignore[override]
            raise KeyboardInterrupt

    contest = a_contest(FakeContestant("ours", [3.0]), Impatient("peer"))
    with pytest.raises(KeyboardInterrupt):
        contest.run(WORKLOADS)
    (found,) = contest.results
    assert found.best_ms("ours") == 3
    assert found.peers() == {}


def test_the_time_left_is_judged_by_the_turns_taken() -> None:
    step = Step("Measuring")
    step.started -= 10
    turns = Turns(step, 4)
    turns.next("first")
    assert step.left_s is None
    turns.next("second")
    assert step.left_s == pytest.approx(30, abs=1)
