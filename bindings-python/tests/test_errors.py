"""Exceptions: codes, built-in bases, pickles."""

from __future__ import annotations

import copy
import pickle

import pytest

import guarita
from guarita import _errors

BASES = {
    "InvalidArgument": ValueError,
    "InvalidConfig": ValueError,
    "InvalidState": RuntimeError,
    "NotFound": FileNotFoundError,
    "Unsupported": ValueError,
    "ModelInvalid": ValueError,
    "RuntimeUnavailable": RuntimeError,
    "ResourceExhausted": MemoryError,
    "DeadlineExceeded": TimeoutError,
    "Unavailable": ConnectionError,
    "PermissionDenied": PermissionError,
    "DataCorrupt": ValueError,
    "Internal": RuntimeError,
}


def test_numbers_names_and_bases() -> None:
    assert [kind.number for kind in _errors.BY_NUMBER] == list(range(1, 18))
    for kind in _errors.BY_NUMBER:
        assert kind.__name__ == kind.code
        assert getattr(guarita, kind.code) is kind
        assert issubclass(kind, guarita.GuaritaError)
        assert issubclass(kind, BASES.get(kind.code, Exception))
        assert kind.__doc__


@pytest.mark.parametrize("kind", _errors.BY_NUMBER)
def test_pickles_and_copies_keep_everything(kind: type[guarita.GuaritaError]) -> None:
    error = kind("the words", advice="FixHost", context={"cause": "disk", "retry_after_s": 1.5})
    for again in (pickle.loads(pickle.dumps(error)), copy.copy(error), copy.deepcopy(error)):
        assert type(again) is kind
        assert (str(again), again.code, again.advice) == ("the words", kind.code, "FixHost")
        assert again.context == {"cause": "disk", "retry_after_s": 1.5}


def test_an_error_of_the_core_says_what_to_do() -> None:
    with pytest.raises(guarita.GuaritaError) as caught:
        guarita.Polygon([(0, 0), (1, 0)])
    error = caught.value
    assert (error.code, error.number, error.advice) == ("InvalidConfig", 2, "ChangeConfig")
    assert "3..1024" in str(error)
    assert "3..1024" in repr(error)
    assert error.context == {}


def test_the_cause_is_in_the_context() -> None:
    with pytest.raises(guarita.NotFound) as caught:
        guarita.ModelSpec.read("no such model.onnx")
    assert "cause" in caught.value.context
    assert "no such model.onnx" in str(caught.value)
