"""py-pde, fplanck and FiPy on the problem of relaxation.py, each as its own documentation does it."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from typing import Any

import numpy as np

from benchmarks.pde.relaxation import END, EPSILON, REACH, Attempt, averages
from si_verify.subject import Unavailable

Solve = Callable[[], np.ndarray]


def _import(name: str, package: str) -> Any:
    try:
        return importlib.import_module(name)
    except ImportError as error:
        raise Unavailable(f"{package} is not installed ({error})") from error


def py_pde(n: int, tolerance: float) -> Solve:
    """Method of lines, compiled right side, adaptive explicit Runge–Kutta 4(5)."""
    pde = _import("pde", "py-pde")
    box = pde.CartesianGrid([[-REACH, REACH]] * 2, [n, n], periodic=False)
    equation = pde.PDE({"c": f"{EPSILON} * laplace(c) + c + 0.5 * (x * d_dx(c) + y * d_dy(c))"}, bc={"derivative": 0})
    start = pde.ScalarField(box, averages(n, 0.0))

    solver = pde.RungeKuttaSolver(equation, adaptive=True, tolerance=tolerance, backend="numba")
    stepper = solver.make_stepper(start.copy(), dt=1e-3)

    def run() -> np.ndarray:
        rho = start.copy()
        stepper(rho, 0.0, END)
        return np.asarray(rho.data)

    return run


def fplanck(n: int, assembled: bool) -> Solve:
    """Its master equation, carried by the matrix exponential; with ``assembled`` the matrix is there."""
    if not hasattr(np, "product"):
        setattr(np, "product", np.prod)  # noqa: B010  (it calls what numpy 2 no longer has)
    package = _import("fplanck", "fplanck")
    from scipy.sparse.linalg import expm_multiply

    width, start = 2 * REACH / n, averages(n, 0.0)

    def model() -> Any:
        # Diffusion k T / drag = ε and mobility 1: a force −x/2 is the drift.
        made = package.fokker_planck(
            temperature=EPSILON / package.k, drag=1.0, extent=[n * width * (1 - 1e-9)] * 2, resolution=width,
            force=lambda x, y: np.stack([-0.5 * x, -0.5 * y]), boundary=package.boundary.reflecting,
        )  # fmt: skip
        if tuple(made.Ngrid) != start.shape:
            raise ValueError(f"fplanck: expected a grid of {start.shape}, got {tuple(made.Ngrid)}")
        return made

    def propagate(made: Any) -> np.ndarray:
        # What its propagate() does, without its rescaling of the initial law to a sum of one.
        return expm_multiply(made.master_matrix * END, start.reshape(-1)).reshape(start.shape)

    if assembled:
        held = model()
        return lambda: propagate(held)
    return lambda: propagate(model())


def fipy(n: int, steps: int) -> Solve:
    """Implicit finite volumes, power-law convection, LU of every step's matrix."""
    package = _import("fipy", "FiPy")
    width = 2 * REACH / n
    mesh = package.Grid2D(nx=n, ny=n, dx=width, dy=width) + np.full((2, 1), -REACH)
    start = averages(n, 0.0)
    rho = package.CellVariable(mesh=mesh, value=start.T.reshape(-1))
    drift = package.FaceVariable(mesh=mesh, rank=1, value=-0.5 * np.asarray(mesh.faceCenters))
    drift.setValue(0.0, where=mesh.exteriorFaces)
    equation = package.TransientTerm() + package.PowerLawConvectionTerm(coeff=drift) == package.DiffusionTerm(EPSILON)
    solver = package.LinearLUSolver()

    def run() -> np.ndarray:
        rho.setValue(start.T.reshape(-1))
        for _ in range(steps):
            equation.solve(var=rho, dt=END / steps, solver=solver)
        return np.asarray(rho.value).reshape(n, n).T

    return run


def scipy_sparse(n: int, steps: int) -> Solve:
    """As one writes it: central finite volumes in a sparse matrix, Crank–Nicolson, one LU for all steps."""
    from scipy import sparse
    from scipy.sparse.linalg import splu

    width, start = 2 * REACH / n, averages(n, 0.0)

    def run() -> np.ndarray:
        faces = np.linspace(-REACH, REACH, n + 1)[1:-1]
        # Flux F = p ρ_L − q ρ_R through the inner faces of a line.
        p, q = (EPSILON / width + sign * 0.5 * (-0.5 * faces) for sign in (1.0, -1.0))
        here = np.zeros(n)
        here[:-1] -= p
        here[1:] -= q
        line = sparse.diags_array([p, here, q], offsets=[-1, 0, 1]) / width
        rate = sparse.kron(line, sparse.eye_array(n)) + sparse.kron(sparse.eye_array(n), line)
        half = 0.5 * END / steps * rate
        one = sparse.eye_array(n * n)
        factors, explicit = splu((one - half).tocsc()), (one + half).tocsr()
        rho = start.reshape(-1)
        for _ in range(steps):
            rho = factors.solve(explicit @ rho)
        return rho.reshape(n, n)

    return run


def packages() -> list[Attempt]:
    """Each package over its grids."""
    found = [
        Attempt("py-pde", f"{n} x {n}, tolerance {tol:g}", lambda n=n, tol=tol: py_pde(n, tol))  # type: ignore[misc]
        for n, tol in ((64, 1e-4), (128, 1e-5), (256, 1e-5))
    ]
    for n in (48, 96, 128):
        found += [
            Attempt("fplanck", f"{n} x {n}", lambda n=n: fplanck(n, assembled=False)),  # type: ignore[misc]
            Attempt("fplanck, matrix at hand", f"{n} x {n}", lambda n=n: fplanck(n, assembled=True)),  # type: ignore[misc]
        ]
    found += [
        Attempt("FiPy", f"{n} x {n}, {steps} steps", lambda n=n, steps=steps: fipy(n, steps))  # type: ignore[misc]
        for n, steps in ((48, 40), (96, 60))
    ]
    found += [
        Attempt("SciPy sparse", f"{n} x {n}, {steps} steps", lambda n=n, steps=steps: scipy_sparse(n, steps))  # type: ignore[misc]
        for n, steps in ((64, 16), (128, 32))
    ]
    return found
