"""Frozen values of every field, 30 digits each, with where they come from.

`values.json` holds for each case its coupling (floats, exact), its path and, for each point (t, x), every field of
INTERFACE.md as decimal strings, or the reason why it does not exist. The oracle in mpmath made them
(`python -m analytic.reference regenerate`); `python -m analytic.reference verify` makes them again and compares.

Other libraries may read the file without this package: nothing in it refers to code.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

VALUES = Path(__file__).with_name("values.json")


def load() -> dict[str, Any]:
    """The document: `schema`, `provenance` and `cases`."""
    return json.loads(VALUES.read_text(encoding="utf-8"))  # type: ignore[no-any-return]
