"""Solvers that misbehave, as targets of tests: each does one bad thing."""

from __future__ import annotations

import os
import signal
import sys
import time
from itertools import pairwise

import torch


def euler(velocity, x0, times):
    x = x0
    for t, s in pairwise(times):
        x = x + (s - t) * velocity(t, x)
    return x


def hangs(velocity, x0, times):
    time.sleep(3600)


def segfaults(velocity, x0, times):
    os.kill(os.getpid(), signal.SIGSEGV)


def exits(velocity, x0, times):
    os._exit(0)


def raises(velocity, x0, times):
    raise RuntimeError("boom")


def exits_politely(velocity, x0, times):
    sys.exit(3)


def interrupts(velocity, x0, times):
    raise KeyboardInterrupt


def returns_nan(velocity, x0, times):
    return x0 * torch.nan


def wrong_shape(velocity, x0, times):
    return euler(velocity, x0, times)[:-1]


def wrong_dtype(velocity, x0, times):
    return euler(velocity, x0, times).half()


def not_a_tensor(velocity, x0, times):
    return euler(velocity, x0, times).numpy()


def changes_its_input(velocity, x0, times):
    x0 += 1.0
    return euler(velocity, x0, times)


def prints_a_lot(velocity, x0, times):
    for _ in range(300):
        print("x" * 1_000_000)
        sys.stderr.write("y" * 1_000_000)
    return x0 * torch.nan


def leaves_a_child(velocity, x0, times):
    if os.fork() == 0:
        time.sleep(3600)
    time.sleep(3600)
