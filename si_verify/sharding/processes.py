"""A group of gloo processes on this machine, for tests and measurements: no port, no launcher."""

from __future__ import annotations

import os
import pickle
import tempfile
import traceback
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import torch
import torch.distributed as dist
import torch.multiprocessing as mp

Work = Callable[..., Any]


def run(world: int, work: Work, *arguments: Any, timeout: float = 400.0) -> list[Any]:
    """``work(*arguments)`` in every process of a group of ``world``, each on one thread; what they return, by rank.

    work must be importable. RuntimeError with the trace of the first process that failed; no process outlives the call.
    """
    context = mp.get_context("spawn")
    answers = context.Queue()
    with tempfile.TemporaryDirectory() as folder:
        store = f"file://{Path(folder) / 'store'}"
        processes = [
            context.Process(target=_member, args=(rank, world, store, timeout, answers, work, arguments), daemon=True)
            for rank in range(world)
        ]
        try:
            for process in processes:
                process.start()
            found: dict[int, Any] = {}
            while len(found) < world:
                rank, value, error = answers.get(timeout=timeout)
                if error:
                    raise RuntimeError(f"process {rank} of {world} failed:\n{error}")
                found[rank] = pickle.loads(value)
            for process in processes:
                process.join(timeout)
        finally:
            for process in processes:
                if process.is_alive():
                    process.kill()
                    process.join()
    return [found[rank] for rank in range(world)]


def _member(
    rank: int, world: int, store: str, timeout: float, answers: Any, work: Work, arguments: tuple[Any, ...]
) -> None:
    os.environ.setdefault("GLOO_SOCKET_IFNAME", "lo")
    torch.set_num_threads(1)
    try:
        dist.init_process_group(
            "gloo", init_method=store, rank=rank, world_size=world, timeout=timedelta(seconds=timeout)
        )
        # By value: a queue would hand tensors over as files of this process, which may be gone when they are opened.
        answers.put((rank, pickle.dumps(work(*arguments)), ""))
        dist.barrier()
        dist.destroy_process_group()
    except Exception:
        answers.put((rank, None, traceback.format_exc()))
