"""Observed orders of convergence and what subjects claim of them."""
