"""Regression: did a change make anything wrong or slow? Two records, or two revisions side by side."""
