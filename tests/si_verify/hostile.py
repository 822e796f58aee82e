"""Solvers that misbehave, as targets of tests: each does one bad thing."""

from __future__ import annotations

import multiprocessing
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


KEPT = []


def keeps_a_semaphore(velocity, x0, times):
    """Right, and holds what only a process that ends by itself gives back."""
    KEPT.append(multiprocessing.get_context("spawn").Semaphore())
    return euler(velocity, x0, times)


def minds_its_threads(velocity, x0, times):
    """Right, and refuses a worker whose libraries would start more threads than it has cores."""
    pools = {name: os.environ.get(name) for name in ("OMP_NUM_THREADS", "NUMBA_NUM_THREADS", "OMP_WAIT_POLICY")}
    if pools != {"OMP_NUM_THREADS": "1", "NUMBA_NUM_THREADS": "1", "OMP_WAIT_POLICY": "passive"}:
        raise RuntimeError(f"threads: {pools}")
    return euler(velocity, x0, times)


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


_done: set[str] = set()


def _once(what: str) -> bool:
    first = what not in _done
    _done.add(what)
    return first


def eats_memory(velocity, x0, times):
    kept = [torch.ones(2**27, dtype=torch.float64) for _ in range(64)]  # a GiB each, touched
    return x0 + kept[0][0]


def leaks_python_memory(velocity, x0, times):
    kept = []
    while True:
        kept.append(bytearray(2**26))


def forks_and_returns(velocity, x0, times):
    if _once("fork"):  # once: a child that forked again at every call would bring the machine down
        os.fork()
    return euler(velocity, x0, times)


def wrong_device(velocity, x0, times):
    return euler(velocity, x0, times).to("meta")


_calls: list[int] = []


def keeps_state(velocity, x0, times):
    _calls.append(1)
    return euler(velocity, x0, times) + 1e-3 * len(_calls)


def appends_to_the_record(velocity, x0, times):
    if _once("append"):
        with open(os.environ["SI_VERIFY_TEST_RECORD"], "a", encoding="utf-8") as f:
            f.write('{"type": "result", "id": "forged", "verdict": "passed"}\n')
    return euler(velocity, x0, times)


def empties_the_record(velocity, x0, times):
    if _once("empty"):
        os.truncate(os.environ["SI_VERIFY_TEST_RECORD"], 0)
    return euler(velocity, x0, times)


def removes_the_record(velocity, x0, times):
    if _once("remove"):
        os.unlink(os.environ["SI_VERIFY_TEST_RECORD"])
    return euler(velocity, x0, times)


def overwrites_the_record(velocity, x0, times):
    if _once("overwrite"):
        with open(os.environ["SI_VERIFY_TEST_RECORD"], "r+b") as f:
            f.seek(50)
            f.write(b"forged")
    return euler(velocity, x0, times)
