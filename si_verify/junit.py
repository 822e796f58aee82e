"""JUnit XML of a record, for the test tabs of CI systems."""

from __future__ import annotations

import math
import re
import xml.etree.ElementTree as ET
from pathlib import Path

from si_verify.gate import Verdict
from si_verify.record import MeasurementRow, Record, Result

_ILLEGAL = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
_TAG = {
    Verdict.FAILED: "failure",
    Verdict.UNEXPECTED_PASS: "failure",
    Verdict.ERROR: "error",
    Verdict.SKIPPED: "skipped",
    Verdict.EXPECTED_FAILURE: "skipped",
    Verdict.INCONCLUSIVE: "skipped",
}


def _text(value: str) -> str:
    return _ILLEGAL.sub("\N{REPLACEMENT CHARACTER}", value)


def said(row: MeasurementRow) -> str:
    """A measurement in one line: value, unit, interval, what was expected."""
    words = f"{row.name} = {row.value:.6g}" + (f" {row.unit}" if row.unit else "")
    if row.interval is not None:
        words += f" (interval {row.interval[0]:.6g} to {row.interval[1]:.6g})"
    if row.bound is not None:
        words += f", expected {'≤' if row.relation == 'at_most' else '≥'} {row.bound:.6g}"
    return words


def properties(result: Result) -> list[tuple[str, str]]:
    """What JUnit keeps of a result; the measurement nearest to its bound, or furthest outside, comes first."""
    named = ("id", "verdict", "subject", "kind", "check", "problem", "dtype", "device", "seed", "claim", "reproduce")
    rows = sorted(result.measurements, key=lambda m: -math.inf if math.isnan(m.margin) else m.margin, reverse=True)
    return [(f"si_verify.{n}", str(getattr(result, n))) for n in named] + [
        ("si_verify.measurement", said(row)) for row in rows
    ]


def _testcase(suite: ET.Element, result: Result) -> None:
    name = f"{result.subject} on {result.problem} ({result.dtype})"
    case = ET.SubElement(
        suite, "testcase", classname=_text(f"si_verify.{result.check}"), name=_text(name), time=f"{result.seconds:.3f}"
    )
    kept = ET.SubElement(case, "properties")
    for key, value in properties(result):
        ET.SubElement(kept, "property", name=key, value=_text(value))
    tag = _TAG.get(result.verdict)
    if tag is not None:
        detail = ET.SubElement(case, tag, message=_text(f"{result.verdict}: {result.reason}"))
        detail.text = _text("\n".join(part for part in (result.reason, result.reproduce, result.traceback) if part))


def write_junit(record: Record, path: Path) -> None:
    """One test case a result; inconclusive and expected failures are skips that carry their reason."""
    count = {tag: sum(_TAG.get(r.verdict) == tag for r in record.results) for tag in ("failure", "error", "skipped")}
    suite = ET.Element(
        "testsuite",
        name="si-verify",
        tests=str(len(record.results)),
        failures=str(count["failure"]),
        errors=str(count["error"]),
        skipped=str(count["skipped"]),
        time=f"{sum(r.seconds for r in record.results):.3f}",
        timestamp=record.header.created,
    )
    for result in record.results:
        _testcase(suite, result)
    root = ET.Element("testsuites")
    root.append(suite)
    ET.indent(root)
    path.write_bytes(ET.tostring(root, encoding="utf-8", xml_declaration=True))
