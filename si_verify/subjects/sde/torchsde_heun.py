"""torchsde's Heun scheme (Stratonovich): weak order 1, strong order 1 (½ for general noise) claimed."""

from __future__ import annotations

from si_verify.subjects.sde.torchsde_adapter import subject

_NOISE = ("additive", "diagonal", "scalar", "general")

SUBJECT = subject("torchsde/heun", "heun", "stratonovich", 1.0, 1.0, _NOISE, exceptions={"general": 0.5})
