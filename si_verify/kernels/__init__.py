"""Fused kernels of the mixture fields and paths, and what they share: the packed law (pack.py), noise (philox.py)."""
