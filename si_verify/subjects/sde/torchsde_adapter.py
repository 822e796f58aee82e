"""torchsde (Li et al., arXiv:2001.01328; github.com/google-research/torchsde) behind the suite's SDE interface.

Every run is one call of ``torchsde.sdeint`` where the grid is uniform, as people use it, and one call a step elsewhere,
with the solver's extra state handed on. The noise is ours: ``_Noise`` answers for torchsde's Brownian object from the
path that the check holds. A falling grid is run in s = −t, because torchsde wants rising times:

    f̃(s, x) = −f(−s, x),   g̃(s, x) = g(−s, x),   W̃(s) = W(−s).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from types import MappingProxyType
from typing import Any, Literal

import torch

from si_verify.subject import Claims, ExpectedFailure, Subject, Unavailable

MODULES = ("torchsde", __name__)


def _import() -> Any:
    try:
        import torchsde
    except ImportError as error:
        raise Unavailable(f"torchsde is not installed ({error}); pip install 'si-verify[peers]'") from error
    return torchsde


def _noise_class(torchsde: Any) -> type:
    class _Noise(torchsde.BaseBrownian):  # type: ignore[misc]
        """torchsde's Brownian interface over ``brownian(t0, t1)`` and, for U, ``brownian.area``."""

        __slots__ = ("brownian", "levy", "like", "sign")

        def __init__(self, brownian: Any, like: torch.Tensor, levy: str, sign: float) -> None:
            super().__init__()
            self.brownian, self.like, self.levy, self.sign = brownian, like, levy, sign

        def __call__(self, ta: Any, tb: Any = None, return_U: bool = False, return_A: bool = False) -> Any:
            a, b = self.sign * float(ta), self.sign * float(tb)
            out = [self.brownian(a, b)]
            if return_U:
                out.append(self.brownian.area(a, b))
            if return_A:
                out.append(self._levy_area(out[0], self.brownian.area(a, b), abs(b - a)))
            return out[0] if len(out) == 1 else tuple(out)

        @staticmethod
        def _levy_area(dw: torch.Tensor, area: torch.Tensor, h: float) -> torch.Tensor:
            """E[A | ΔW, H] = H ΔWᵀ − ΔW Hᵀ with H = area/h − ½ ΔW: Davie's approximation without its random part."""
            space_time = area / h - 0.5 * dw if h > 0 else torch.zeros_like(dw)
            outer = space_time[:, :, None] * dw[:, None, :]
            return outer - outer.transpose(1, 2)

        def __repr__(self) -> str:
            return f"_Noise({self.brownian!r})"

        dtype = property(lambda self: self.like.dtype)
        device = property(lambda self: self.like.device)
        levy_area_approximation = property(lambda self: self.levy)

        @property
        def shape(self) -> torch.Size:
            return torch.Size(self.brownian.shape)

    return _Noise


def _equation(drift: Any, diffusion: Any, noise_type: str, sde_type: str, sign: float) -> Any:
    class _SDE:
        def f(self, s: Any, y: torch.Tensor) -> torch.Tensor:
            return sign * drift(sign * s, y)

        def g(self, s: Any, y: torch.Tensor) -> torch.Tensor:
            g = diffusion(sign * s, y)
            return torch.diag_embed(g) if noise_type == "additive" and g.ndim == 2 else g

    equation = _SDE()
    equation.noise_type, equation.sde_type = noise_type, sde_type  # type: ignore[attr-defined]
    return equation


def _noise_type(g: torch.Tensor) -> str:
    """torchsde's name for the noise that a diffusion of this shape drives: it wants to be told."""
    if g.ndim == 2:
        return "diagonal"
    return "scalar" if g.shape[2] == 1 else "general"


def load(method: str, sde_type: str, additive: bool = False, **options: Any) -> Callable[[], Callable[..., Any]]:
    """Loader of a torchsde method; ``additive`` hands a diagonal g over as an additive one, for its own code path."""
    return lambda: solver(method, sde_type, additive, **options)


def solver(method: str, sde_type: str, additive: bool = False, **options: Any) -> Callable[..., torch.Tensor]:
    """``solve(drift, diffusion, x0, times, brownian)`` by a torchsde method. Raises Unavailable without torchsde."""
    torchsde = _import()
    noise_class = _noise_class(torchsde)
    levy = {"srk": "space-time", "log_ode": "foster"}.get(method, "none")

    @torch.no_grad()  # as for sampling; without it Milstein keeps the graph of every step
    def solve(drift: Any, diffusion: Any, x0: torch.Tensor, times: torch.Tensor, brownian: Any) -> torch.Tensor:
        sign = 1.0 if times[-1] > times[0] else -1.0
        ts = sign * times
        noise_type = "additive" if additive else _noise_type(diffusion(float(times[0]), x0))
        sde = _equation(drift, diffusion, noise_type, sde_type, sign)
        bm = noise_class(brownian, x0, levy, sign)
        steps = torch.diff(ts)
        extra = None
        calls = [ts] if float(steps.max() - steps.min()) < 1e-3 * float(steps.max()) else list(ts.unfold(0, 2, 1))
        x = x0
        for span in calls:
            # On a span of one step torchsde cuts dt at its end.
            dt = float(steps[0]) if len(calls) == 1 else 2.0 * float(span[1] - span[0])
            ends = torch.stack([span[0], span[-1]])
            ys, extra = torchsde.sdeint(
                sde, x, ends, bm=bm, method=method, dt=dt, options=dict(options),
                extra=True, extra_solver_state=extra or None,
            )  # fmt: skip
            x = ys[-1]
        return x

    return solve


def subject(
    name: str,
    method: str,
    sde_type: Literal["ito", "stratonovich"],
    weak: float,
    strong: float,
    noise: Iterable[str],
    exceptions: Mapping[str, float] = MappingProxyType({}),
    expected_failures: tuple[ExpectedFailure, ...] = (),
    additive: bool = False,
    tags: tuple[str, ...] = (),
    **options: Any,
) -> Subject:
    """A torchsde method with the orders that its class states (torchsde/_core/methods), by noise type.

    ``exceptions``: strong orders that differ from ``strong``, by structure of the noise.
    """
    return Subject(
        name=name,
        kind="sde",
        load=load(method, sde_type, additive, **options),
        claims=Claims(
            weak_order=weak, strong_order=strong, interpretation=sde_type, noise=frozenset(noise),
            extra={"strong_order": dict(exceptions)},
        ),
        tags=frozenset({"torchsde", sde_type, *tags}),
        modules=MODULES,
        expected_failures=expected_failures,
        summary=f"torchsde {method}, {sde_type}" + (", additive path" if additive else ""),
    )  # fmt: skip
