"""Likelihood estimators under test."""
