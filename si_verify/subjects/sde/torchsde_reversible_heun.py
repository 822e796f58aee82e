"""torchsde's reversible Heun (Kidger et al., arXiv:2105.13493): weak order 1; strong order 1 if additive, else ½."""

from __future__ import annotations

from si_verify.subject import ExpectedFailure
from si_verify.subjects.sde.torchsde_adapter import subject

_HALF = {"diagonal": 0.5, "scalar": 0.5, "general": 0.5}
_GROWS = ExpectedFailure(
    "law-state-noise",
    "the scheme's second state drifts from the first under a drift that contracts: right only at far smaller steps",
    "docs/findings.md#torchsde-reversible-heun-grows-under-a-drift-that-contracts",
    strict=False,  # gentle equations pass
)

SUBJECT = subject(
    "torchsde/reversible-heun", "reversible_heun", "stratonovich", 1.0, 1.0,
    ("additive", "diagonal", "scalar", "general"), exceptions=_HALF, expected_failures=(_GROWS,),
)  # fmt: skip
