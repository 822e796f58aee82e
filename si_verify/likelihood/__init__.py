"""Likelihood of learned flows and diffusions: estimators, bounds, and what the checks of both share."""
