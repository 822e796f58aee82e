"""The tables of benchmarks/kernels: what they count and compare, on numbers that the test knows."""

from __future__ import annotations

import numpy as np
import pytest

from benchmarks.kernels.__main__ import asked


def _result(subject, seconds, tags=("own",), target=0.0, times=()):
    meta = {"items": 1} | ({"target": target} if target else {})
    return {
        "problem": "task", "dtype": "float64", "subject": subject, "tags": list(tags),
        "data": [{"kind": "timing", "columns": {"seconds": list(seconds)}, "meta": meta}],
        "measurements": [
            {"name": f"times faster than {name}", "value": v, "interval": [v, v], "confidence": 0.99}
            for name, v in times
        ],
    }  # fmt: skip


def test_a_ratio_stands_over_the_best_of_all_and_over_the_best_that_is_named():
    rounds = 1.0 + 0.01 * np.arange(20)
    results = [
        _result("ours", rounds, target=4.0, times=[("torch/loop", 3.0)]),
        _result("torch/loop", 3.0 * rounds, ("peer",)),
        _result("diffrax/euler", 6.0 * rounds, ("peer",)),
        _result("torchsde/euler", 9.0 * rounds, ("peer",)),
        _result("other", 2.0 * rounds),  # ours too, and no peer
    ]
    _, _, row = list(asked(results))
    cells = [cell.strip() for cell in row.strip("|").split("|")]
    assert cells[3:5] == ["3 (3 to 3) torch/loop", "not reached"]
    assert cells[5:] == ["6 (6 to 6) diffrax/euler", "reached"]


def test_instructions_of_the_noise_are_counted_for_either_number_of_coordinates():
    pytest.importorskip("numba")
    from benchmarks.kernels.parts import instructions

    few, all_of_them = instructions("float32", 2), instructions("float32", 4)
    # Ten rounds of two products in 64-bit lanes, four registers a time or more, at two steps.
    assert 10 * 2 * 4 * 2 <= few < all_of_them
