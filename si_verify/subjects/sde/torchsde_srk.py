"""torchsde's stochastic Runge–Kutta (Rößler 2010: SRID2, SRA1 for additive noise): weak and strong order 1½ claimed."""

from __future__ import annotations

from si_verify.subject import VARIANT
from si_verify.subjects.sde.torchsde_adapter import subject

SUBJECTS = (
    subject("torchsde/srk", "srk", "ito", 1.5, 1.5, ("additive", "diagonal", "scalar")),
    subject("torchsde/srk-additive", "srk", "ito", 1.5, 1.5, ("additive",), additive=True, tags=(VARIANT,)),
)
