"""Targets: a user's implementation, named as ``module:object`` or ``path/to/file.py:object``, as a Subject."""

from __future__ import annotations

import importlib
import importlib.util
import inspect
import sys
from collections.abc import Callable
from functools import cache
from pathlib import Path
from types import ModuleType
from typing import Any

from si_verify.case import Target
from si_verify.subject import Claims, Subject, SubjectError


class TargetError(ValueError):
    """A target that cannot be meant; the message says what was expected."""


def validate_spec(spec: str) -> tuple[str, str]:
    """Split ``place:object`` and see that a named file exists; imports nothing. Raises TargetError."""
    place, colon, name = spec.rpartition(":")
    if not colon or not place or not name:
        raise TargetError(f"TARGET: expected 'module:object' or 'path/to/file.py:object', got {spec!r}")
    if place.endswith(".py") and not Path(place).is_file():
        raise TargetError(f"TARGET: no such file {place!r}")
    return place, name


@cache
def _module(place: str) -> ModuleType:
    if not place.endswith(".py"):
        if "" not in sys.path:
            sys.path.insert(0, "")
        return importlib.import_module(place)
    path = Path(place).resolve()
    spec = importlib.util.spec_from_file_location(f"si_verify_target_{path.stem}", path)
    if spec is None or spec.loader is None:
        raise SubjectError(f"{place}: not a Python file")
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    sys.path.insert(0, str(path.parent))
    spec.loader.exec_module(module)
    return module


def load_object(spec: str) -> Any:
    """Import the target's module and return its object. Whatever goes wrong is the subject's failure."""
    place, name = validate_spec(spec)
    try:
        value: Any = _module(place)
        for part in name.split("."):
            value = getattr(value, part)
        return value
    except SubjectError:
        raise
    except Exception as error:
        raise SubjectError(f"{spec} could not be loaded: {type(error).__name__}: {error}") from error


def required_arguments(function: Callable[..., Any]) -> int:
    """How many positional arguments a callable needs; -1 if it does not tell."""
    try:
        parameters = inspect.signature(function).parameters.values()
    except (TypeError, ValueError):
        return -1
    positional = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
    return sum(p.kind in positional and p.default is inspect.Parameter.empty for p in parameters)


def field_builder(function: Callable[..., Any], quantity: str) -> Callable[..., dict[str, Callable[..., Any]]]:
    """A user's field in any of its three forms, as ``build(interpolant, dtype, device)``.

    ``field(t, x)`` is the field of the one problem it was written for; ``field(interpolant)`` returns such a
    function; ``field(interpolant, dtype, device)`` returns a function or a dict of them by quantity.
    """
    needed = required_arguments(function)

    def build(interpolant: Any, dtype: Any, device: Any) -> dict[str, Callable[..., Any]]:
        if needed == 1:
            made = function(interpolant)
        elif needed == 3:
            made = function(interpolant, dtype, device)
        else:
            made = function
        return made if isinstance(made, dict) else {quantity: made}

    return build


def _of_paths(claims: dict[str, Any]) -> dict[str, Any]:
    """``methods`` (one or more schemes; "euler" if none) and ``to_the_bit`` of a fused path, as its extra claims."""
    from si_verify.paths.schemes import SCHEMES

    rest = {key: value for key, value in claims.items() if key not in ("methods", "to_the_bit")}
    given = claims.get("methods", "euler")
    methods = (given,) if isinstance(given, str) else tuple(given)
    if not methods or not set(methods) <= set(SCHEMES):
        raise ValueError(f"methods: expected some of {', '.join(SCHEMES)}, got {given!r}")
    return rest | {"extra": {"methods": methods, "to_the_bit": bool(claims.get("to_the_bit", False))}}


def subject_of(name: str, kind: str, load: Callable[[], Any], claims: dict[str, Any]) -> Subject:
    """A Subject from a user's callable and the claims given with it. Raises ValueError for an unknown claim."""
    fields = set(Claims.__dataclass_fields__)
    if kind == "path":
        claims = _of_paths(claims)
    unknown = set(claims) - fields - {"quantity", "problem"}
    if unknown:
        raise ValueError(f"claims: unknown {sorted(unknown)}; expected some of {sorted(fields)}")
    known: dict[str, Any] = {key: value for key, value in claims.items() if key in fields}
    if "noise" in known:
        noise = known["noise"]
        known["noise"] = frozenset(noise.split(",") if isinstance(noise, str) else noise)
    quantity = claims.get("quantity", "velocity")
    if kind == "field":
        known["quantities"] = (quantity,)
        user_load = load
        load = lambda: field_builder(user_load(), quantity)  # noqa: E731
    dtypes = ("float64", "float32")
    return Subject(name=name, kind=kind, load=load, claims=Claims(**known), tags=frozenset({"user"}), dtypes=dtypes)  # type: ignore[arg-type]


@cache
def load_target(target: Target) -> Subject:
    """The Subject of a command-line target; its module is imported when it is loaded, not before."""
    try:
        return _built(target)
    except (TypeError, ValueError) as error:
        raise TargetError(f"claims of kind {target.kind}: {error}") from error


_SEVERAL = ("equations", "directions", "dims")  # of a density solver: one or more


def _built(target: Target) -> Subject:
    def load() -> Any:
        return load_object(target.spec)

    claims = dict(target.claims)
    learned = {key: value for key, value in claims.items() if key != "problem"}
    if target.kind == "drift":
        from si_verify.api_drift import drift_subject

        if "problem" not in claims:
            raise ValueError("problem: expected the one that the drift was trained on, as --problem NAME")
        return drift_subject(load, name=target.spec, **learned)
    if target.kind == "likelihood":
        from si_verify.api_likelihood import likelihood_subject

        return likelihood_subject(load, name=target.spec, **learned)
    return subject_of(target.spec, target.kind, load, _stated(target.kind, claims))


def _stated(kind: str, claims: dict[str, Any]) -> dict[str, Any]:
    """Claims as a command line states them, in the form that ``subject_of`` takes."""
    problem = {"problem": claims.pop("problem")} if "problem" in claims else {}
    if kind == "sampler":
        from si_verify.api_sampler import sampler_claims

        return sampler_claims(**claims) | problem
    if kind == "pde":
        from si_verify.api_pde import density_solver_claims

        several = {key: (claims[key],) for key in _SEVERAL if not isinstance(claims.get(key, ()), tuple)}
        return density_solver_claims(**claims | several) | problem
    return claims | problem


def parse_claim(text: str) -> tuple[str, Any]:
    """``key=value`` with numbers, true, false and comma lists read as such. Raises TargetError."""
    key, equals, value = text.partition("=")
    if not equals or not key.strip():
        raise TargetError(f"--claim: expected KEY=VALUE, got {text!r}")
    parts = [_value(part.strip()) for part in value.split(",")]
    return key.strip().replace("-", "_"), tuple(parts) if len(parts) > 1 else parts[0]


def _value(text: str) -> Any:
    if text.lower() in ("true", "false"):
        return text.lower() == "true"
    for number in (int, float):
        try:
            return number(text)
        except ValueError:
            continue
    return text
