"""What holds for all tests."""

from __future__ import annotations

from hypothesis import settings

# A deadline per example is a bound on how busy the machine may be, and fails tests of what is right.
settings.register_profile("si_verify", settings.default, deadline=None)
settings.load_profile("si_verify")
