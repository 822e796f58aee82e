"""torchsde's Milstein schemes, with autograd or free of derivatives: weak and strong order 1 claimed for additive,
diagonal and scalar noise.
"""

from __future__ import annotations

from si_verify.subject import VARIANT
from si_verify.subjects.sde.torchsde_adapter import subject

_NOISE = ("additive", "diagonal", "scalar")

SUBJECTS = (
    subject("torchsde/milstein-ito", "milstein", "ito", 1.0, 1.0, _NOISE),
    subject("torchsde/milstein-ito-grad-free", "milstein", "ito", 1.0, 1.0, _NOISE, tags=(VARIANT,), grad_free=True),
    subject("torchsde/milstein-stratonovich", "milstein", "stratonovich", 1.0, 1.0, _NOISE),
    subject("torchsde/milstein-stratonovich-grad-free", "milstein", "stratonovich", 1.0, 1.0, _NOISE, grad_free=True),
)
