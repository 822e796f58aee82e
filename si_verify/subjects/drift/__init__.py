"""Drifts and objectives under test."""
