"""A worker process: reads cases from a pipe, writes results to it, until the pipe closes."""

from __future__ import annotations

import os
import signal
from multiprocessing.connection import Connection


def serve(pipe: Connection, threads: int) -> None:
    """Run cases in a session of its own, so that the parent can end it with everything it started.

    Standard output and error go nowhere: they belong to the subject, which may print a gigabyte.
    """
    os.setsid()
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent decides what an interrupt means
    sink = os.open(os.devnull, os.O_WRONLY)
    for fd in (1, 2):
        os.dup2(sink, fd)
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)

    import torch

    torch.set_num_threads(threads)
    from si_verify.execute import run_case

    pipe.send(None)  # imports are done: the clock of the first case may start
    while True:
        try:
            case = pipe.recv()
        except EOFError:
            return
        pipe.send(run_case(case).model_dump_json())
