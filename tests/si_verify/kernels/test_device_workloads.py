"""Workloads for a GPU where there is none: definitions, reasons, torch's forms, CUDA sources by g++, Triton's by its
interpreter; every job's ``error`` is computed, and a small error is seen.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from si_verify import discovery
from si_verify.bench.mixtures import Shape
from si_verify.bench.on_gpu import on_gpu
from si_verify.bench.pde_steps import Square
from si_verify.bench.session import tasks
from si_verify.bench.workload import Job
from si_verify.bench.workloads import derivatives, device_derivatives, device_fields, device_paths, device_stencils
from si_verify.bench.workloads import fields as fields_module
from si_verify.bench.workloads import paths as paths_module
from si_verify.bench.workloads.device_stencils import Grid, Task
from si_verify.kernels import cuda_divergence, cuda_ends
from si_verify.kernels.cuda_source import MIXTURE, STENCIL, field_kernel, path_kernel, source
from si_verify.kernels.cuda_stencil import several_kernel, stage_kernel
from si_verify.kernels.pack_fields import QUANTITIES
from si_verify.subject import Unavailable
from tests.si_verify.kernels import cuda_on_cpu
from tests.si_verify.kernels.cuda_on_cpu import Library
from tests.si_verify.kernels.test_cuda_divergence import PARAMETERS

GPU = {key: w for key, w in discovery.workloads().items() if w.device == "cuda"}
MODULES = (device_fields, device_paths, device_stencils, device_derivatives)
# Issue slots and bytes a second of the H100 for which the issue's numbers are.
FLOPS, BYTES = 2 * 132 * 128 * 1.755e9, 3.35e12


def _right_and_watchful(job: Job) -> None:
    """Right before and after new inputs; wrong where an answer is off by more than rounding, or of another batch."""
    job.renew(1)
    first = job.run()
    first = first if isinstance(first, (dict, tuple)) else first.clone()
    assert job.error(first) <= 1.0
    job.renew(2)
    assert job.error(first) > 1.0
    assert job.error(job.run()) <= 1.0


def test_every_workload_is_for_one_device_and_none_of_the_gpus_runs_on_a_cpu():
    assert {w.device for w in discovery.workloads().values()} == {"cpu", "cuda"}
    assert len(GPU) == sum(len(module.WORKLOADS) for module in MODULES)
    assert all("gpu" in w.tags and str(w.dtypes) for w in GPU.values())


def test_goals_are_the_issues_numbers_on_the_issues_machine():
    found = {(w.name, w.task): w.goal.items_per_s(BYTES, 60e12) for w in GPU.values() if w.goal}
    assert all(0 < goal < 1e12 for goal in found.values())
    rates = {
        "score-iso-k1024-d16-n1000000": 0.6e9, "score-iso-k1024-d128-n200000": 8e7,
        "velocity-full-k8x8-d16-n1000000": 0.7e9, "velocity-full-k8x8-d128-n100000": 2e7,
    }  # fmt: skip
    assert {task: found["cupy/fields", task] for task in rates} == pytest.approx(rates)
    assert found["cupy/paths", "sde-iso-k4-d2-n1000000-s100"] == pytest.approx(1.5e11)
    assert found["cupy/paths", "sde-iso-k16-d16-n1000000-s20"] == pytest.approx(1.2e10)
    assert found["pde/cuda-fused-blocked", "stencil-512-euler-s64"] == pytest.approx(1e11)


def test_bounds_are_the_issues_bytes_and_slots():
    by_task = {(w.name, w.task): w for w in GPU.values()}

    def goal(name: str, task: str) -> float:
        return by_task[name, task].goal.items_per_s(BYTES, FLOPS)

    assert goal("triton/fields", "fields-iso-k4-d2-n4000000") == pytest.approx(0.85 * BYTES / 28)
    assert goal("triton/fields", "score-iso-k4-d2-n4000000") == pytest.approx(0.85 * BYTES / 16)
    assert goal("cupy/fields", "score-iso-k64-d2-n1000000") == pytest.approx(0.6 * FLOPS / 2 / (64 * 15))
    assert goal("cupy/fields", "velocity-iso-k64-d16-n1000000") == pytest.approx(0.6 * FLOPS / 2 / (64 * 57))
    assert goal("pde/cuda-fused", "stencil-4096-euler-s1") == pytest.approx(0.85 * BYTES / 16)
    assert goal("pde/cuda-fused-blocked", "stencil-4096-ssprk2-s8") == pytest.approx(2.5 * 0.85 * BYTES / 16)
    # Where bandwidth is scarce it is the bound of the small law, too.
    starved = by_task["cupy/fields", "score-iso-k64-d2-n1000000"].goal
    assert starved.items_per_s(1e9, FLOPS) == pytest.approx(0.6 * 1e9 / 16)


def test_every_task_has_ours_and_a_peer_and_its_shape_in_its_name():
    groups = defaultdict(list)
    for w in GPU.values():
        groups[w.task].append(w)
    assert len(groups) == 15 + 4 + 4 + 8
    for task, rows in groups.items():
        assert {w.peer for w in rows} == {True, False}, task
        assert all(not w.peer for w in rows if w.goal or w.target), task
    chosen = (discovery.workloads().values(), "tag=gpu and problem=fields-*", ("float32",))
    assert [(task, dtype) for task, dtype, _ in tasks(*chosen, "cuda:0")] == [("fields-iso-k4-d2-n4000000", "float32")]
    assert tasks(*chosen, "cpu") == []
    assert {w.task for _, _, rows in tasks(chosen[0], "", (), "cuda:0") for w in rows} == set(groups)


def test_without_a_gpu_each_says_why_and_none_crashes(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    for w in GPU.values():
        for dtype in w.dtypes:
            with pytest.raises(Unavailable, match="sees no CUDA device"):
                w.load("cuda:0", dtype)
            with pytest.raises(Unavailable, match="for a CUDA device, and this is cpu"):
                w.load("cpu", dtype)


def test_what_outgrows_the_device_is_a_reason_and_no_failure(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "empty_cache", lambda: None)

    def huge() -> None:
        raise torch.OutOfMemoryError("tried to allocate 1 TiB\nand more")

    job = on_gpu(lambda device, dtype: Job(huge, lambda answer: 0.0, 1, "points"))("cuda:0", "float32")
    with pytest.raises(Unavailable, match="1 TiB"):
        job.run()


@pytest.mark.parametrize("row", device_fields.ROWS, ids=lambda row: str(row.shape))
def test_torchs_fields_are_right_on_these_laws(row):
    shape = replace(row.shape, n=100)
    for quantity in row.quantities:
        items = set()
        for form in device_fields.FORMS:
            if not form.name.startswith("torch/") or "compiled" in form.name or not form.takes(shape, quantity):
                continue
            job = fields_module.job(form.make, shape, quantity)("cpu", "float32")
            _right_and_watchful(job)
            items.add((job.items, job.unit, job.bytes, job.flops, job.exps))
        assert len(items) == 1


@pytest.mark.parametrize(("shape", "task"), [(s, t) for s in device_derivatives.SHAPES for t in derivatives.NAMES])
def test_torchs_derivatives_are_right_on_these_laws(shape, task):
    for name, make, _, _, takes, _ in device_derivatives.FORMS:
        if name.startswith("torch/") and task in takes:
            _right_and_watchful(derivatives.job(make, replace(shape, n=200), task)("cpu", "float32"))


def test_torchs_stencils_are_the_steps_of_the_cpus_table():
    for stages in (1, 3):
        square = Square(24, "float64", stages)
        grid = Grid(Task(24, stages), "cpu", "float64")
        square.rho[...] = grid.rho.numpy()
        answer = device_stencils.torch_eager(grid)()
        assert square.error(answer) <= 1.0
        assert grid.error(answer) <= 1.0
    for task in (Task(24, 8), Task(24, 8, 0.5)):
        _right_and_watchful(device_stencils.job(device_stencils.torch_eager, task)("cpu", "float32"))


def test_peers_of_paths_take_a_device_and_many_steps():
    for name, make, peer, _, tasks_ in device_paths.FORMS:
        for task in tasks_.split() if peer else ():
            load = paths_module.job(make, Shape(4, 2, 400), 0.5 if task == "sde" else 0.0, False, 100)
            try:
                job = load("cpu", "float32")
            except Unavailable:
                continue
            job.renew(1)
            assert job.error(job.run()) <= 1.0, name
            assert not job.error(2.0 * job.run() + 1.0) <= 1.0, name


@pytest.fixture(scope="module")
def library(tmp_path_factory) -> Library:
    cuda_on_cpu._PARAMETERS["derivatives"] = PARAMETERS
    names = [field_kernel("isotropic", 2, "float32", q).name for q in (QUANTITIES, ("score",))]
    names += [cuda_ends.instance(16, "float32", ("velocity",))]
    names += [path_kernel("isotropic", 2, "float32", *m) for m in (("euler", True), ("rk4", False))]
    names += [cuda_divergence.instance("isotropic", 2, "float32", probing) for probing in (False, True)]
    files = tuple(dict.fromkeys((*MIXTURE, *cuda_ends.FILES, *cuda_divergence.FILES)))
    return Library(names, tmp_path_factory.mktemp("workloads"), source(files))


@pytest.fixture(scope="module")
def stencils(tmp_path_factory) -> Library:
    names = [stage_kernel(torch.float32, 2), *(several_kernel(torch.float32, a) for a in (False, True))]
    return Library(names, tmp_path_factory.mktemp("stencils"), source(STENCIL))


@pytest.fixture(autouse=True)
def _as_if_a_gpu_were_there(monkeypatch) -> Iterator[None]:
    for module in MODULES:
        monkeypatch.setattr(module, "require", lambda subject: None)
    return None


@pytest.mark.parametrize(
    ("shape", "quantity"),
    [
        (Shape(4, 2, 300), "fields"),
        (Shape(4, 2, 300), "score"),
        (Shape(64, 2, 150), "score"),
        (Shape(64, 16, 40, "full", base=8), "velocity"),
    ],
    ids=str,
)
def test_the_cuda_fields_job_runs_on_the_cpu(library, shape, quantity):
    with library.installed():
        _right_and_watchful(fields_module.job(device_fields.cupy_fields, shape, quantity)("cpu", "float32"))


@pytest.mark.parametrize(("epsilon", "steps"), [(0.5, 100), (0.0, 20)])
def test_the_cuda_paths_job_runs_on_the_cpu(library, epsilon, steps):
    with library.installed():
        load = paths_module.job(device_paths.cupy_paths, Shape(4, 2, 300), epsilon, True, steps)
        job = load("cpu", "float32")
        _right_and_watchful(job)
        if epsilon:  # the noise of another particle is seen, though the law is the same
            assert job.error(job.run().roll(1, 0)) > 1.0


@pytest.mark.parametrize("task", derivatives.NAMES)
def test_the_cuda_derivatives_job_runs_on_the_cpu(library, task):
    with library.installed():
        _right_and_watchful(
            derivatives.job(device_derivatives.cupy_derivatives, Shape(4, 2, 300), task)("cpu", "float32")
        )


@pytest.mark.parametrize("task", [Task(70, 8), Task(70, 8, 0.5), Task(70, 16)], ids=str)
@pytest.mark.parametrize("make", [device_stencils.cuda_stages, device_stencils.cuda_blocked])
def test_the_cuda_stencil_jobs_run_on_the_cpu(stencils, task, make):
    with stencils.installed():
        _right_and_watchful(device_stencils.job(make, task)("cpu", "float32"))


_INTERPRETED = """
from si_verify.bench.mixtures import Shape
from si_verify.bench.workloads import derivatives, device_derivatives, device_fields, fields

