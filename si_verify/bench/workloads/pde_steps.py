"""Explicit and implicit Fokker–Planck steps: ours in one pass, and the same step as it is written today."""

from __future__ import annotations

import importlib
import shutil
from collections.abc import Callable
from typing import Any

import numpy as np

from si_verify.bench.pde_steps import Square
from si_verify.bench.workload import Job, Workload
from si_verify.subject import Unavailable

Run = Callable[[], Any]
Make = Callable[[Square], Run]


def _kernels() -> Any:
    from si_verify.subjects.pde import fused_kernels
    from si_verify.subjects.pde.numba_compiler import take_threads

    threads = take_threads()
    return fused_kernels, fused_kernels.compiled(), threads


def _fused(square: Square) -> Run:
    module, kernel, threads = _kernels()
    rows, _ = module.tile(square.rho.shape, square.rho.itemsize, threads)
    ends = [np.empty_like(square.rho), np.empty_like(square.rho)]
    one, c = square.scalar(1.0), square.scalar(square.diffusion)

    def run() -> np.ndarray:
        rho = square.rho
        for i in range(square.steps):
            kernel.euler(rho, square.wx, square.wy, ends[i % 2], one, c, one, c, rows)
            rho = ends[i % 2]
        return rho

    return run


def _blocked(square: Square) -> Run:
    module, kernel, threads = _kernels()
    out = np.empty_like(square.rho)
    tile = module.tile(square.rho.shape, square.rho.itemsize, threads)
    zero, one, c = (square.scalar(v) for v in (0.0, 1.0, square.diffusion))

    def run() -> np.ndarray:
        kernel.several(square.rho, square.wx, square.wy, out, square.steps, zero, one, c, one, c, *tile)
        return out

    return run


def _plain_numba(square: Square) -> Run:
    """The stencil as one writes it: five coefficients a cell, a loop over cells, parallel over rows."""
    try:
        import numba
    except ImportError as error:
        raise Unavailable(f"numba is not installed ({error})") from error
    from si_verify.subjects.pde.numba_compiler import take_threads

    take_threads()
    n = square.n
    px, qx, py, qy = square.coefficients(square.dtype)
    five = np.zeros((5, n, n), square.dtype)
    here, north, south, west, east = five
    here[...] = 1.0
    here[:-1] -= px
    here[1:] -= qx
    here[:, :-1] -= py
    here[:, 1:] -= qy
    north[1:], south[:-1], west[:, 1:], east[:, :-1] = px, qx, py, qy
    ends = [np.zeros((n + 2, n + 2), square.dtype) for _ in range(2)]

    @numba.njit(parallel=True, fastmath={"contract"})
    def step(rho: Any, c: Any, no: Any, so: Any, we: Any, ea: Any, out: Any) -> None:
        rows, cols = c.shape
        for i in numba.prange(rows):
            for j in range(cols):
                out[i + 1, j + 1] = (
                    c[i, j] * rho[i + 1, j + 1]
                    + no[i, j] * rho[i, j + 1]
                    + so[i, j] * rho[i + 2, j + 1]
                    + we[i, j] * rho[i + 1, j]
                    + ea[i, j] * rho[i + 1, j + 2]
                )

    def run() -> np.ndarray:
        ends[0][1:-1, 1:-1] = square.rho
        for i in range(square.steps):
            step(ends[i % 2], here, north, south, west, east, ends[(i + 1) % 2])
        return ends[square.steps % 2][1:-1, 1:-1]

    return run


def _torch(compiled: bool) -> Make:
    def make(square: Square) -> Run:
        import torch

        px, qx, py, qy = (torch.from_numpy(a) for a in square.coefficients(square.dtype))
        start = torch.from_numpy(square.rho)

        def step(rho: Any) -> Any:
            fx, fy = px * rho[:-1] - qx * rho[1:], py * rho[:, :-1] - qy * rho[:, 1:]
            pad = torch.nn.functional.pad
            return rho - torch.diff(pad(fx, (0, 0, 1, 1)), dim=0) - torch.diff(pad(fy, (1, 1)), dim=1)

        if compiled:
            if not any(map(shutil.which, ("c++", "g++", "clang++"))):
                raise Unavailable("torch.compile needs a C++ compiler")
            step = torch.compile(step, dynamic=False)

        def run() -> Any:
            rho = start
            for _ in range(square.steps):
                rho = step(rho)
            return rho

        return run

    return make


def _jax(square: Square) -> Run:
    try:
        jax = importlib.import_module("jax")
    except ImportError as error:
        raise Unavailable(f"JAX is not installed ({error})") from error
    jax.config.update("jax_enable_x64", True)
    jnp = jax.numpy
    px, qx, py, qy = (jnp.asarray(a) for a in square.coefficients(square.dtype))

    @jax.jit
    def step(rho: Any, px: Any, qx: Any, py: Any, qy: Any) -> Any:
        fx, fy = px * rho[:-1] - qx * rho[1:], py * rho[:, :-1] - qy * rho[:, 1:]
        across, along = jnp.pad(fx, ((1, 1), (0, 0))), jnp.pad(fy, ((0, 0), (1, 1)))
        return rho - jnp.diff(across, axis=0) - jnp.diff(along, axis=1)

    held: dict[str, Any] = {}

    def run() -> Any:
        # The transfer is no part of a step: made anew only where the input is.
        mark = square.rho[:2].tobytes()
        if held.get("mark") != mark:
            held.update(mark=mark, rho=jnp.array(square.rho))
        rho = held["rho"]
        for _ in range(square.steps):
            rho = step(rho, px, qx, py, qy)
        return rho.block_until_ready()

    return run


