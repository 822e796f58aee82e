"""Theme: one look for the pictures of the page and for those drawn without a browser.

A text that starts with ``--`` names a colour of the style sheet, so that there is one palette; the page's script puts
in the reader's scheme, light or dark.
"""

from __future__ import annotations

import re
from functools import cache
from typing import Any

SHAPES = ("circle", "square", "triangle-up", "cross", "diamond", "triangle-right", "triangle-down", "triangle-left")

_AXIS = {
    "domainColor": "--rule",
    "tickColor": "--rule",
    "gridColor": "--grid",
    "labelColor": "--muted",
    "titleColor": "--muted",
    "labelFontSize": 11,
    "titleFontSize": 11,
    "titleFontWeight": "normal",
    "labelPadding": 4,
    "tickSize": 4,
    "gridWidth": 1,
    "titlePadding": 8,
}
_HEAT = ["--heat0", "--heat1", "--heat2"]

CONFIG: dict[str, Any] = {
    "background": None,
    "view": {"stroke": None},
    "axis": _AXIS,
    "axisX": {"labelFlush": True},
    "axisY": {"domain": False, "ticks": False},
    "header": {"labelColor": "--muted", "labelFontSize": 11, "titleColor": "--muted", "labelPadding": 4},
    "facet": {"spacing": 18},
    "range": {"category": [f"--c{i}" for i in range(8)], "symbol": list(SHAPES), "heatmap": _HEAT, "ramp": _HEAT},
    "style": {
        "guide": {"color": "--muted", "opacity": 0.8},
        "side-note": {"color": "--muted", "fontSize": 11},
        "limit": {"color": "--failed"},
        "exact-area": {"color": "--c0", "fillOpacity": 0.16},
        "exact-line": {"color": "--c0"},
        "sampled-line": {"color": "--c1"},
        "ridge-area": {"color": "--c0", "fillOpacity": 0.12},
        "sample-dot": {"color": "--ink", "opacity": 0.55, "size": 6},
        "history-point": {"color": "--ink", "opacity": 0.85},
        "path-start": {"color": "--muted", "opacity": 0.7},
        "path-end": {"color": "--ink", "opacity": 0.85},
    },
}


@cache
def light() -> dict[str, str]:
    """The style sheet's colours in the light scheme, by their names without dashes."""
    from reports.bundle import styles

    first = styles().partition("@media")[0]
    return dict(re.findall(r"--([a-z0-9_-]+):\s*(#[0-9a-fA-F]{3,8});", first))


def coloured(node: Any, palette: dict[str, str]) -> Any:
    """``node`` with colours in place of their names."""
    if isinstance(node, dict):
        return {k: coloured(v, palette) for k, v in node.items()}
    if isinstance(node, list):
        return [coloured(v, palette) for v in node]
    return palette[node[2:]] if isinstance(node, str) and node.startswith("--") else node
