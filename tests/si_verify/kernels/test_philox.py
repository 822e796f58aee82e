"""Philox gives the published words, and its normals depend on every part of the counter."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from si_verify.kernels.philox import normals, philox, uniform32, uniform64

# Known answers of Philox4x32-10 as published with Random123 (kat_vectors): counter, key, words.
KNOWN = [
    ((0, 0, 0, 0), (0, 0), (0x6627E8D5, 0xE169C58D, 0xBC57AC4C, 0x9B00DBD8)),
    ((0xFFFFFFFF,) * 4, (0xFFFFFFFF,) * 2, (0x408F276D, 0x41C83B0E, 0xA20BC7C6, 0x6D5451FD)),
    (
        (0x243F6A88, 0x85A308D3, 0x13198A2E, 0x03707344),
        (0xA4093822, 0x299F31D0),
        (0xD16CFE09, 0x94FDCCEB, 0x5001E420, 0x24126EA1),
    ),
]


@pytest.mark.parametrize(("counter", "key", "words"), KNOWN)
def test_known_answers(counter, key, words):
    assert tuple(int(w) for w in philox(counter, key)) == words


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_every_part_of_the_counter_changes_the_noise(dtype):
    who = np.arange(50)
    base = normals(who, 3, 7, seed=11, stream=2, dtype=dtype)
    others = [
        normals(who + 50, 3, 7, seed=11, stream=2, dtype=dtype),
        normals(who, 4, 7, seed=11, stream=2, dtype=dtype),
        normals(who, 3, 7, seed=12, stream=2, dtype=dtype),
        normals(who, 3, 7, seed=11 + (1 << 32), stream=2, dtype=dtype),
        normals(who, 3, 7, seed=11, stream=3, dtype=dtype),
    ]
    assert all((base != other).all() for other in others)
    assert len(np.unique(base)) == base.size
    np.testing.assert_array_equal(normals(who[20:30], 3, 7, seed=11, stream=2, dtype=dtype), base[20:30])


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_normals_are_standard_normal_and_uncorrelated(dtype):
    z = np.concatenate([normals(np.arange(4000), step, 5, seed=1, dtype=dtype) for step in range(5)])
    # One fixed draw: the p-value is a number, not a lottery.
    assert stats.kstest(z.ravel(), "norm").pvalue > 1e-3
    correlations = np.corrcoef(z.T) - np.eye(5)
    assert np.abs(correlations).max() < 6 / np.sqrt(len(z))


def test_uniforms_never_reach_zero_and_may_reach_one():
    ends = np.array([0, 0xFFFFFFFF], dtype=np.uint32)
    for u in (uniform32(ends), uniform64(ends, ends)):
        assert u[0] > 0
        assert u[1] <= 1
        assert np.isfinite(np.log(u)).all()


def test_an_unknown_dtype_is_refused():
    with pytest.raises(ValueError, match="float16"):
        normals(np.arange(2), 0, 1, seed=0, dtype="float16")
