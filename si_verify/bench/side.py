"""One side of a race: a process that holds one revision's code, and times its workloads on request.

    python -P .../side.py        (PYTHONPATH names the revision to import; without it, what is installed)

A JSON object a line on standard input, one back on standard output:

    {"op": "tasks", "device"}                              -> {"tasks": [[name, task, dtype, tags, peer], ...]}
    {"op": "prepare", "name", "task", "dtype", "device"}   -> {"ready": true} | {"unavailable": why}
    {"op": "error", "seed"}                                -> {"error": in units of what is allowed}
    {"op": "sample", "runs", "best_of"}                    -> {"seconds": a run}

Anything that goes wrong is {"failed": why}. ``name`` may be ``module:OBJECT`` or ``path.py:OBJECT``: a workload of
the caller's own. This file imports nothing of its siblings at its top and is started by path, so that it can drive
revisions that do not have it.
"""

from __future__ import annotations

import importlib
import importlib.util
import json
import math
import os
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any


def _own(spec: str) -> Any:
    where, _, name = spec.rpartition(":")
    if not where.endswith(".py"):
        return getattr(importlib.import_module(where), name)
    found = importlib.util.spec_from_file_location(Path(where).stem, where)
    if found is None or found.loader is None:
        raise ImportError(f"cannot load {where}")
    module = importlib.util.module_from_spec(found)
    found.loader.exec_module(module)
    return getattr(module, name)


def _built_in() -> list[Any]:
    from si_verify import discovery

    return list(discovery.workloads().values())


class Side:
    """The state between requests: the job that is prepared. ``slowdown`` is the fault that the selftest plants."""

    def __init__(self, slowdown: float = 0.0) -> None:
        self._slowdown = slowdown
        self._job: Any = None
        self._sync: Callable[[], None] = lambda: None

    def answer(self, request: dict[str, Any]) -> dict[str, Any]:
        try:
            return getattr(self, "_" + request.pop("op"))(**request)  # type: ignore[no-any-return]
        except Exception as error:
            return {"failed": f"{type(error).__name__}: {error}"}

    def _tasks(self, device: str = "cpu") -> dict[str, Any]:
        here = [w for w in _built_in() if device.startswith(getattr(w, "device", ""))]
        rows = [[w.name, w.task, d, sorted(w.tags), w.peer] for w in here for d in w.dtypes]
        return {"tasks": rows}

    def _prepare(self, name: str, task: str, dtype: str, device: str) -> dict[str, Any]:
        from si_verify.subject import Unavailable

        if ":" in name:
            workload = _own(name)
        else:
            workload = next((w for w in _built_in() if (w.name, w.task) == (name, task)), None)
        if workload is None:
            return {"unavailable": "this revision does not have it"}
        try:
            self._job = workload.load(device, dtype)
        except Unavailable as error:
            return {"unavailable": str(error)}
        if device.startswith("cuda"):
            import torch

            self._sync = lambda: torch.cuda.synchronize(device)
        return {"ready": True}

    def _error(self, seed: int) -> dict[str, Any]:
        self._job.renew(seed)
        error = float(self._job.error(self._job.run()))
        return {"error": error if math.isfinite(error) else 1e300}

    def _sample(self, runs: int, best_of: int) -> dict[str, Any]:
        """The shortest of ``best_of`` stretches: what else the machine does only ever adds time."""
        best = math.inf
        for _ in range(best_of):
            begin = time.perf_counter()
            for _ in range(runs):
                self._job.run()
            self._sync()
            if self._slowdown:
                end = time.perf_counter() + self._slowdown * (time.perf_counter() - begin)
                while time.perf_counter() < end:
                    pass
            best = min(best, time.perf_counter() - begin)
        return {"seconds": best / runs}


def main(argv: list[str]) -> None:
    """Serve requests until standard input closes; what the code under test prints goes nowhere."""
    out = os.fdopen(os.dup(1), "w", encoding="utf-8")
    sink = os.open(os.devnull, os.O_WRONLY)
    os.dup2(sink, 1)
    os.dup2(sink, 2)
    side = Side(float(argv[0]) if argv else 0.0)
    for line in sys.stdin:
        out.write(json.dumps(side.answer(json.loads(line))) + "\n")
        out.flush()


if __name__ == "__main__":
    main(sys.argv[1:])
