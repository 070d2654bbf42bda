"""Configs: keyword arguments, dicts, and what the core says their fields are."""

from __future__ import annotations

import datetime
import typing
from typing import Any

import numpy as np
import pytest

import guarita
from guarita import types

#: What must be given of a config, and what is left out where it is not given.
GIVEN: dict[str, Any] = {
    "CameraConfig": {"id": "gate", "queue": {"policy": "drop_oldest"}, "epoch_s": 0},
    "HybridConfig": {"mode": {"escalate": {}}},
    "PipelineConfig": {"rate_limit": {}},
    "PriceTable": {"mine:Look": [{"price": 1}]},
    "RunFileConfig": {"camera": {"id": "gate"}},
    "Schedule": {"windows": [{"from": "22:00", "to": "06:00"}], "time_zone": "UTC"},
    "TriggerConfig": {"name": "somebody", "when": {"present": {}}, "schedule": {"windows": [{}]}},
    "WebhookConfig": {"url": "https://example.org/events"},
    "Zone": {"name": "door", "area": [(0.1, 0.1), (0.4, 0.1), (0.4, 0.9)]},
}
WHOLE = """
BackgroundModelConfig BudgetConfig CallbackProviderConfig CameraConfig CircuitBreakerConfig Confirmation DetectorConfig
FailurePolicy HybridConfig JournalOptions JsonLinesConfig LocalProviderConfig ModelHints MotionGateConfig OutletConfig
PipelineConfig RateLimitConfig RekognitionConfig ResultCacheConfig RetryConfig RunFileConfig Schedule SourceConfig
TriggerConfig WebhookConfig Zone
""".split()
DEFAULTS: dict[str, Any] = {name: guarita.check_config(name, GIVEN.get(name, {})) for name in WHOLE}
#: Those that are only found inside of others.
DEFAULTS |= {
    "Caps": DEFAULTS["BudgetConfig"]["total"],
    "DecodeLimits": guarita.check_config("DecodeOptions", {})["limits"],
    "Escalation": DEFAULTS["HybridConfig"]["mode"]["escalate"],
    "InputHints": DEFAULTS["ModelHints"]["input"],
    "KeyCaps": DEFAULTS["BudgetConfig"]["camera"],
    "LookConfig": DEFAULTS["CameraConfig"]["look"],
    "LowLight": DEFAULTS["CameraConfig"]["look"]["low_light"],
    "QueueConfig": DEFAULTS["CameraConfig"]["queue"],
    "PriceTier": guarita.check_config("PriceTable", GIVEN["PriceTable"])["mine:Look"][0],
    "ScheduleWindow": DEFAULTS["Schedule"]["windows"][0],
    "SsdHints": DEFAULTS["ModelHints"]["ssd"],
    "RowHints": DEFAULTS["ModelHints"]["rows"],
}
#: Enums that hold more than their name, and the dicts inside of them.
NO_STRUCTS = {
    "TimeWindow",
    "WindowOfTime",
    "WindowOfCalls",
    "Balance",
    "InTurn",
    "SecondLook",
    "FsyncEvery",
    "FsyncSometimes",
}
NO_STRUCTS |= {"Present", "Count", "Crossing", "Absent", "Condition"}
#: What calls take as arguments of their own.
LEFT_OUT = {("CameraConfig", "id"), ("WebhookConfig", "url"), ("PipelineConfig", "threads")}


def typed_dicts() -> list[str]:
    return [name for name, value in vars(types).items() if typing.is_typeddict(value) and name not in NO_STRUCTS]


def test_every_typed_dict_is_tried() -> None:
    assert len(typed_dicts()) > 30
    assert sorted(typed_dicts()) == sorted(DEFAULTS)


@pytest.mark.parametrize("name", typed_dicts())
def test_a_typed_dict_has_the_fields_of_the_core(name: str) -> None:
    fields = {field for field in DEFAULTS[name] if (name, field) not in LEFT_OUT}
    assert fields == set(getattr(types, name).__annotations__)


