"""Paired timing sees a real difference and calls equal what is equal."""

from __future__ import annotations

import pytest

from si_verify import timing


def test_the_interval_holds_the_ratio_of_known_times(monkeypatch):
    clock = {"now": 0.0}
    noise = iter([1.0, 1.02, 0.99, 1.01, 1.0, 0.98, 1.03] * 100)
    monkeypatch.setattr(timing.time, "perf_counter", lambda: clock["now"])

    def takes(seconds: float):
        def work() -> None:
            clock["now"] += seconds * next(noise)

        return work

    slower = timing.paired_ratio(takes(1.0), takes(1.1), pairs=31)
    assert slower.low <= 1.1 <= slower.high
    assert slower.low > 1.05
    same = timing.paired_ratio(takes(1.0), takes(1.0), pairs=31)
    assert same.low <= 1.0 <= same.high
    assert same.floor < 0.06


def test_too_few_pairs_are_refused():
    with pytest.raises(ValueError, match="pairs"):
        timing.paired_ratio(lambda: None, lambda: None, pairs=3)
