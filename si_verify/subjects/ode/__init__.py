"""Probability-flow ODE solvers."""
