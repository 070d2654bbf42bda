"""The motion gate and the background model."""

from __future__ import annotations

import copy
import datetime
import multiprocessing
import os
import pickle
import threading
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

import guarita
from scene import is_plain_data

WIDTH, HEIGHT = 320, 180


def lawn(second: float, seed: int = 7) -> NDArray[np.uint8]:
    """Something to see, with a little noise that differs from frame to frame."""
    rng = np.random.default_rng(seed + int(second * 1000))
    base = np.add.outer(np.arange(HEIGHT), np.arange(WIDTH)) % 90 + 60
    return (base + rng.integers(-1, 2, base.shape)).astype(np.uint8)


def with_somebody(picture: NDArray[np.uint8]) -> NDArray[np.uint8]:
    picture = picture.copy()
    picture[80:120, 100:115] = 220
    return picture


def used_gate(**config: Any) -> guarita.MotionGate:
    gate = guarita.MotionGate(**config)
    for k in range(60):
        gate.observe(lawn(k / 10), pts=k / 10)
    return gate


def used_model(**config: Any) -> guarita.BackgroundModel:
    model = guarita.BackgroundModel(**config)
    for k in range(20):
        model.apply(lawn(k / 10))
    return model


def test_a_gate_opens_for_somebody_who_comes() -> None:
    gate = used_gate()
    assert not gate.observe(lawn(6.0), pts=6.0)
    motion = gate.observe(with_somebody(lawn(6.1)), pts=6.1)
    assert motion and motion.open and (motion.reason, motion.state) == ("motion", "moving")
    assert 0.005 < motion.fraction < 0.05 and motion.since == 6.1
    x1, y1, x2, y2 = motion.regions[0].xyxy
    assert abs(x1 - 100) <= 2 and abs(y1 - 80) <= 2 and abs(x2 - 115) <= 2 and abs(y2 - 120) <= 2
    assert "open for motion" in repr(motion)
    told = motion.to_dict()
    assert told["regions"][0] == [x1, y1, x2, y2] and told["state"] == "moving" and is_plain_data(motion)
    later = gate.observe(lawn(7.0), pts=7.0)
    assert (later.open, later.reason) == (True, "linger")
    gate.reset()
    assert gate.observe(lawn(7.1), pts=7.1).state == "learning"


def test_times_of_every_kind() -> None:
    at = datetime.datetime(2026, 1, 2, 3, 4, 5, tzinfo=datetime.timezone.utc)
    for pts in (5, 5.0, datetime.timedelta(seconds=5), at):
        expected = at.timestamp() if isinstance(pts, datetime.datetime) else 5.0
        assert guarita.MotionGate().observe(lawn(0), pts=pts).since == expected
    # A frame knows its time; for the others it is now.
    assert guarita.MotionGate().observe(guarita.Frame(lawn(0), pts=9.5)).since == 9.5
    gate = guarita.MotionGate()
    assert gate.observe(lawn(0)).since > 0
    with pytest.raises(guarita.InvalidArgument, match="pts"):
        gate.observe(lawn(0), pts="now")  # type: ignore[arg-type]
    with pytest.raises(guarita.InvalidArgument):
        gate.observe(lawn(0), pts=float("nan"))


def test_bad_pictures_lose_nothing() -> None:
    gate = used_gate()
    bad: list[Any] = [
        None,
        7,
        "path.jpg",
        b"",
        b"no picture",
        np.zeros((4, 4)),
        np.zeros((0, 4), np.uint8),
        lawn(0)[::-1],
    ]
    for picture in bad:
        with pytest.raises(guarita.GuaritaError):
            gate.observe(picture, pts=6.0)
    assert gate.observe(with_somebody(lawn(6.1)), pts=6.1).reason == "motion"


def test_a_snapshot_goes_on_where_the_other_one_was() -> None:
    gate = used_gate()
    snapshot = gate.snapshot()
    cold = guarita.MotionGate()
    cold.restore(snapshot)
    for other in (cold, pickle.loads(pickle.dumps(gate)), copy.deepcopy(gate)):
        assert other.config == gate.config
        motion = other.observe(with_somebody(lawn(6.1)), pts=6.1)
        assert motion.to_dict() == pickle.loads(pickle.dumps(gate)).observe(with_somebody(lawn(6.1)), pts=6.1).to_dict()
        assert motion.reason == "motion"
    for torn in (b"", b"x", snapshot[:-1], snapshot[:100] + bytes([snapshot[100] ^ 1]) + snapshot[101:]):
        with pytest.raises(guarita.DataCorrupt):
            cold.restore(torn)
    with pytest.raises(guarita.InvalidArgument):
        guarita.MotionGate(working_width=160).restore(snapshot)
    assert cold.observe(lawn(6.2), pts=6.2).state != "learning", "still what it was"


def test_config_is_complete_and_makes_the_same_gate_again() -> None:
    door = guarita.Polygon([(0.1, 0.1), (0.4, 0.1), (0.4, 0.9)])
    gate = guarita.MotionGate(exclude=[door], linger_s=datetime.timedelta(seconds=3))
    assert set(gate.config) == set(guarita.check_config("MotionGateConfig", {}))
    assert guarita.MotionGate(**gate.config).config == gate.config
    assert gate.config["linger_s"] == 3.0 and gate.config["working_width"] == 320


