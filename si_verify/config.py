"""Configuration: defaults from ``[tool.si-verify]`` of the nearest pyproject.toml; the command line wins."""

from __future__ import annotations

import sys
import tomllib
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError


class ConfigError(ValueError):
    """A configuration that cannot be used; the message names the file and the key."""


class Config(BaseModel):
    """Keys of ``[tool.si-verify]``; each is the default of the option of the same name."""

    model_config = ConfigDict(extra="forbid", frozen=True, alias_generator=lambda name: name.replace("_", "-"))

    profile: Literal["quick", "standard", "full"] = "quick"
    device: str = "auto"
    dtype: Literal["float64", "float32", "all"] = "all"
    seed: int = Field(default=0, ge=0, lt=2**63)
    budget: float = Field(default=1e-6, gt=0, lt=1)
    select: str = ""
    jobs: int = Field(default=0, ge=0, description="worker processes; 0 means one per core, at most 8")
    timeout: float = Field(default=300.0, gt=0, description="seconds a case may take")
    memory: float = Field(default=0.0, ge=0, description="GiB a CPU worker's cases may take; 0 means its share of all")
    executor: str = Field(default="local", description="local, dask://host:port or slurm://partition?chunk=N")
    output: str = "si-verify-out"
    strict: bool = False


def find_pyproject(start: Path) -> Path | None:
    """The nearest pyproject.toml at or above ``start``."""
    for folder in (start, *start.parents):
        if (folder / "pyproject.toml").is_file():
            return folder / "pyproject.toml"
    return None


def _complaint(error: ValidationError) -> str:
    first = error.errors()[0]
    key = ".".join(str(part) for part in first["loc"])
    if first["type"] == "extra_forbidden":
        known = ", ".join(name.replace("_", "-") for name in Config.model_fields)
        return f"unknown key {key!r}; expected one of {known}"
    return f"key {key!r}: {first['msg'].lower()}, got {first['input']!r}"


def load_config(start: Path | None = None, overrides: dict[str, Any] | None = None) -> Config:
    """Defaults, then the file's section, then ``overrides`` that are not None. Raises ConfigError."""
    path = find_pyproject((start or Path.cwd()).resolve())
    section: Any = {}
    if path is not None:
        try:
            section = tomllib.loads(path.read_text(encoding="utf-8")).get("tool", {}).get("si-verify", {})
        except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
            raise ConfigError(f"{path}: cannot be read: {error}") from error
    if not isinstance(section, dict):
        raise ConfigError(f"{path}: [tool.si-verify]: expected a table, got {type(section).__name__}")
    try:
        Config.model_validate(section)
    except ValidationError as error:
        raise ConfigError(f"{path}: [tool.si-verify]: {_complaint(error)}") from error
    given = {key.replace("_", "-"): value for key, value in (overrides or {}).items() if value is not None}
    try:
        return Config.model_validate({**section, **given})
    except ValidationError as error:
        raise ConfigError(f"command line: {_complaint(error)}") from error


def main(paths: list[str]) -> int:
    """The pre-commit hook: is ``[tool.si-verify]`` of these files usable? Says what is not, exit 2."""
    from si_verify.select import SelectError, parse

    code = 0
    for path in paths:
        try:
            parse(load_config(Path(path).parent).select)
        except (ConfigError, SelectError) as error:
            said = str(error) if isinstance(error, ConfigError) else f"{path}: [tool.si-verify]: key 'select': {error}"
            print(said, file=sys.stderr)
            code = 2
    return code


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
