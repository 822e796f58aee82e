"""Densities on grids and along particles against closed form."""