device_fields.require = device_derivatives.require = lambda subject: None
for make, shape, quantity in (
    (device_fields.triton_fields, Shape(4, 2, 70), "fields"),
    (device_fields.triton_fields, Shape(4, 2, 70), "velocity"),
    (device_fields.triton_products, Shape(64, 16, 70), "score"),
):
    job = fields.job(make, shape, quantity)("cpu", "float32")
    job.renew(1)
    first = job.run()
    assert job.error(first) <= 1.0, (shape, quantity, job.error(first))
    job.renew(2)
    assert job.error(first) > 1.0
job = derivatives.job(device_derivatives.triton_derivatives, Shape(4, 2, 70), "probe")("cpu", "float32")
assert job.error(job.run()) <= 1.0
print("right")
"""


def test_the_triton_jobs_run_in_the_interpreter():
    pytest.importorskip("triton")
    if torch.cuda.is_available():
        pytest.skip("the bench itself runs them on the GPU")
    child = subprocess.run(
        [sys.executable, "-c", _INTERPRETED], env={**os.environ, "TRITON_INTERPRET": "1"},
        cwd=Path(__file__).parents[3], capture_output=True, text=True, timeout=300, check=False,
    )  # fmt: skip
    assert child.stdout.strip() == "right", child.stderr[-3000:]


def test_what_three_products_would_lose_is_a_reason(monkeypatch):
    monkeypatch.setattr("si_verify.kernels.pack_products.products", lambda law, device: (None, frozenset()))
    pytest.importorskip("triton")
    with pytest.raises(Unavailable, match="plain kernel"):
        device_fields.triton_products(Shape(64, 16, 10), "cpu", "float32", "score")


def test_products_on_tensor_cores_are_counted_as_such():
    (row,) = [w for w in GPU.values() if w.name == "triton/fields-tf32x3" and w.task == "score-iso-k64-d16-n1000000"]
    assert row.dtypes == ("float32",)
    load = device_fields._on_tensor_cores(
        lambda device, dtype: Job(int, float, 5, "points", flops=1.0), Shape(4, 16, 5)
    )
    assert (load("cuda", "float32").flops, load("cuda", "float32").arithmetic) == (5 * 12.0 * 4 * 16, "tf32")
