"""Bundle: the scripts and styles of a page, all inline, and the policy that keeps the page from anything else."""

from __future__ import annotations

import base64
import hashlib
from functools import cache
from importlib import resources

SCRIPTS = ("page.js", "figures.js", "results.js", "pages.js", "history.js", "sortable.js", "main.js")


@cache
def vega() -> str:
    """Vega, Vega-Lite and Vega-Embed (with its expression interpreter: no ``eval``) as one script."""
    import vl_convert

    return _inline(vl_convert.javascript_bundle("window.vegaEmbed = vegaEmbed;"))


def _static(name: str) -> str:
    return resources.files("reports").joinpath("static", name).read_text(encoding="utf-8")


def _inline(script: str) -> str:
    """Text that an HTML parser hands to the script engine unchanged, as the policy's hash needs it."""
    script = script.replace("\r\n", "\n").replace("\r", "\n")
    if "</script" in script.lower() or "<!--" in script:
        raise ValueError("script: expected text that can stand inside <script>, it contains </script or <!--")
    return script


@cache
def app() -> str:
    """The page's own script."""
    body = "\n".join(_static(name) for name in SCRIPTS)
    return _inline(f"(() => {{\n'use strict';\n{body}\n}})();")


@cache
def styles() -> str:
    """The page's style sheet."""
    return _static("report.css")


def _hash(script: str) -> str:
    return "'sha256-" + base64.b64encode(hashlib.sha256(script.encode()).digest()).decode() + "'"


def policy() -> str:
    """Content security policy: these two scripts and inline styles, no other script, no eval, no request at all."""
    return (
        f"default-src 'none'; script-src {_hash(vega())} {_hash(app())}; style-src 'unsafe-inline'; "
        "img-src data: blob:; base-uri 'none'; form-action 'none'"
    )
