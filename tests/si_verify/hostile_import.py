"""A target whose module cannot be imported."""

from __future__ import annotations

import a_package_that_is_not_there  # noqa: F401
