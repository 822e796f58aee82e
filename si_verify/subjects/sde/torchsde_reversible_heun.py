"""torchsde's reversible Heun (Kidger et al., arXiv:2105.13493): weak order 1; strong order 1 if additive, else ½."""

from __future__ import annotations

from si_verify.subjects.sde.torchsde_adapter import subject

_HALF = {"diagonal": 0.5, "scalar": 0.5, "general": 0.5}

SUBJECT = subject(
    "torchsde/reversible-heun", "reversible_heun", "stratonovich", 1.0, 1.0,
    ("additive", "diagonal", "scalar", "general"), exceptions=_HALF,
)  # fmt: skip
