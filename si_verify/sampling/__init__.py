"""Samplers of diffusion models: their clocks, predictions and an ideal model."""
