"""Trajectories in eager torch: the plain reference of the fused ones."""

from __future__ import annotations

from si_verify.paths.plain import planner
from si_verify.subject import Claims, Subject

SUBJECT = Subject(
    name="torch/paths",
    kind="path",
    load=planner,
    claims=Claims(extra={"methods": ("euler", "heun", "rk4")}),
    tags=frozenset({"torch", "eager"}),
    modules=("si_verify.paths.plain", "si_verify.kernels.philox"),
    dtypes=("float64", "float32"),
    summary="Euler–Maruyama, stochastic Heun and RK4 step by step, Philox noise by particle and step",
)
