"""The one error of the yardstick that is not plain bad input."""

from __future__ import annotations


class FieldUndefinedError(ValueError):
    """A field was asked for where it does not exist.

    Examples: the score of a point mass at its own end, the denoiser E[z | x] where gamma(t) = 0, a
    velocity whose finite products do not exist, a time outside [0, 1]. The message says which and why.
    It is a ValueError, so that code which only guards against bad input keeps working.
    """
