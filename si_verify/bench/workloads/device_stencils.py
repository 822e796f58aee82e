"""Explicit Fokker–Planck steps on square grids on a GPU: one stage a pass, eight stages a pass, and as torch has them.

All get ρ and the scaled drift on faces of ``bench/pde_steps.py``. A cell costs 16 bytes a pass in float32: ρ and two
drifts read, ρ written. Eight stages a pass are asked to be 2.5 times as fast, that is 2.5 · 0.85 of what one read and
one write a stage allow. 512² fits in an L2, launches count there as much as multiply-adds do, and a goal in proportion
to these (``Goal.rate``) is a rough one on another GPU.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from si_verify.bench.on_gpu import on_gpu, require
from si_verify.bench.pde_steps import ROUNDINGS, Square
from si_verify.bench.workload import Goal, Job, Workload

PASS = 8  # stages in one pass of the blocked kernel
Run = Callable[[], Tensor]


@dataclass(frozen=True)
class Task:
    """``stages`` stages on n × n cells, forward Euler (keep = 0), or pairs averaged as SSPRK2 does (keep = ½)."""

    n: int
    stages: int
    keep: float = 0.0

    def __str__(self) -> str:
        return f"stencil-{self.n}-{'ssprk2' if self.keep else 'euler'}-s{self.stages}"


class Grid:
    """ρ and drifts on a device, ρ drawn anew in place; ``error`` compares an answer with flux differences in float64.

    task: how many stages, averaged or not.
    """

    def __init__(self, task: Task, device: str, dtype: str) -> None:
        square = Square(task.n, dtype)
        self.task, self.diffusion = task, square.diffusion
        self.rho, self.wx, self.wy = (torch.from_numpy(a).to(device) for a in (square.rho, square.wx, square.wy))

    @property
    def factors(self) -> list[tuple[float, float]]:
        """What the kernels multiply drift and diffusion with: here nothing is left to multiply."""
        return [(1.0, self.diffusion)] * 2

    def renew(self, seed: int) -> None:
        """Another ρ in the same memory, in [0, 1)."""
        generator = torch.Generator(device=self.rho.device).manual_seed(seed)
        self.rho.copy_(torch.rand(self.rho.shape, generator=generator, device=self.rho.device, dtype=self.rho.dtype))

    def error(self, answer: Tensor) -> float:
        """Largest error in units of 16 eps a stage, as ``Square.error``."""
        if answer.shape != self.rho.shape or not bool(torch.isfinite(answer).all()):
            return float("nan")
        wx, wy = self.wx.double(), self.wy.double()
        exact = staged(lambda rho: plain(rho, wx, wy, self.diffusion), self.rho.double(), self.task)
        allowed = ROUNDINGS * self.task.stages * torch.finfo(self.rho.dtype).eps
        return float((answer.double() - exact).abs().max()) / allowed


def plain(rho: Tensor, wx: Tensor, wy: Tensor, c: float) -> Tensor:
    """ρ − ∂F with F = w (ρ_L + ρ_R) − max(c, |w|) (ρ_R − ρ_L), as one writes it in torch."""
    fx, fy = _flux(wx[1:-1], rho[:-1], rho[1:], c), _flux(wy[:, 1:-1], rho[:, :-1], rho[:, 1:], c)
    pad = torch.nn.functional.pad
    return rho - torch.diff(pad(fx, (0, 0, 1, 1)), dim=0) - torch.diff(pad(fy, (1, 1)), dim=1)


def _flux(w: Tensor, left: Tensor, right: Tensor, c: float) -> Tensor:
    return w * (left + right) - torch.clamp(w.abs(), min=c) * (right - left)


def staged(step: Callable[[Tensor], Tensor], rho: Tensor, task: Task) -> Tensor:
    """The stages one after another; with keep, every second is averaged with where the one before it began."""
    before = rho
    for i in range(task.stages):
        if task.keep and i % 2:
            rho = task.keep * before + (1 - task.keep) * step(rho)
        else:
            before, rho = rho, step(rho)
    return rho


def torch_eager(grid: Grid) -> Run:
    """The step in eager torch."""
    return lambda: staged(lambda rho: plain(rho, grid.wx, grid.wy, grid.diffusion), grid.rho, grid.task)


def torch_compiled(grid: Grid) -> Run:
    """torch.compile of one step."""
    torch.compiler.reset()
    step = torch.compile(plain, dynamic=False)
    return lambda: staged(lambda rho: step(rho, grid.wx, grid.wy, grid.diffusion), grid.rho, grid.task)


def cuda_stages(grid: Grid) -> Run:
    """CUDA C++, one stage a pass."""
    require("pde/cuda-fused")
    from si_verify.kernels.cuda_stencil import stage

    faces, factors, keep = [grid.wx, grid.wy], grid.factors, grid.task.keep

    def run() -> Tensor:
        before = rho = grid.rho
        for i in range(grid.task.stages):
            if keep and i % 2:
                rho = stage(before, rho, faces, factors, keep)
            else:
                before, rho = rho, stage(rho, rho, faces, factors)
        return rho

    return run


def cuda_blocked(grid: Grid) -> Run:
    """CUDA C++, eight stages a pass."""
    require("pde/cuda-fused-blocked")
    from si_verify.kernels.cuda_stencil import several

    faces, factors = [grid.wx, grid.wy], grid.factors

    def run() -> Tensor:
        rho = grid.rho
        for _ in range(grid.task.stages // PASS):
            rho = several(rho, faces, factors, PASS, grid.task.keep)
        return rho

    return run


def job(make: Callable[[Grid], Run], task: Task) -> Callable[[str, str], Job]:
    """``Workload.load`` of a form."""

    def load(device: str, dtype: str) -> Job:
        grid = Grid(task, device, dtype)
        cells = float(task.n * task.n)
        return Job(
            run=make(grid),
            error=grid.error,
            items=cells * task.stages,
            unit="cells",
            # However many stages there are, ρ and drifts are read once and ρ is written once. Five products, four sums.
            bytes=4.0 * grid.rho.element_size() * cells,
            flops=9.0 * cells * task.stages,
            renew=grid.renew,
        )

    return load


_ONE = Goal(share=0.85, bytes=16.0)
_EIGHT = Goal(share=2.5 * 0.85, bytes=16.0)
# Task; name of the form that is asked for something, and what.
TASKS: tuple[tuple[Task, str, Goal], ...] = (
    (Task(4096, 1), "pde/cuda-fused", _ONE),
    (Task(4096, PASS), "pde/cuda-fused-blocked", _EIGHT),
    (Task(4096, PASS, 0.5), "pde/cuda-fused-blocked", _EIGHT),
    (Task(512, 8 * PASS), "pde/cuda-fused-blocked", Goal(rate=1e11)),
)
FORMS: tuple[tuple[str, Callable[[Grid], Run], bool], ...] = (
    ("pde/cuda-fused", cuda_stages, False),
    ("pde/cuda-fused-blocked", cuda_blocked, False),
    ("torch/eager", torch_eager, True),
    ("torch/compile", torch_compiled, True),
)


def _workloads(tasks: Sequence[tuple[Task, str, Goal]]) -> list[Workload]:
    kernel: dict[str, Any] = {"modules": ("si_verify.kernels.cuda_stencil",)}
    return [
        Workload(
            name,
            str(task),
            on_gpu(job(make, task)),
            peer=peer,
            tags=frozenset({"pde", "gpu"}),
            target=2.0 if name == asked else 0.0,
            device="cuda",
            goal=goal if name == asked else None,
            **({} if peer else kernel),
        )
        for task, asked, goal in tasks
        for name, make, peer in FORMS
        if name != "pde/cuda-fused-blocked" or task.stages % PASS == 0
    ]


WORKLOADS = tuple(_workloads(TASKS))
