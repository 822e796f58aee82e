"""The oracle: every field of an interpolant in arbitrary precision, from the definitions alone.

Second witness for `analytic`, sharing no formula with its siblings:

- α, β, γ are the textbook functions, evaluated exactly at the given float64 t; their rates are differentiated
  numerically;
- ρ(t, ·) is the law of the linear map [αI, βI, γI] of the jointly Gaussian (x0, x1, z): the covariance is the
  double sum over blocks, the density comes from Gaussian elimination;
- score, Hessian, Laplacian and ∂_t are central differences of log ρ;
- a conditional mean E[y | x_t = x] is ∂_λ log E[e^{λy}; x_t = x] at λ = 0 (the definition, as a logarithmic
  derivative of a tilted density), differentiated numerically; `quadrature` integrates the same means directly
  where the dimension allows, which is how the tilt itself is checked;
- a value at t = 0 or 1 is the limit from inside.

`MpmathArithmetic` is the reference. `GmpyArithmetic` runs the same code on MPFR numbers, about four times
faster, for the large cases; `tests/analytic/test_oracle.py` holds the two to each other.

Source: Albergo, Boffi, Vanden-Eijnden (arXiv:2303.08797), section 2 (the law and the fields as conditional means).
"""

from __future__ import annotations

from analytic.oracle.arithmetic import Arithmetic, GmpyArithmetic, MpmathArithmetic, fastest
from analytic.oracle.fields import SCALAR_FIELDS, TRACE_FIELDS, VECTOR_FIELDS, Point
from analytic.oracle.law import JointMixture, SingularLawError
from analytic.oracle.oracle import FIELDS, Oracle
from analytic.oracle.path import PATHS, Path
from analytic.oracle.quadrature import conditional_means

__all__ = [
    "FIELDS",
    "PATHS",
    "SCALAR_FIELDS",
    "TRACE_FIELDS",
    "VECTOR_FIELDS",
    "Arithmetic",
    "GmpyArithmetic",
    "JointMixture",
    "MpmathArithmetic",
    "Oracle",
    "Path",
    "Point",
    "SingularLawError",
    "conditional_means",
    "fastest",
]
