"""Making the frozen values, and comparing them with values made again."""

from __future__ import annotations

import platform
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from importlib.metadata import version
from typing import Any

import mpmath

from analytic.oracle import FIELDS, JointMixture, MpmathArithmetic, Oracle, Path
from analytic.reference.cases import TIMES, ReferenceCase, cases

SCHEMA = 1
DIGITS = 30
WORKING_DIGITS = 140
AGREE = mpmath.mpf(10) ** -(DIGITS - 2)
"""Relative distance of two roundings to DIGITS digits of one number: below one unit of the last but one."""

NOTHING = mpmath.mpf(10) ** -40
"""A limit at an end is approached to 10^-(WORKING_DIGITS / 2) or its root; what is smaller than this is 0 there."""


def freeze_case(case: ReferenceCase, only: Sequence[int] | None = None) -> dict[str, Any]:
    """The case as it stands in the file; `only` picks points by number."""
    oracle = Oracle(case.mixture(), case.oracle_path(), MpmathArithmetic(WORKING_DIGITS))
    places = [(t, x) for t in TIMES for x in case.points]
    return {
        "name": case.name,
        "coupling": case.coupling,
        "path": case.path,
        "points": [
            {"t": t, "x": list(x), "values": {field: _value(oracle, field, t, x) for field in FIELDS}}
            for n, (t, x) in enumerate(places)
            if only is None or n in only
        ],
    }


def _value(oracle: Oracle, field: str, t: float, x: Sequence[float]) -> list[str] | dict[str, str]:
    if oracle.doubtful(t):
        reason = oracle.undefined(field, t, x)
        if reason is not None:
            return {"undefined": reason}
    texts = oracle.text(field, t, x, DIGITS)
    return ["0" if abs(mpmath.mpf(text)) < NOTHING else text for text in texts]


def freeze() -> dict[str, Any]:
    """The whole document."""
    return {
        "schema": SCHEMA,
        "provenance": {
            "command": "python -m analytic.reference regenerate",
            "method": "analytic.oracle: densities of the joint law by elimination, fields by central differences",
            "mpmath": version("mpmath"),
            "backend": str(mpmath.libmp.BACKEND),
            "python": platform.python_version(),
            "working_digits": WORKING_DIGITS,
            "digits": DIGITS,
            "date": datetime.now(UTC).date().isoformat(),
        },
        "fields": list(FIELDS),
        "cases": [freeze_case(case) for case in cases()],
    }


def differences(frozen: dict[str, Any], stride: int = 1, offset: int = 0) -> Iterator[str]:
    """One line for each value that comes out otherwise when every `stride`-th point is made again."""
    count = 0
    known = {case.name: case for case in cases()}
    for entry in frozen["cases"]:
        case = known.get(entry["name"])
        if case is None:
            yield f"{entry['name']}: not among the cases of analytic/reference/cases.py"
            continue
        if entry["coupling"] != case.coupling or entry["path"] != case.path:
            yield f"{entry['name']}: its coupling or path is not that of analytic/reference/cases.py"
            continue
        oracle = Oracle(JointMixture(**entry["coupling"]), Path(**entry["path"]), MpmathArithmetic(WORKING_DIGITS))
        for point in entry["points"]:
            count += 1
            if (count + offset) % stride:
                continue
            for field, old in point["values"].items():
                new = _value(oracle, field, point["t"], point["x"])
                if not same(old, new):
                    yield f"{entry['name']}, t = {point['t']!r}, x = {point['x']}, {field}: frozen {old}, now {new}"


def same(old: list[str] | dict[str, str], new: list[str] | dict[str, str]) -> bool:
    """Whether two entries agree to their digits, or are both undefined."""
    if isinstance(old, dict) or isinstance(new, dict):
        return isinstance(old, dict) and isinstance(new, dict)
    with mpmath.workdps(2 * DIGITS):
        pairs = [(mpmath.mpf(a), mpmath.mpf(b)) for a, b in zip(old, new, strict=True)]
        return all(abs(a - b) <= AGREE * abs(a) for a, b in pairs)
