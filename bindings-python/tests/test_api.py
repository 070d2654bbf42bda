"""The public surface of the Python face is exactly what core/tests/vectors/api.json says: nothing missing, nothing more."""

from __future__ import annotations

import inspect
import json
import pathlib
import types
from typing import Any

import pytest

import guarita

REPOSITORY = pathlib.Path(__file__).resolve().parents[2]
API = json.loads((REPOSITORY / "core" / "tests" / "vectors" / "api.json").read_text(encoding="utf-8"))
NOUNS = {noun["python"]: noun["methods"] for noun in API["nouns"] if noun["python"]}
CODES = {code["python"] for code in API["codes"]}
#: What every module has, and the types of configs.
OWN = {"__version__", "types"}


def public(kind: type) -> set[str]:
    """The members that a class has of its own. What a language does in its own way is not looked at: lengths, loops,
    `with`, equality, text, pickling."""
    names = {*vars(kind), *inspect.get_annotations(kind)}
    return {name for name in names if not name.startswith("_")}


def entries(noun: str) -> dict[str, str]:
    """The kinds of the members that a noun should have, by name."""
    return {one["python"]: one["kind"] for one in NOUNS[noun] if one["python"]}


def test_names() -> None:
    there = {name for name in guarita.__all__ if name not in OWN}
    assert len(guarita.__all__) == len(set(guarita.__all__))
    wanted = {*NOUNS, *CODES, *(function["python"] for function in API["functions"] if function["python"])}
    assert wanted - there == set(), "missing"
    assert there - wanted == set(), "more than api.json has"
    assert {name for name in vars(guarita) if not name.startswith("_")} <= {*there, *OWN}, "not in __all__"


@pytest.mark.parametrize("noun", NOUNS)
def test_members(noun: str) -> None:
    kind, wanted = getattr(guarita, noun), entries(noun)
    assert inspect.isclass(kind)
    plain = {name for name in wanted if not name.startswith("_")}
    assert plain - public(kind) == set(), "missing"
    assert public(kind) - plain == set(), "more than api.json has"
    for name, how in wanted.items():
        assert name in vars(kind) or name in inspect.get_annotations(kind), name
        if how == "method":
            assert callable(getattr(kind, name)), f"{name} is no method"
        elif how == "property" and not name.startswith("_"):
            assert not callable(getattr(kind, name, None)), f"{name} is no property"
    assert "__new__" in wanted or "__new__" not in vars(kind), "a constructor more than api.json has"


@pytest.mark.parametrize("code", API["codes"], ids=lambda code: str(code["name"]))
def test_codes(code: dict[str, Any]) -> None:
    kind = getattr(guarita, code["python"])
    assert issubclass(kind, guarita.GuaritaError) and kind.code == code["name"]
    assert public(kind) <= entries("GuaritaError").keys()


def test_functions() -> None:
    for function in API["functions"]:
        assert isinstance(getattr(guarita, function["python"]), (types.FunctionType, types.BuiltinFunctionType))


def test_a_manual_clock_is_a_clock() -> None:
    assert isinstance(guarita.ManualClock(), guarita.Clock) and not isinstance(object(), guarita.Clock)


def test_everything_is_documented() -> None:
    owners = [getattr(guarita, name) for name in guarita.__all__ if name not in OWN]
    without = [owner.__name__ for owner in owners if not (owner.__doc__ or "").strip()]
    for owner in filter(inspect.isclass, owners):
        if not issubclass(owner, guarita.GuaritaError):
            without += [f"{owner.__name__}.{name}" for name in public(owner) if not getattr(owner, name).__doc__]
    assert without == []