def in_a_fork(work: Callable[[], bool]) -> bool:
    context = multiprocessing.get_context("fork")
    queue = context.SimpleQueue()
    child = context.Process(target=lambda: queue.put(work()))
    child.start()
    child.join(30)
    if child.is_alive():
        child.kill()
        raise AssertionError("the child hangs")
    return child.exitcode == 0 and bool(queue.get())


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork here")
def test_gate_and_model_work_after_a_fork() -> None:
    gate, model = used_gate(), used_model()

    def child() -> bool:
        moving = gate.observe(with_somebody(lawn(6.1)), pts=6.1).reason == "motion"
        return moving and int(model.apply(with_somebody(lawn(2))).max()) == 255

    assert in_a_fork(child)
    assert gate.observe(with_somebody(lawn(6.1)), pts=6.1).reason == "motion"


def test_one_call_at_a_time() -> None:
    # Large enough that calls meet.
    picture = np.random.default_rng(3).integers(0, 256, (2160, 3840), dtype=np.uint8)
    model = guarita.BackgroundModel()
    refused: list[str] = []
    done = threading.Event()

    def again() -> None:
        while not done.is_set():
            try:
                model.apply(picture, share=True)
            except guarita.InvalidState as error:
                refused.append(str(error))
                done.set()

    threads = [threading.Thread(target=again) for _ in range(2)]
    for thread in threads:
        thread.start()
    met = done.wait(60)
    done.set()
    for thread in threads:
        thread.join(60)
    assert met and "one call at a time" in refused[0]
    assert model.apply(picture).shape == picture.shape, "and nothing is lost"


def test_a_model_learns_the_background() -> None:
    model = used_model(history=50)
    mask = model.apply(lawn(2.0))
    assert mask.shape == (HEIGHT, WIDTH) and mask.dtype == np.uint8 and mask.mean() < 5
    mask = model.apply(with_somebody(lawn(2.0)), learning_rate=0)
    assert (mask[85:115, 102:113] == 255).all() and (mask[:70] == 255).mean() < 0.02
    darker = (lawn(2.1) * 0.7).astype(np.uint8)
    assert {127} <= set(np.unique(model.apply(darker, learning_rate=0)).tolist())
    model.reset()
    assert (
        model.apply(with_somebody(lawn(2.2))) == guarita.BackgroundModel(history=50).apply(with_somebody(lawn(2.2)))
    ).all()
    assert model.config["history"] == 50 and "history=50" in repr(model)


def test_a_mask_is_written_where_the_caller_says() -> None:
    model, other = used_model(), used_model()
    out = np.full((HEIGHT, WIDTH), 9, np.uint8)
    assert model.apply(lawn(0), out=out) is out
    assert (out == other.apply(lawn(0))).all()
    model.apply(with_somebody(lawn(0.1)), out=out)
    assert (out == other.apply(with_somebody(lawn(0.1)))).all() and out.max() == 255
    before = out.copy()
    read_only = out.copy()
    read_only.flags.writeable = False
    wide = np.zeros((HEIGHT, WIDTH * 2), np.uint8)
    wrong: list[Any] = [
        np.zeros((HEIGHT, WIDTH + 1), np.uint8),
        np.zeros((HEIGHT * WIDTH,), np.uint8),
        np.zeros((HEIGHT, WIDTH, 1), np.uint8),
        np.zeros((HEIGHT, WIDTH), np.int8),
        np.zeros((HEIGHT, WIDTH), np.bool_),
        np.asfortranarray(out),
        wide[:, ::2],
        wide[:, :WIDTH],
        read_only,
        bytearray(HEIGHT * WIDTH),
    ]
    for array in wrong:
        with pytest.raises(guarita.InvalidArgument, match="out"):
            model.apply(lawn(0.2), out=array)
    picture = lawn(0.2)
    with pytest.raises(guarita.InvalidArgument, match="shares its memory"):
        model.apply(picture, share=True, out=picture)
    assert (out == before).all()
    # Without sharing the picture is a copy.
    assert model.apply(picture, out=picture) is picture


def test_wrong_arguments_of_a_model() -> None:
    model = guarita.BackgroundModel()
    for rate in (-0.1, 1.1, float("nan")):
        with pytest.raises(guarita.InvalidArgument, match="rate"):
            model.apply(lawn(0), learning_rate=rate)
    with pytest.raises(guarita.Unsupported):
        model.apply(np.zeros((4, 4, 4), np.uint8))
    with pytest.raises(guarita.InvalidConfig, match="mixtures"):
        guarita.BackgroundModel(mixtures=99)


def test_masks_are_those_of_opencv() -> None:
    cv2 = pytest.importorskip("cv2", reason="opencv-python-headless is not installed")
    rng = np.random.default_rng(11)
    theirs = cv2.createBackgroundSubtractorMOG2(history=40, varThreshold=16, detectShadows=True)
    ours = guarita.BackgroundModel(history=40, var_threshold=16, detect_shadows=True)
    base = rng.integers(40, 200, (120, 160, 3), dtype=np.uint8).astype(np.int16)
    differing = seen = foreground = 0
    for k in range(60):
        picture = np.clip(base + rng.integers(-4, 5, base.shape), 0, 255).astype(np.uint8)
        picture[40:70, 2 * k : 2 * k + 25] = (30, 200, 90)
        expected, mask = theirs.apply(picture), ours.apply(picture, format="bgr8")
        differing += int((expected != mask).sum())
        foreground += int((mask == 255).sum())
        seen += mask.size
    assert foreground > 1000
    assert differing <= seen * 1e-4, f"{differing} of {seen} pixels differ"
