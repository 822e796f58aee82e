"""The Fokker–Planck equation against py-pde, fplanck, FiPy and one step against torch, JAX, SciPy and numba."""
