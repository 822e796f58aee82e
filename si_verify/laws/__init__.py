"""Samples against the exact law they should have."""
