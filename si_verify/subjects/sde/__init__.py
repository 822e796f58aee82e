"""SDE solvers."""
