"""Rows to lanes and back: every number where it belongs, whatever the number of coordinates."""

from __future__ import annotations

import numpy as np
import pytest

numba = pytest.importorskip("numba")

from si_verify.kernels.numba_lanes import width_of  # noqa: E402
from si_verify.kernels.numba_transpose import deliver, expect, fetch  # noqa: E402


@numba.njit
def _there_and_back(x, blocks, out):
    w = width_of(x)
    for first in range(0, len(x), 2 * w):
        expect(x, out, first)  # what lies past the end is asked for too, and nothing comes of it
        block = blocks[first // (2 * w)]
        fetch(x, first, block)
        deliver(block, out, first)


@pytest.mark.parametrize("dtype", ["float64", "float32"])
@pytest.mark.parametrize("dim", [1, 2, 3, 4, 7, 8, 9, 16, 17, 24, 32, 33, 128])
def test_a_block_has_a_register_a_coordinate_and_comes_back_as_rows(dtype, dim):
    points = 2 * 64 // np.dtype(dtype).itemsize
    n = 2 * points + 5
    x = np.arange(n * dim, dtype=dtype).reshape(n, dim)
    blocks, out = np.full((3, dim * points), np.nan, dtype), np.full_like(x, np.nan)
    _there_and_back(x, blocks, out)
    np.testing.assert_array_equal(out, x)
    rows = np.concatenate([x, np.repeat(x[-1:], 3 * points - n, axis=0)])
    np.testing.assert_array_equal(blocks.reshape(3, dim, points).swapaxes(1, 2).reshape(-1, dim), rows)
