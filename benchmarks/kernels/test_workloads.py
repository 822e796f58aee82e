"""Fields and paths under pytest-benchmark: ``pytest benchmarks/kernels --benchmark-only``. Right before and after."""

from __future__ import annotations

from typing import Any

import pytest

from si_verify import discovery
from si_verify.bench.workload import Workload
from si_verify.subject import Unavailable

CASES = [
    (w, d)
    for w in discovery.workloads().values()
    if w.tags & {"field", "path"} and w.device != "cuda"
    for d in w.dtypes
]


@pytest.mark.parametrize(("workload", "dtype"), CASES, ids=[f"{w.task}/{w.name}/{d}" for w, d in CASES])
def test_workload(benchmark: Any, workload: Workload, dtype: str) -> None:
    try:
        job = workload.load("cpu", dtype)
        job.renew(1)
        assert job.error(job.run()) <= 1.0
    except Unavailable as reason:
        pytest.skip(str(reason))
    benchmark.group = f"{workload.task} {dtype}"
    benchmark(job.run)
    job.renew(2)
    assert job.error(job.run()) <= 1.0
    benchmark.extra_info["items per second"] = job.items / benchmark.stats["median"]
