"""Subjects of kind path: whole trajectories in one call, with noise that anyone can draw again."""
