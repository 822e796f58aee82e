"""The Python face of density solvers: hand over a function, get a Record."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from si_verify.record import Record


def check_density_solver(
    solve: Callable[..., Any],
    order: float = 1.0,
    *,
    form: str = "averages",
    orders: dict[str, float] | None = None,
    equations: tuple[str, ...] = ("transport", "fokker-planck"),
    directions: tuple[str, ...] = ("forward", "backward"),
    conservative: bool = False,
    positive: bool = False,
    steady: str = "",
    walls: str = "",
    dims: tuple[int, ...] = (1, 2, 3),
    name: str = "",
    **options: Any,
) -> Record:
    """Verify ``solve(problem, times) -> (len(times), *problem.grid.shape)``, a solver of

        ∂_t ρ + ∇·(b ρ) = problem.sign · ε(t) Δρ,   no flux through the walls

    ``problem`` has grid, initial, face_drift(t, axis), centre_drift(t, axis), drift(t, x), epsilon(t), sign; see
    ``si_verify.density.problem.DensityProblem``. What is claimed is checked (``si_verify.density.claims``): ``order``
    in h with steps as the solver chooses them; ``form`` "averages" or "points"; ``equations`` and ``directions`` it
    takes; ``dims`` it works in; ``conservative``, ``positive``, ``steady="exact"``, ``walls="closed"``.
    ``options``: see ``verify_subject``. Raises TypeError if ``solve`` is no callable, ValueError for an unknown claim.

    A solver of a user's own, in ten lines (1-D, upwind, forward in t):

        def solve(problem, times):
            (h,), rho, out = problem.grid.spacing, problem.initial, [problem.initial]
            for a, b in itertools.pairwise(times):
                speed = problem.face_drift(a, 0).abs().max() + problem.face_drift(b, 0).abs().max()
                n = math.ceil((b - a) * float(2 * speed / h + 4 * problem.epsilon(b) / h**2))
                for t in (a + (b - a) * i / n for i in range(n)):
                    w = problem.face_drift(t, 0)[1:-1]
                    flux = w.clamp(min=0) * rho[:-1] + w.clamp(max=0) * rho[1:] - problem.epsilon(t) / h * rho.diff()
                    rho = rho - (b - a) / n / h * torch.nn.functional.pad(flux, (1, 1)).diff()
                out.append(rho)
            return torch.stack(out)
    """
    from si_verify.api import verify_subject
    from si_verify.density.claims import density_claims
    from si_verify.targets import subject_of

    if not callable(solve):
        raise TypeError(f"solve: expected a callable, got {type(solve).__name__}")
    claims = density_solver_claims(
        order, form=form, orders=orders, equations=equations, directions=directions, conservative=conservative,
        positive=positive, steady=steady, walls=walls, dims=dims,
    )  # fmt: skip
    subject = subject_of(name or getattr(solve, "__qualname__", type(solve).__name__), "pde", lambda: solve, claims)
    density_claims(subject)
    return verify_subject(subject, **options)


def density_solver_claims(
    order: float = 1.0,
    *,
    form: str = "averages",
    orders: dict[str, float] | None = None,
    equations: tuple[str, ...] = ("transport", "fokker-planck"),
    directions: tuple[str, ...] = ("forward", "backward"),
    conservative: bool = False,
    positive: bool = False,
    steady: str = "",
    walls: str = "",
    dims: tuple[int, ...] = (1, 2, 3),
) -> dict[str, Any]:
    """What ``subject_of`` needs to know of a density solver, checked. ValueError names the argument."""
    for argument, value, known in (
        ("form", (form,), ("averages", "points")),
        ("equations", equations, ("transport", "fokker-planck")),
        ("directions", directions, ("forward", "backward")),
        ("steady", (steady,), ("", "exact")),
        ("walls", (walls,), ("", "closed")),
    ):
        if not value or not set(value) <= set(known):
            raise ValueError(f"{argument}: expected out of {', '.join(map(repr, known))}, got {value!r}")
    extra = {
        "form": form, "orders": orders or {}, "equations": equations, "directions": directions, "walls": walls,
        "conservative": conservative, "positive": positive, "steady": steady, "dims": tuple(dims),
    }  # fmt: skip
    return {"order": order, "extra": extra}