def _csr(square: Square) -> Run:
    from scipy import sparse

    matrix = (sparse.identity(square.n**2, format="csr") + square.operator()).astype(square.dtype).tocsr()
    return lambda: matrix @ square.rho.reshape(-1)


def _copy(square: Square) -> Run:
    """A copy that moves as many bytes as a step must: ρ and two drifts read, ρ written."""
    import torch

    from si_verify.subjects.pde.numba_compiler import take_threads

    take_threads()
    source = torch.from_numpy(np.stack([square.rho, square.rho]))
    target = torch.empty_like(source)
    return lambda: target.copy_(source)


def _lines(square: Square) -> Run:
    from si_verify.subjects.pde import line_kernels
    from si_verify.subjects.pde.numba_compiler import take_threads

    take_threads()
    kernel, n = line_kernels.compiled(), square.n
    across = np.ascontiguousarray(square.wy.T)[None]
    one, c = square.scalar(1.0), square.scalar(square.diffusion)
    first, second = np.empty((1, n, n), square.dtype), np.empty((1, n, n), square.dtype)

    def run() -> np.ndarray:
        kernel.implicit(square.rho[None], square.wx[None], first, one, c, line_kernels.LANES)
        second[0] = first[0].T
        kernel.implicit(second, across, second, one, c, line_kernels.LANES)
        first[0] = second[0].T
        return first[0]

    return run


def _cyclic_reduction(square: Square) -> Run:
    """Ours in eager torch (subjects/pde/tridiagonal.py)."""
    import torch

    from si_verify.subjects.pde.tridiagonal import LineOperator

    drifts = [torch.from_numpy(np.ascontiguousarray(w)) for w in (square.wx.T, square.wy)]
    operators = []
    for w in drifts:
        spread = torch.clamp(w.abs(), min=square.diffusion)[:, 1:-1] - w.abs()[:, 1:-1]
        operators.append(LineOperator(2.0 * w, spread, 1.0))

    def run() -> Any:
        rho = operators[0].implicit(1.0, torch.from_numpy(square.rho).T.contiguous()).T.contiguous()
        return operators[1].implicit(1.0, rho)

    return run


def _splu(square: Square) -> Run:
    from scipy.sparse import identity
    from scipy.sparse.linalg import splu

    factors = splu((identity(square.n**2, format="csr") - square.operator()).tocsc())
    return lambda: factors.solve(square.rho.reshape(-1))


def _job(make: Make, n: int, steps: int, implicit: str) -> Callable[[str, str], Job]:
    def load(device: str, dtype: str) -> Job:
        square = Square(n, dtype, steps, 50.0 if implicit else 1.0)
        run = make(square)
        error = square.error
        if implicit:
            error = lambda answer: square.backward_error(answer, implicit == "split")  # noqa: E731
        elif make is _copy:
            error = lambda answer: float(not np.array_equal(np.asarray(answer)[0], np.asarray(answer)[1]))  # noqa: E731
        return Job(run=run, error=error, items=float(n * n * steps), unit="cells", renew=square.renew)

    return load


_EXPLICIT: tuple[tuple[str, Make, bool], ...] = (
    ("pde/fused", _fused, False),
    ("pde/fused-blocked", _blocked, False),
    ("copy of as many bytes", _copy, False),
    ("torch/eager", _torch(False), True),
    ("torch/compile", _torch(True), True),
    ("scipy/csr", _csr, True),
    ("jax/jit", _jax, True),
    ("numba/five-point", _plain_numba, True),
)
_IMPLICIT: tuple[tuple[str, Make, bool, str], ...] = (
    ("pde/fused-lines", _lines, False, "split"),
    ("pde/cyclic-reduction", _cyclic_reduction, False, "split"),
    ("scipy/splu", _splu, True, "whole"),
)
_TAGS = frozenset({"pde"})


def _explicit(task: str, n: int, steps: int, names: tuple[str, ...]) -> list[Workload]:
    return [
        Workload(name, task, _job(make, n, steps, ""), peer=peer, tags=_TAGS, device="cpu")
        for name, make, peer in _EXPLICIT
        if name in names
    ]


WORKLOADS = tuple(
    _explicit("pde-explicit-512", 512, 1, tuple(n for n, *_ in _EXPLICIT if n not in ("pde/fused-blocked",)))
    + _explicit("pde-explicit-512-steps", 512, 8, ("pde/fused", "pde/fused-blocked", "torch/compile", "jax/jit"))
    + _explicit("pde-explicit-1024-steps", 1024, 8, ("pde/fused", "pde/fused-blocked", "numba/five-point"))
    + [
        Workload(
            name, "pde-implicit-512", _job(make, 512, 1, form), peer=peer, dtypes=("float64",), tags=_TAGS, device="cpu"
        )
        for name, make, peer, form in _IMPLICIT
    ]
)
