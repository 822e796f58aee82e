"""What people use for whole trajectories of a mixture's SDE or probability flow, with coefficients made before.

Every form is (walk: Walk) -> run(x0 (N, D)) -> end (N, D). Drifts are in the product form of field_peers.py.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise
from typing import Any

import numpy as np
import torch
from torch import Tensor

from si_verify.bench.field_peers import Form, form
from si_verify.bench.mixtures import Shape, interpolant
from si_verify.fields.formula import inputs_at, mixture_at
from si_verify.subject import Unavailable

SPAN = (0.05, 0.95)

Run = Callable[[Tensor], Tensor]


@dataclass(frozen=True)
class Walk:
    """dX = (b + ε s) dt + √(2ε) dW of N particles on an even grid of ``steps``; ε = 0: the flow by RK4."""

    shape: Shape
    steps: int
    epsilon: float
    dtype: str = "float64"
    device: str = "cpu"

    @property
    def h(self) -> float:
        return (SPAN[1] - SPAN[0]) / self.steps

    @property
    def times(self) -> list[float]:
        return [SPAN[0] + i * self.h for i in range(self.steps + 1)]

    @property
    def noise(self) -> float:
        return float(np.sqrt(2.0 * self.epsilon * self.h))


@lru_cache(maxsize=4096)
def drift_form(shape: Shape, t: float, epsilon: float, dtype: str, device: str = "cpu") -> Form:
    """b + ε s at t in the product form; made in float64 on the CPU, and moved."""
    m = mixture_at(inputs_at(interpolant(shape), t, torch.float64, torch.device("cpu")))
    b, s = form(m, "velocity"), form(m, "score")
    parts = (b.keys, b.bias, b.offset + epsilon * s.offset, b.slope + epsilon * s.slope)
    return Form(*(p.to(device=device, dtype=getattr(torch, dtype)) for p in parts))


def _rows(f: Form, x: Tensor) -> Tensor:
    shares = torch.softmax(torch.addmm(f.bias, f.features(x), f.keys), 1)
    return torch.addcmul(shares @ f.offset, shares @ f.slope, x)


def _columns(walk: Walk, t: float) -> Callable[[Tensor], Tensor]:
    f = drift_form(walk.shape, t, walk.epsilon, walk.dtype, walk.device)
    keys, offset, slope, bias = (*(a.T.contiguous() for a in (f.keys, f.offset, f.slope)), f.bias[:, None])

    def drift(x: Tensor) -> Tensor:
        squares = x**2
        features = torch.cat([x, squares if walk.shape.kind == "diag" else squares.sum(0, keepdim=True)])
        shares = torch.softmax(torch.addmm(bias, keys, features), 0)
        return torch.addcmul(offset @ shares, slope @ shares, x)

    return drift


def torch_loop(walk: Walk) -> Run:
    """A loop over steps in eager torch, particles last: the plain form at its best."""
    at = {t: _columns(walk, t) for a, b in pairwise(walk.times) for t in (a, a + 0.5 * (b - a), b)}
    h = walk.h

    def run(x0: Tensor) -> Tensor:
        x = x0.T.contiguous()
        for a, b in pairwise(walk.times):
            if walk.epsilon:
                x = x.add(at[a](x), alpha=h).add_(torch.randn_like(x), alpha=walk.noise)
                continue
            mid = at[a + 0.5 * (b - a)]
            k1 = at[a](x)
            k2 = mid(x + 0.5 * h * k1)
            k3 = mid(x + 0.5 * h * k2)
            x = x + h / 6 * (k1 + 2 * (k2 + k3) + at[b](x + h * k3))
        return x.T.contiguous()

    return run


def _sdeint(walk: Walk, method: str | None) -> Run:
    try:
        torchsde = importlib.import_module("torchsde")
    except ImportError as error:
        raise Unavailable(f"torchsde is not installed ({error})") from error

    class _Equation(torch.nn.Module):
        noise_type, sde_type = "diagonal", "ito"

        def f(self, t: Tensor, x: Tensor) -> Tensor:
            return _rows(drift_form(walk.shape, float(t), walk.epsilon, walk.dtype, walk.device), x)

        def g(self, t: Tensor, x: Tensor) -> Tensor:
            return torch.full_like(x, (2.0 * walk.epsilon) ** 0.5)

    equation = _Equation()
    ends = torch.tensor(SPAN, dtype=torch.float64)  # on the CPU: to read a time off a GPU is to wait for it

    def run(x0: Tensor) -> Tensor:
        with torch.no_grad():
            end: Tensor = torchsde.sdeint(equation, x0, ends, dt=walk.h, method=method)[-1]
        return end

    return run


def torchsde_euler(walk: Walk) -> Run:
    """torchsde.sdeint, method "euler"."""
    return _sdeint(walk, "euler")


def torchsde_default(walk: Walk) -> Run:
    """torchsde.sdeint as it comes: stochastic Runge–Kutta with its Brownian interval."""
    return _sdeint(walk, None)


def torchdiffeq_rk4(walk: Walk) -> Run:
    """torchdiffeq.odeint, method "rk4"."""
    try:
        torchdiffeq = importlib.import_module("torchdiffeq")
    except ImportError as error:
        raise Unavailable(f"torchdiffeq is not installed ({error})") from error
    ends = torch.tensor(SPAN, dtype=torch.float64, device=walk.device)  # it would move it, with a warning

    def velocity(t: Tensor, x: Tensor) -> Tensor:
        return _rows(drift_form(walk.shape, float(t), 0.0, walk.dtype, walk.device), x)

    def run(x0: Tensor) -> Tensor:
        with torch.no_grad():
            options = {"step_size": walk.h}
            end: Tensor = torchdiffeq.odeint(velocity, x0, ends, method="rk4", options=options)[-1]
        return end

    return run


def _jax() -> Any:
    try:
        jax = importlib.import_module("jax")
    except ImportError as error:
        raise Unavailable(f"jax is not installed ({error})") from error
    jax.config.update("jax_enable_x64", True)
    return jax


def _stacked(jax: Any, walk: Walk, times: list[float]) -> Any:
    forms = [drift_form(walk.shape, t, walk.epsilon, walk.dtype, walk.device) for t in times]
    names = ("keys", "bias", "offset", "slope")
    return tuple(jax.numpy.asarray(np.stack([getattr(f, n).numpy() for f in forms])) for n in names)


def _jax_drift(jax: Any, diagonal: bool) -> Callable[[Any, Any], Any]:
    jnp = jax.numpy

    def drift(f: Any, x: Any) -> Any:
        keys, bias, offset, slope = f
        features = jnp.concatenate([x, x**2 if diagonal else (x**2).sum(1, keepdims=True)], 1)
        shares = jax.nn.softmax(features @ keys + bias, axis=1)
        return shares @ offset + (shares @ slope) * x

    return drift


def jax_scan(walk: Walk) -> Run:
    """jax.jit of a lax.scan over steps, noise by jax.random."""
    jax = _jax()
    drift = _jax_drift(jax, walk.shape.kind == "diag")
    h, times = walk.h, walk.times
    if walk.epsilon:
        laws: Any = _stacked(jax, walk, times[:-1])
    else:
        middles = [a + 0.5 * (b - a) for a, b in pairwise(times)]
        laws = tuple(_stacked(jax, walk, part) for part in (times[:-1], middles, times[1:]))

    def noisy(carry: Any, law: Any) -> Any:
        x, key = carry
        key, now = jax.random.split(key)
        return (x + h * drift(law, x) + walk.noise * jax.random.normal(now, x.shape, x.dtype), key), None

    def flow(carry: Any, law: Any) -> Any:
        (x, key), (first, middle, last) = carry, law
        k1 = drift(first, x)
        k2 = drift(middle, x + 0.5 * h * k1)
        k3 = drift(middle, x + 0.5 * h * k2)
        return (x + h / 6 * (k1 + 2 * (k2 + k3) + drift(last, x + h * k3)), key), None

    @jax.jit
    def solve(x0: Any, key: Any) -> Any:
        return jax.lax.scan(noisy if walk.epsilon else flow, (x0, key), laws)[0][0]

    keys = iter(range(2**31))

    def run(x0: Tensor) -> Tensor:
        key = jax.random.PRNGKey(next(keys))
        return torch.from_dlpack(solve(jax.numpy.from_dlpack(x0), key).block_until_ready())

    return run


def diffrax_euler(walk: Walk) -> Run:
    """diffrax.diffeqsolve with Euler and its unsafe (fastest) Brownian path."""
    jax = _jax()
    try:
        diffrax, lineax = importlib.import_module("diffrax"), importlib.import_module("lineax")
    except ImportError as error:
        raise Unavailable(f"diffrax is not installed ({error})") from error
    drift = _jax_drift(jax, walk.shape.kind == "diag")
    laws = _stacked(jax, walk, walk.times[:-1])
    jnp = jax.numpy
    size = (2.0 * walk.epsilon) ** 0.5

    def at(t: Any, x: Any, args: Any) -> Any:
        i = jnp.clip(jnp.round((t - SPAN[0]) / walk.h).astype(int), 0, walk.steps - 1)
        return drift(tuple(a[i] for a in laws), x)

    @jax.jit
    def solve(x0: Any, key: Any) -> Any:
        path = diffrax.UnsafeBrownianPath(shape=jax.ShapeDtypeStruct(x0.shape, x0.dtype), key=key)
        noise = diffrax.ControlTerm(lambda t, x, args: lineax.DiagonalLinearOperator(jnp.full_like(x, size)), path)
        terms = diffrax.MultiTerm(diffrax.ODETerm(at), noise)
        solution = diffrax.diffeqsolve(
            terms, diffrax.Euler(), SPAN[0], SPAN[1], None, x0, adjoint=diffrax.DirectAdjoint(),
            stepsize_controller=diffrax.StepTo(ts=jnp.asarray(walk.times)), saveat=diffrax.SaveAt(t1=True),
        )  # fmt: skip
        return solution.ys[0]

    keys = iter(range(2**31))

    def run(x0: Tensor) -> Tensor:
        key = jax.random.PRNGKey(next(keys))
        return torch.from_dlpack(solve(jax.numpy.from_dlpack(x0), key).block_until_ready())

    return run