def test_floats_of_32_bits_are_as_short_as_they_were_given() -> None:
    assert DEFAULTS["DetectorConfig"]["iou"] == 0.45
    gate = guarita.MotionGate(min_fraction=0.3, include=[[(0.1, 0.2), (0.9, 0.2), (0.9, 0.7)]])
    assert gate.config["min_fraction"] == 0.3
    assert "0.1," in str(gate.config["include"]) or "0.1}" in str(gate.config["include"])
    found = guarita.Detections([guarita.Detection((0.1, 0.2, 30.3, 40.4), "cat", 0.7)], size=(64, 48)).to_dict()
    assert found["items"][0]["confidence"] == 0.7


def test_floats_of_64_bits_and_large_numbers_stay_what_they_are() -> None:
    # Parsers that are only nearly right get this one wrong in its last bit.
    awkward = 1.1 + 2.2
    budget = guarita.Budget(warn_at=0.123456789012345678, total={"per_month": 2**63})
    assert budget.report()["caps"][0]["limit"] == 2**63
    assert guarita.MotionGate(linger_s=awkward).config["linger_s"] == awkward


def test_times_are_numbers_or_timedeltas() -> None:
    kinds: list[Any] = [1800, 1800.0, datetime.timedelta(minutes=30), np.float32(1800), np.int64(1800)]
    for half_an_hour in kinds:
        assert guarita.MotionGate(linger_s=half_an_hour).config["linger_s"] == 1800.0
    with pytest.raises(guarita.InvalidConfig, match="min_fraction: a timedelta"):
        guarita.MotionGate(min_fraction=datetime.timedelta(seconds=1))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("field", "value", "words"),
    [
        ("mim_fraction", 0.1, "mim_fraction"),
        ("min_fraction", 1.5, "min_fraction"),
        ("min_fraction", float("nan"), "min_fraction"),
        ("min_fraction", "much", "much"),
        ("working_width", -1, "-1"),
        ("working_width", 10**30, "too large"),
        ("include", [[(0, 0), (1, 1)]], "polygon of 2 corners"),
    ],
)
def test_a_wrong_field_is_named(field: str, value: Any, words: str) -> None:
    with pytest.raises(guarita.InvalidConfig, match=words) as caught:
        guarita.MotionGate(**{field: value})
    assert caught.value.advice == "ChangeConfig"


def test_values_inside_values_end() -> None:
    deep: list[Any] = []
    deep.append(deep)
    with pytest.raises(guarita.InvalidConfig, match="deep"):
        guarita.MotionGate(include=deep)


@pytest.mark.parametrize(
    ("provider", "words"),
    [
        ("gpu", "known are cpu, cuda"),
        (["cpu", "gpu"], "gpu"),
        ({"any": "cpu"}, "first-of"),
        (7, "first-of"),
    ],
)
def test_an_execution_provider_that_is_none(provider: Any, words: str) -> None:
    with pytest.raises(guarita.InvalidConfig, match=words):
        guarita.Detector("none.onnx", execution_provider=provider)


def test_an_execution_provider_by_name_or_as_a_list(fixtures: Any) -> None:
    choices: list[Any] = ["cpu", ["cpu"], ("openvino", "cpu"), {"only": "cpu"}, {"first-of": ["cpu"]}]
    for provider in choices:
        with guarita.Detector(fixtures / "v8_nc1.onnx", execution_provider=provider) as detector:
            assert detector.report["execution_provider"] == "cpu"
    with guarita.Detector(fixtures / "v8_nc1.onnx", execution_provider=["directml", "cpu"]) as detector:
        assert list(detector.report["skipped"]) == ["directml"]


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"fps": None}, "fps: invalid type: None, expected a number"),
        ({"priority": "urgent"}, "priority: unknown word `urgent`, expected one of `low`"),
        ({"triggers": [{"name": "visitor"}]}, r"triggers\[0\]: missing field `when`"),
        ({"motion": {"working_width": -1}}, "motion.working_width: .*expected a whole number, 0 or more"),
        ({"zones": [{"name": "a", "area": 7}]}, r"zones\[0\].area: .*expected a list"),
        ({"fbs": 1}, "^unknown field `fbs`"),
    ],
)
def test_the_words_name_the_field_that_is_wrong(given: dict[str, Any], words: str) -> None:
    with guarita.CallbackProvider(lambda request: []) as provider, guarita.Pipeline(provider) as pipeline:
        with pytest.raises(guarita.InvalidConfig, match=words):
            pipeline.add_camera("gate", **given)
