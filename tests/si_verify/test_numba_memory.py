"""Memory that answers leave to the next one: whose it is, for how long, and how much of it."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from si_verify.kernels import numba_memory
from si_verify.kernels.numba_memory import LEAST, empty


@pytest.fixture(autouse=True)
def _nothing_kept():
    numba_memory._free.clear()
    yield
    numba_memory._free.clear()


def _kept() -> list[int]:
    return [block.size for block in numba_memory._free]


def test_memory_comes_back_when_the_last_view_dies_and_no_sooner():
    array = empty((LEAST // 64, 8), np.float64)
    place = array.ctypes.data
    assert array.shape == (LEAST // 64, 8)
    assert array.flags.c_contiguous
    assert array.flags.writeable
    row = torch.from_numpy(array)[5:]
    del array
    assert _kept() == []
    again = row.numpy().reshape(-1)
    del row
    assert _kept() == []
    del again
    assert _kept() == [LEAST]
    other = empty((LEAST // 16, 4), np.float32)
    assert other.ctypes.data == place
    assert _kept() == []


def test_two_living_answers_never_share_memory():
    answers = [empty((LEAST // 4,), np.float32) for _ in range(3)]
    for i, answer in enumerate(answers):
        answer.fill(i)
    assert [float(a.min()) for a in answers] == [float(a.max()) for a in answers] == [0.0, 1.0, 2.0]


def test_small_answers_and_ones_of_another_size_are_made_anew():
    small = empty((3, 2), np.float64)
    assert small.shape == (3, 2)
    del small
    assert _kept() == []
    large = empty((8 * LEAST,), np.uint8)
    del large
    assert _kept() == [8 * LEAST]
    little = empty((LEAST,), np.uint8)  # a block of twice its size at most
    assert _kept() == [8 * LEAST]
    del little


def test_no_more_is_kept_than_is_said(monkeypatch):
    monkeypatch.setattr(numba_memory, "MOST", 3 * LEAST)
    answers = [empty((LEAST,), np.uint8) for _ in range(5)]
    too_large = empty((4 * LEAST,), np.uint8)
    del too_large
    answers.clear()
    assert sum(_kept()) == 3 * LEAST
