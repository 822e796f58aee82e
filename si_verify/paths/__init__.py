"""Whole trajectories with counter-based noise: the plain form, and one step of them exactly, with its condition."""
