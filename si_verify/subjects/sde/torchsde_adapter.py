"""torchsde (Li et al., arXiv:2001.01328; github.com/google-research/torchsde) behind the suite's SDE interface.

Every run is one call of ``torchsde.sdeint`` where the grid is uniform, as people use it, and one call a step elsewhere,
with the solver's extra state handed on. The noise is ours: ``_Noise`` answers for torchsde's Brownian object from the
path that the check holds. A falling grid is run in s = −t, because torchsde wants rising times:

    f̃(s, x) = −f(−s, x),   g̃(s, x) = g(−s, x),   W̃(s) = W(−s).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch

from si_verify.subject import Unavailable


def _import() -> Any:
    try:
        import torchsde
    except ImportError as error:
        raise Unavailable(f"torchsde is not installed ({error}); pip install 'si-verify[peers]'") from error
    return torchsde


def _noise_class(torchsde: Any) -> type:
    class _Noise(torchsde.BaseBrownian):  # type: ignore[misc]
        """torchsde's Brownian interface over ``brownian(t0, t1)`` and, for U, ``brownian.area``."""

        __slots__ = ("brownian", "like", "levy", "sign")

        def __init__(self, brownian: Any, like: torch.Tensor, levy: str, sign: float) -> None:
            super().__init__()
            self.brownian, self.like, self.levy, self.sign = brownian, like, levy, sign

        def __call__(self, ta: Any, tb: Any = None, return_U: bool = False, return_A: bool = False) -> Any:
            a, b = self.sign * float(ta), self.sign * float(tb)
            out = [self.brownian(a, b)]
            if return_U:
                out.append(self.brownian.area(a, b))
            if return_A:
                m = out[0].shape[1]
                out.append(self._levy_area(a, b, m))
            return out[0] if len(out) == 1 else tuple(out)

        def _levy_area(self, a: float, b: float, m: int) -> torch.Tensor:
            """Only asked for where it multiplies zero: diagonal and additive noise have no use for it."""
            return self.like.new_zeros(self.like.shape[0], m, m)

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


def solver(method: str, sde_type: str, noise_type: str, **options: Any) -> Callable[..., torch.Tensor]:
    """``solve(drift, diffusion, x0, times, brownian)`` by a torchsde method. Raises Unavailable without torchsde."""
    torchsde = _import()
    noise_class = _noise_class(torchsde)
    levy = {"srk": "space-time", "log_ode": "foster"}.get(method, "none")

    def solve(drift: Any, diffusion: Any, x0: torch.Tensor, times: torch.Tensor, brownian: Any) -> torch.Tensor:
        sign = 1.0 if times[-1] > times[0] else -1.0
        ts = sign * times
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
