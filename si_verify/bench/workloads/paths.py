"""Whole trajectories: Euler–Maruyama of the forward SDE, RK4 of the probability flow; fused, and as people have them.

An SDE's answer is held to a reference by mean and second moment (six standard errors of the difference), fused ones
moreover to their own noise drawn outside (philox.py), particle by particle, over the whole batch. A flow's answer is
held to RK4 with eight times the steps: at most four times the error of RK4 with these steps, and rounding.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache

import numpy as np
import torch
from torch import Tensor

from si_verify.bench import path_peers as peers
from si_verify.bench.mixtures import Shape, interpolant, probed
from si_verify.bench.path_peers import SPAN, Run, Walk
from si_verify.bench.workload import Job, Workload
from si_verify.subject import Unavailable

SHAPES = (Shape(4, 2, 10_000), Shape(16, 2, 10_000), Shape(4, 16, 10_000), Shape(16, 16, 10_000))
STEPS, EPSILON = 20, 0.5
SEED = 20231
# Rounding of one step is a few units in the last place of x; twenty steps of a drift with slopes up to 1/C amplify it.
_ROUNDING = 2e4


@lru_cache(maxsize=4)
def _start(shape: Shape, seed: int) -> Tensor:
    return torch.as_tensor(interpolant(shape).sample(SPAN[0], shape.n, np.random.default_rng([3, seed])))


def _fused(walk: Walk) -> Run:
    try:
        from si_verify.kernels.numba_walk import plan

        importable = plan(interpolant(walk.shape), walk.times, method(walk), walk.epsilon, getattr(torch, walk.dtype))
    except ImportError as error:
        raise Unavailable(f"numba is not installed ({error}): pip install 'si-verify[kernels]'") from error
    return lambda x0: importable(x0, SEED)


def method(walk: Walk) -> str:
    """What a fused path calls the scheme."""
    return "euler" if walk.epsilon else "rk4"


def _replay(walk: Walk, x0: Tensor, particles: Tensor) -> Tensor:
    """The fused path of some particles step by step, by the yardstick's drift and noise drawn outside; on the CPU."""
    from si_verify.kernels.philox import normals

    x, law, counters = x0[particles.to(x0.device)].cpu().double(), interpolant(walk.shape), particles.numpy()
    for i, t in enumerate(walk.times[:-1]):
        z = torch.as_tensor(normals(counters, i, x.shape[1], SEED, dtype=walk.dtype))
        x = x + walk.h * torch.as_tensor(law.drift(t, x, walk.epsilon, "forward")) + walk.noise * z
    return x


def _gap(answer: Tensor, exact: Tensor) -> Tensor:
    return ((answer.double() - exact) / (1.0 + exact.abs())).abs().amax(1)


def _moments(x: Tensor) -> Tensor:
    return torch.cat([x, x**2], 1)


def _sde_error(walk: Walk, x0: Tensor, answer: Tensor, fused: bool) -> float:
    if answer.shape != x0.shape or not bool(torch.isfinite(answer).all()):
        return float("nan")
    torch.manual_seed(1)
    plain = Walk(walk.shape, walk.steps, walk.epsilon, device=walk.device)
    reference, mine = _moments(peers.torch_loop(plain)(x0.double())), _moments(answer.double())
    spread = 6.0 * torch.sqrt((reference.var(0) + mine.var(0)) / len(x0))
    error = float(((mine.mean(0) - reference.mean(0)).abs() / spread).max())
    if fused:
        some = probed(len(x0))
        gap = _gap(answer[some.to(answer.device)].cpu(), _replay(walk, x0, some))
        error = max(error, float(gap.max()) / (_ROUNDING * torch.finfo(x0.dtype).eps))
    return error


def _flow_error(walk: Walk, x0: Tensor, answer: Tensor) -> float:
    if answer.shape != x0.shape:
        return float("nan")
    some = x0[:: max(1, len(x0) // 256)].double()
    fine = peers.torch_loop(Walk(walk.shape, 8 * walk.steps, 0.0, device=walk.device))(some)
    coarse = peers.torch_loop(Walk(walk.shape, walk.steps, 0.0, device=walk.device))(some)
    allowed = 4.0 * _gap(coarse, fine).amax() + _ROUNDING * torch.finfo(x0.dtype).eps
    return float(_gap(answer[:: max(1, len(x0) // 256)], fine).amax() / allowed)


def job(
    make: Callable[[Walk], Run], shape: Shape, epsilon: float, fused: bool, steps: int = STEPS
) -> Callable[[str, str], Job]:
    """``Workload.load`` of a form; ε = 0: the flow. fused: its noise is Philox's, counted from particle 0, key SEED."""

    def load(device: str, dtype: str) -> Job:
        walk = Walk(shape, steps, epsilon, dtype, device)
        run = make(walk)
        # In place, so that a replayed graph reads what ``renew`` wrote.
        x0 = _start(shape, 0).to(device=device, dtype=getattr(torch, dtype))

        def renew(seed: int) -> None:
            x0.copy_(_start(shape, seed))

        def error(answer: Tensor) -> float:
            if epsilon:
                return _sde_error(walk, x0, answer, fused)
            return _flow_error(walk, x0, answer)

        moves = float(shape.n) * steps
        evaluations = moves * (1 if epsilon else 4)
        return Job(
            run=lambda: run(x0),
            error=error,
            items=moves,
            unit="particle-steps",
            bytes=2.0 * shape.n * shape.dim * x0.element_size(),
            flops=evaluations * shape.k * (4 * shape.dim + 6),
            exps=evaluations * shape.k,
            renew=renew,
        )

    return load


_NUMBA = "si_verify.kernels.numba_paths"
# name, form, whether a peer, module, tasks
_FORMS: tuple[tuple[str, Callable[[Walk], Run], bool, str, str], ...] = (
    ("numba/paths", _fused, False, _NUMBA, "sde ode"),
    ("torch/loop", peers.torch_loop, True, "", "sde ode"),
    ("torchsde/euler", peers.torchsde_euler, True, "torchsde", "sde"),
    ("torchsde/default", peers.torchsde_default, True, "torchsde", "sde"),
    ("torchdiffeq/rk4", peers.torchdiffeq_rk4, True, "torchdiffeq", "ode"),
    ("jax/scan", peers.jax_scan, True, "jax", "sde ode"),
    ("diffrax/euler", peers.diffrax_euler, True, "diffrax", "sde"),
)
WORKLOADS = tuple(
    Workload(
        name,
        f"{task}-{shape}-s{STEPS}",
        job(make, shape, epsilon, name == "numba/paths"),
        peer=peer,
        tags=frozenset({"path", task}),
        modules=(module,) if module else (),
        target=0.0 if peer else target,
        device="cpu",
    )
    for task, epsilon, target in (("sde", EPSILON, 10.0), ("ode", 0.0, 5.0))
    for shape in SHAPES
    for name, make, peer, module, tasks in _FORMS
    if task in tasks.split()
)
