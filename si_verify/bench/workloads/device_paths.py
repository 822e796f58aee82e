"""Whole trajectories on a GPU: a particle's path in one launch, and as people have it. Goals: issue 6, one H100."""

from __future__ import annotations

from collections.abc import Callable

import torch

from si_verify.bench import path_peers as peers
from si_verify.bench.mixtures import Shape, interpolant
from si_verify.bench.on_gpu import on_gpu, require
from si_verify.bench.path_peers import Run, Walk
from si_verify.bench.workload import Goal, Workload
from si_verify.bench.workloads.paths import EPSILON, SEED, job, method
from si_verify.subject import Unavailable

# Shape, steps: enough for a launch of a fraction of a millisecond or more; particle-steps/s asked of the SDE.
WALKS = ((Shape(4, 2, 1_000_000), 100, 1.5e11), (Shape(16, 16, 1_000_000), 20, 1.2e10))
TARGETS = {"sde": 10.0, "ode": 5.0}  # over the best peer, as on the CPU


def cupy_paths(walk: Walk) -> Run:
    """CUDA C++: field, Philox noise and all steps of a particle in one launch."""
    require("cupy/paths")
    from si_verify.kernels.cuda_paths import plan

    real, device = getattr(torch, walk.dtype), torch.device(walk.device)
    try:
        made = plan(interpolant(walk.shape), walk.times, method(walk), walk.epsilon, real, device)
    except ValueError as error:
        raise Unavailable(f"not taken: {error}") from error
    return lambda x0: made(x0, SEED)


# name, form, whether a peer, module, tasks
FORMS: tuple[tuple[str, Callable[[Walk], Run], bool, str, str], ...] = (
    ("cupy/paths", cupy_paths, False, "si_verify.kernels.cuda_paths", "sde ode"),
    ("torch/loop", peers.torch_loop, True, "", "sde ode"),
    ("torchsde/euler", peers.torchsde_euler, True, "torchsde", "sde"),
    ("torchdiffeq/rk4", peers.torchdiffeq_rk4, True, "torchdiffeq", "ode"),
)
WORKLOADS = tuple(
    Workload(
        name,
        f"{task}-{shape}-s{steps}",
        on_gpu(job(make, shape, epsilon, not peer, steps)),
        peer=peer,
        tags=frozenset({"path", "gpu", task}),
        modules=(module,) if module else (),
        target=0.0 if peer else TARGETS[task],
        device="cuda",
        goal=Goal(rate=rate) if task == "sde" and not peer else None,
    )
    for task, epsilon in (("sde", EPSILON), ("ode", 0.0))
    for shape, steps, rate in WALKS
    for name, make, peer, module, tasks in FORMS
    if task in tasks.split()
)
