"""Arbitrary-precision numbers behind one small interface: mpmath (the reference) and gmpy2 (the fast twin)."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, replace
from typing import Any, Protocol

import mpmath

try:
    import gmpy2
except ImportError:  # the oracle then runs on mpmath alone: same digits, slower
    gmpy2 = None

_BITS_PER_DIGIT = 3.3219280948873626  # log2(10)


class Arithmetic(Protocol):
    """What the oracle asks of its numbers. Every operation happens inside `session()`."""

    @property
    def digits(self) -> int: ...
    def session(self) -> AbstractContextManager[None]: ...
    def with_digits(self, digits: int) -> Arithmetic: ...
    def number(self, value: Any) -> Any: ...
    def exp(self, value: Any) -> Any: ...
    def log(self, value: Any) -> Any: ...
    def sqrt(self, value: Any) -> Any: ...
    def sin(self, value: Any) -> Any: ...
    def cos(self, value: Any) -> Any: ...
    def pi(self) -> Any: ...
    def text(self, value: Any, digits: int) -> str: ...


@dataclass(frozen=True)
class MpmathArithmetic:
    """mpmath numbers with `digits` decimal digits, in a context of their own (mpmath.mp stays untouched)."""

    digits: int = 140

    def __post_init__(self) -> None:
        context = mpmath.MPContext()
        context.dps = self.digits
        object.__setattr__(self, "_context", context)

    @contextmanager
    def session(self) -> Iterator[None]:
        yield

    def with_digits(self, digits: int) -> MpmathArithmetic:
        return replace(self, digits=digits)

    def number(self, value: Any) -> Any:
        return self._context.mpf(value)  # type: ignore[attr-defined]

    def exp(self, value: Any) -> Any:
        return self._context.exp(value)  # type: ignore[attr-defined]

    def log(self, value: Any) -> Any:
        return self._context.log(value)  # type: ignore[attr-defined]

    def sqrt(self, value: Any) -> Any:
        return self._context.sqrt(value)  # type: ignore[attr-defined]

    def sin(self, value: Any) -> Any:
        return self._context.sin(value)  # type: ignore[attr-defined]

    def cos(self, value: Any) -> Any:
        return self._context.cos(value)  # type: ignore[attr-defined]

    def pi(self) -> Any:
        return +self._context.pi  # type: ignore[attr-defined]

    def text(self, value: Any, digits: int) -> str:
        nstr = self._context.nstr  # type: ignore[attr-defined]
        return _plain(nstr(value, digits, strip_zeros=False, min_fixed=1, max_fixed=0, show_zero_exponent=True))


@dataclass(frozen=True)
class GmpyArithmetic:
    """MPFR numbers with `digits` decimal digits; the precision holds inside `session()` only."""

    digits: int = 140

    def __post_init__(self) -> None:
        if gmpy2 is None:
            raise ImportError("GmpyArithmetic needs gmpy2; MpmathArithmetic does the same without it")

    def session(self) -> AbstractContextManager[None]:
        # The widest exponents there are.
        return gmpy2.context(  # type: ignore[no-any-return]
            precision=int(self.digits * _BITS_PER_DIGIT) + 8,
            emax=gmpy2.get_emax_max(),
            emin=gmpy2.get_emin_min(),
        )

    def with_digits(self, digits: int) -> GmpyArithmetic:
        return replace(self, digits=digits)

    def number(self, value: Any) -> Any:
        return gmpy2.mpfr(value)

    def exp(self, value: Any) -> Any:
        return gmpy2.exp(value)

    def log(self, value: Any) -> Any:
        return gmpy2.log(value)

    def sqrt(self, value: Any) -> Any:
        return gmpy2.sqrt(value)

    def sin(self, value: Any) -> Any:
        return gmpy2.sin(value)

    def cos(self, value: Any) -> Any:
        return gmpy2.cos(value)

    def pi(self) -> Any:
        return gmpy2.const_pi()

    def text(self, value: Any, digits: int) -> str:
        return _plain(f"{value:.{digits - 1}e}")


def _plain(text: str) -> str:
    """One spelling of the exponent for both: 1.50e-1."""
    mantissa, _, exponent = text.partition("e")
    return f"{mantissa}e{int(exponent or 0)}"


def fastest(digits: int = 140) -> Arithmetic:
    """`GmpyArithmetic` where gmpy2 is installed, `MpmathArithmetic` elsewhere."""
    return MpmathArithmetic(digits) if gmpy2 is None else GmpyArithmetic(digits)
