"""The one-step schemes that fused path kernels have, as tables.

y_1 = x,   f_j = drift(t + c_j h, y_j),   y_{j+1} = x + a_j h f_j + n_j σ z,   x' = x + h Σ b_j f_j + σ z
"""

from __future__ import annotations

# c, b, a, n of every stage. rk4 takes no noise.
SCHEMES: dict[str, tuple[tuple[float, float, float, float], ...]] = {
    "euler": ((0.0, 1.0, 0.0, 0.0),),
    "heun": ((0.0, 0.5, 1.0, 1.0), (1.0, 0.5, 0.0, 0.0)),
    "rk4": ((0.0, 1 / 6, 0.5, 0.0), (0.5, 1 / 3, 0.5, 0.0), (0.5, 1 / 3, 1.0, 0.0), (1.0, 1 / 6, 0.0, 0.0)),
}
