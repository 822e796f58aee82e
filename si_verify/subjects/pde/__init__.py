"""Solvers of the transport and Fokker–Planck equations: densities on grids, log-densities along particles.

Grid solvers are ``solve(problem, times)`` on a ``DensityProblem`` (si_verify/density/problem.py), particle solvers take
a ``ParticleProblem`` (si_verify/density/particles.py). One scheme a file; what schemes share lies beside them.
"""
