"""torchdiffeq's wrapper of SciPy's LSODA (``scipy_solver``): variable order and step, Adams or BDF."""

from __future__ import annotations

from si_verify.subject import Claims, Subject
from si_verify.subjects.ode.torchdiffeq_adapter import MODULES, load_adaptive

SUBJECT = Subject(
    name="torchdiffeq/scipy_solver",
    kind="ode",
    load=load_adaptive("scipy_solver"),
    # Its Jacobian and its work space hold (N D)² numbers.
    claims=Claims(adaptive=True, extra={"rows_at_once": 256}),
    tags=frozenset({"torchdiffeq", "adaptive", "scipy"}),
    modules=(*MODULES, "scipy.integrate"),
    dtypes=("float64", "float32"),
    summary="torchdiffeq scipy_solver (LSODA)",
)
