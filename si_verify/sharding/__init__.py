"""Mixture fields over several processes or devices: rows shared out, or components with an exact merge."""
