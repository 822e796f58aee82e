"""Verdicts, numbers, times and names as a reader sees them: one spelling for the whole report."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from urllib.parse import quote, urlsplit

from si_verify.gate import Verdict


@dataclass(frozen=True)
class Spelling:
    """A verdict's name, its symbol (so that colour is never alone) and its place from worst to mildest."""

    name: str
    plural: str
    symbol: str
    severity: int


SPELLINGS: dict[Verdict, Spelling] = {
    Verdict.FAILED: Spelling("failed", "failed", "✗", 0),
    Verdict.UNEXPECTED_PASS: Spelling("unexpected pass", "unexpected passes", "✓!", 1),
    Verdict.ERROR: Spelling("error", "errors", "!", 2),
    Verdict.INCONCLUSIVE: Spelling("inconclusive", "inconclusive", "?", 3),
    Verdict.EXPECTED_FAILURE: Spelling("expected failure", "expected failures", "×", 4),
    Verdict.PASSED: Spelling("passed", "passed", "✓", 5),
    Verdict.SKIPPED: Spelling("skipped", "skipped", "–", 6),
}

_UNPRINTABLE = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u200b-\u200f\u202a-\u202e\u2066-\u2069\ufeff\ud800-\udfff]")


def printable(text: str) -> str:
    """``text`` without characters that could hide, reorder or break it: each becomes U+FFFD."""
    return _UNPRINTABLE.sub("\ufffd", text)


def number(value: float | None, digits: int = 4) -> str:
    """A number for a reader: ``digits`` significant digits, exponents without padding."""
    if value is None:
        return "–"
    if not math.isfinite(value):
        return "NaN" if math.isnan(value) else ("∞" if value > 0 else "−∞")
    text = f"{value:.{digits}g}"
    mantissa, mark, exponent = text.partition("e")
    return (mantissa + (f"e{int(exponent)}" if mark else "")).replace("-", "−")


def duration(seconds: float) -> str:
    """Seconds as a person says them."""
    if not math.isfinite(seconds):
        return "unknown"
    if seconds < 60:
        return f"{seconds:.2g} s" if seconds < 10 else f"{seconds:.0f} s"
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes} min" if hours else f"{minutes} min {rest} s"


def plural(count: int, one: str, many: str | None = None) -> str:
    """``1 result``, ``1,204 results``."""
    return f"{count:,} {one if count == 1 else many or one + 's'}"


def anchor(identity: str, record: int = 0) -> str:
    """The permalink's fragment of a result; on a page of several records of the one with this number."""
    return (f"r{record}=" if record else "r=") + quote(identity, safe="/", errors="replace")


def safe_link(link: str) -> str:
    """``link`` if it is plain http or https, else empty: a record must not bring scripts into a page."""
    try:
        parts = urlsplit(link)
    except ValueError:
        return ""
    return link if parts.scheme in ("http", "https") and parts.netloc and printable(link) == link else ""
