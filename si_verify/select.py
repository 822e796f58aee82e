"""Selection expressions over names and tags: ``order and (torchdiffeq/* or kind=sde) and not problem=digits``.

Words are names, tags or shell globs; ``key=word`` restricts a word to one kind of name (subject, check, problem,
kind, family, tag, dtype). ``and``, ``or`` (also ``,``), ``not`` and parentheses combine them.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from fnmatch import fnmatchcase

Labels = Mapping[str, Iterable[str]]
Predicate = Callable[[Labels], bool]
KEYS = ("subject", "check", "problem", "kind", "family", "tag", "dtype")
_TOKEN = re.compile(r"\s*([(),]|[^\s(),]+)")


class SelectError(ValueError):
    """A selection expression that does not parse; the message points at the place."""


def _word(token: str) -> Predicate:
    key, equals, pattern = token.partition("=")
    if equals:
        if key not in KEYS:
            raise SelectError(f"select: unknown key {key!r} in {token!r}; expected one of {', '.join(KEYS)}")
        return lambda labels: any(fnmatchcase(name, pattern) for name in labels.get(key, ()))
    return lambda labels: any(fnmatchcase(name, token) for names in labels.values() for name in names)


def parse(expression: str) -> Predicate:
    """Compile an expression; the empty one selects everything. Raises SelectError."""
    tokens = _TOKEN.findall(expression)
    position = 0

    def peek() -> str | None:
        return tokens[position] if position < len(tokens) else None

    def take() -> str:
        nonlocal position
        position += 1
        return tokens[position - 1]

    def disjunction() -> Predicate:
        terms = [conjunction()]
        while peek() in ("or", ","):
            take()
            terms.append(conjunction())
        return terms[0] if len(terms) == 1 else lambda labels: any(term(labels) for term in terms)

    def conjunction() -> Predicate:
        terms = [negation()]
        while peek() == "and":
            take()
            terms.append(negation())
        return terms[0] if len(terms) == 1 else lambda labels: all(term(labels) for term in terms)

    def negation() -> Predicate:
        token = peek()
        if token is None or token in (")", ",", "and", "or"):
            raise SelectError(f"select: expected a name after {' '.join(tokens[:position])!r} in {expression!r}")
        take()
        if token == "not":
            inner = negation()
            return lambda labels: not inner(labels)
        if token == "(":
            inner = disjunction()
            if peek() != ")":
                raise SelectError(f"select: missing ')' in {expression!r}")
            take()
            return inner
        return _word(token)

    if not tokens:
        return lambda labels: True
    predicate = disjunction()
    if peek() is not None:
        raise SelectError(f"select: unexpected {peek()!r} in {expression!r} (combine words with and, or, not)")
    return predicate
