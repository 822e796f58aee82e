"""torchsde's Euler–Maruyama: weak order 1; strong order 1 for additive noise, ½ else (its own claims)."""

from __future__ import annotations

from si_verify.subject import VARIANT
from si_verify.subjects.sde.torchsde_adapter import subject

SUBJECTS = (
    subject("torchsde/euler", "euler", "ito", 1.0, 0.5, ("additive", "diagonal", "scalar", "general")),
    subject("torchsde/euler-additive", "euler", "ito", 1.0, 1.0, ("additive",), additive=True, tags=(VARIANT,)),
)
