"""Stochastic differential equations of an interpolant, Brownian paths, and exact ways to look at a scheme."""
