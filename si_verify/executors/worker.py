"""A worker process: reads cases from a pipe, writes results to it, until the pipe closes."""

from __future__ import annotations

import contextlib
import ctypes
import os
import resource
import signal
from multiprocessing.connection import Connection

_PR_SET_PDEATHSIG = 1


def _die_with(parent: int) -> None:
    """End when the runner does, however it ends: a subject that hangs would outlive a runner that was killed."""
    if hasattr(ctypes, "CDLL") and os.path.exists("/proc/self"):
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:
        os._exit(1)


def _limit_memory(gib: float) -> None:
    """Bound what a subject may add to the memory in use now; asking for more is refused, and raises in its code.

    RLIMIT_DATA counts private writable memory; RLIMIT_AS would count what is only reserved, as allocators and CUDA do.
    """
    with open("/proc/self/status", encoding="ascii") as f:
        used = next(int(line.split()[1]) * 1024 for line in f if line.startswith("VmData:"))
    _, most = resource.getrlimit(resource.RLIMIT_DATA)
    limit = used + int(gib * 2**30)
    resource.setrlimit(resource.RLIMIT_DATA, (limit if most == resource.RLIM_INFINITY else min(limit, most), most))


def _give_back() -> None:
    """Return what is free to the system: arrays come and go below ever more small objects that stay (glibc)."""
    with contextlib.suppress(AttributeError, OSError):
        ctypes.CDLL(None).malloc_trim(0)


_POOLS = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS", "NUMBA_NUM_THREADS")


def serve(pipe: Connection, threads: int, memory_gib: float, parent: int) -> None:
    """Run cases in a session of its own, so that the parent can end it with everything it started.

    Standard output and error go nowhere: they belong to the subject, which may print a gigabyte.
    """
    os.setsid()
    _die_with(parent)
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent decides what an interrupt means
    sink = os.open(os.devnull, os.O_WRONLY)
    for fd in (1, 2):
        os.dup2(sink, fd)
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)

    # Before the libraries read them: an idle thread of a larger pool spins, and takes half of the worker's own core.
    os.environ.update(dict.fromkeys(_POOLS, str(threads)), OMP_WAIT_POLICY="passive")
    import torch

    torch.set_num_threads(threads)
    from si_verify.execute import run_case

    own = os.getpid()
    pipe.send(None)  # imports are done: the clock of the first case may start
    while True:
        try:
            case = pipe.recv()
        except EOFError:
            return
        # Anew for every case: the heap's address space stays when its memory has been given back.
        if memory_gib and os.path.exists("/proc/self/status"):
            _limit_memory(memory_gib)
        answer = run_case(case).model_dump_json()
        if os.getpid() != own:
            os._exit(0)  # a child that the subject forked and let return: the answer is the parent's to give
        pipe.send(answer)
        _give_back()
