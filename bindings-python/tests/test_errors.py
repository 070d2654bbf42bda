"""Exceptions: codes, built-in bases, pickles."""

from __future__ import annotations

import copy
import pathlib
import pickle

import numpy as np
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


def test_what_an_error_is_about_is_data() -> None:
    with pytest.raises(guarita.InvalidConfig) as caught:
        guarita.check_config("CameraConfig", {"id": "gate", "motion": {"linger_s": 4000}})
    error = caught.value
    assert (error.field, error.limit, error.path, error.tensor) == ("motion.linger_s", 3600, None, None)
    for again in (pickle.loads(pickle.dumps(error)), copy.copy(error)):
        assert (again.field, again.limit, again.path, again.tensor) == ("motion.linger_s", 3600, None, None)
    assert guarita.Internal("a bug").field is None


@pytest.mark.parametrize(
    ("config", "field"),
    [
        ({"id": "gate", "motion": {"linger": 1}}, "motion.linger"),
        ({"id": "gate", "motion": {"linger_s": "long"}}, "motion.linger_s"),
        ({"id": "gate", "look": {"classes": ["car", 7]}}, "look.classes[1]"),
        ({"id": "gate", "zones": [{"name": "door"}]}, "zones[0].area"),
    ],
)
def test_a_config_that_does_not_fit_names_its_field(config: dict[str, object], field: str) -> None:
    with pytest.raises(guarita.InvalidConfig) as caught:
        guarita.check_config("CameraConfig", config)
    assert caught.value.field == field, str(caught.value)
    # Keyword arguments go another way.
    with pytest.raises(guarita.InvalidConfig) as caught:
        guarita.MotionGate(linger=1)  # type: ignore[call-arg]
    assert caught.value.field == "linger", str(caught.value)
    with pytest.raises(guarita.InvalidConfig) as caught:
        guarita.MotionGate(linger_s="long")  # type: ignore[arg-type]
    assert caught.value.field == "linger_s", str(caught.value)


def test_a_file_and_a_tensor_are_named(fixtures: pathlib.Path, pictures: pathlib.Path) -> None:
    with pytest.raises(guarita.NotFound) as missing:
        guarita.ModelSpec.read("no such model.onnx")
    assert missing.value.path == "no such model.onnx"
    ambiguous = fixtures / "e2e_no_metadata.onnx"
    with pytest.raises(guarita.ModelInvalid) as invalid:
        guarita.ModelSpec.read(ambiguous)
    assert (invalid.value.tensor, invalid.value.path) == ("output0", str(ambiguous))
    with pytest.raises(guarita.ResourceExhausted) as large:
        guarita.Frame.open(pictures / "rgb.png", limits={"max_pixels": 1664})
    error = large.value
    assert (error.field, error.limit, error.path) == ("max_pixels", 1664, str(pictures / "rgb.png"))


def test_what_a_callable_raises_is_about_the_same() -> None:
    def refuses(request: guarita.Request) -> list[guarita.Detections]:
        about = {"field": "frames", "path": "a/b.jpg", "tensor": "images", "limit": 3.5}
        raise guarita.InvalidArgument("no", context=about)

    with guarita.CallbackProvider(refuses) as provider, pytest.raises(guarita.InvalidArgument) as caught:
        provider.detect(np.zeros((8, 8), np.uint8))
    error = caught.value
    assert (error.field, error.path, error.tensor, error.limit) == ("frames", "a/b.jpg", "images", 3.5)
