"""How each kind of ``Data`` is drawn: one file a kind, each exporting ``DRAWER``, found by walking this package."""

from __future__ import annotations

import importlib
import pkgutil
from functools import cache

from reports.figures.drawer import Drawer


@cache
def drawers() -> dict[str, Drawer]:
    """Every drawer by the kind of Data it draws, in the order of the page."""
    found: dict[str, Drawer] = {}
    for info in pkgutil.iter_modules(__path__, __name__ + "."):
        drawer = getattr(importlib.import_module(info.name), "DRAWER", None)
        if drawer is None:
            continue
        if not isinstance(drawer, Drawer):
            raise TypeError(f"{info.name}.DRAWER: expected a Drawer, got {type(drawer).__name__}")
        if drawer.kind in found:
            raise ValueError(f"{info.name}: the kind {drawer.kind!r} is drawn already")
        found[drawer.kind] = drawer
    return dict(sorted(found.items(), key=lambda item: item[1].rank))
