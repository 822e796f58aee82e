"""Mixture fields and whole trajectories: every discovered workload under pytest-benchmark, and the page of a record."""
