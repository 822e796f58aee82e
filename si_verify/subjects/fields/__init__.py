"""Mixture fields: log-density, score and velocity."""
