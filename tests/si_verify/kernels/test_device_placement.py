"""Whatever a GPU workload computes with lies on its device: laws, coefficients, grids, what kernels are launched with.

torch's meta device computes shapes only, and refuses what mixes it with the CPU's tensors, as a GPU does; only its
triangular solves do not look.
"""

from __future__ import annotations

import sys
from dataclasses import replace
from types import ModuleType

import pytest
import torch

from si_verify.bench.mixtures import Shape
from si_verify.bench.workloads import derivatives, device_derivatives, device_fields, device_paths, device_stencils
from si_verify.bench.workloads import fields as fields_module
from si_verify.bench.workloads import paths as paths_module
from si_verify.bench.workloads.device_stencils import Task


@pytest.fixture(autouse=True)
def _as_if_a_gpu_were_there(monkeypatch) -> None:
    for module in (device_fields, device_paths, device_stencils, device_derivatives):
        monkeypatch.setattr(module, "require", lambda subject: None)


def _devices(answer: object) -> set[str]:
    rows = answer.values() if isinstance(answer, dict) else answer if isinstance(answer, tuple) else [answer]
    return {tensor.device.type for tensor in rows}


def _away(shape: Shape) -> Shape:
    return replace(shape, n=100)


AWAY = [
    *(
        (f"{form.name} {quantity} {row.shape}", fields_module.job(form.make, _away(row.shape), quantity))
        for row in device_fields.ROWS
        for quantity in row.quantities
        for form in device_fields.FORMS
        if form.name.startswith(("torch/", "cupy/")) and form.takes(row.shape, quantity) and "compiled" not in form.name
    ),
    *(
        (f"{name} {task} {shape}", derivatives.job(make, _away(shape), task))
        for shape in device_derivatives.SHAPES
        for task in derivatives.NAMES
        for name, make, _, _, takes, full in device_derivatives.FORMS
        if task in takes and (full or shape.kind != "full") and not name.startswith("triton")
    ),
    *(
        (f"{name} {epsilon}", paths_module.job(make, Shape(4, 2, 100), epsilon, False, 3))
        for name, make in (("torch/loop", device_paths.FORMS[1][1]), ("cupy/paths", device_paths.cupy_paths))
        for epsilon in (0.5, 0.0)
    ),
    *(
        (f"{name} {task}", device_stencils.job(make, task))
        for task in (Task(64, 8), Task(64, 8, 0.5))
        for name, make, _ in device_stencils.FORMS
        if name != "torch/compile"
    ),
]


@pytest.mark.parametrize("load", [load for _, load in AWAY], ids=[name for name, _ in AWAY])
def test_nothing_of_a_run_is_left_on_the_host(monkeypatch, load):
    def launch(name, blocks, threads, device, *arguments, **more):
        assert {a.device.type for a in arguments if isinstance(a, torch.Tensor)} == {"meta"}
        assert device.type == "meta"

    module = ModuleType("cuda_launch")
    vars(module)["launch"] = launch
    monkeypatch.setitem(sys.modules, "si_verify.kernels.cuda_launch", module)
    job = load("meta", "float32")
    assert _devices(job.run()) == {"meta"}
