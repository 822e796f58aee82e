"""Fused kernels of the mixture fields and paths, and what they share: the packed law (pack.py), noise (philox.py)."""

from pathlib import Path

from si_verify.kernels.stale import forget_stale

forget_stale(Path(__file__).parent, Path(__file__).parent.parent / "subjects" / "pde")
