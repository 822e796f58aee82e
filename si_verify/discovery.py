"""Discovery: a subject, check or fault is a module that exports one constant, found by walking its package."""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Callable
from functools import cache
from types import ModuleType
from typing import Any, TypeVar

from si_verify.bench.workload import Workload
from si_verify.check import Check
from si_verify.faults.fault import Fault
from si_verify.subject import Subject

T = TypeVar("T")


def _modules(package: str) -> list[ModuleType]:
    root = importlib.import_module(package)
    names = sorted(info.name for info in pkgutil.walk_packages(root.__path__, package + "."))
    return [importlib.import_module(name) for name in names]


def _name(value: Any) -> str:
    return str(value.name)


def _collect(package: str, constant: str, of: type[T], key: Callable[[Any], str] = _name) -> dict[str, T]:
    found: dict[str, T] = {}
    for module in _modules(package):
        values: list[Any] = list(getattr(module, constant + "S", ()))
        values += [getattr(module, constant)] if hasattr(module, constant) else []
        for value in values:
            if not isinstance(value, of):
                raise TypeError(f"{module.__name__}.{constant}: expected a {of.__name__}, got {type(value).__name__}")
            name: str = key(value)
            if name in found:
                raise ValueError(f"{module.__name__}: the {of.__name__.lower()} name {name!r} is taken already")
            found[name] = value
    return found


@cache
def subjects() -> dict[str, Subject]:
    """Every built-in subject by name (constants SUBJECT, SUBJECTS under si_verify.subjects)."""
    return _collect("si_verify.subjects", "SUBJECT", Subject)


@cache
def checks() -> dict[str, Check]:
    """Every check by name (constants CHECK, CHECKS under si_verify.checks)."""
    return _collect("si_verify.checks", "CHECK", Check)


@cache
def faults() -> dict[str, Fault]:
    """Every seeded fault by name (constants FAULT, FAULTS under si_verify.faults)."""
    return _collect("si_verify.faults", "FAULT", Fault)


@cache
def workloads() -> dict[str, Workload]:
    """Every workload by name and task (constants WORKLOAD, WORKLOADS under si_verify.bench.workloads)."""
    return _collect("si_verify.bench.workloads", "WORKLOAD", Workload, lambda w: f"{w.name} {w.task}")
