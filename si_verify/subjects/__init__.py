"""Implementations under test, by interface. Each module exports SUBJECT or SUBJECTS and is discovered."""
