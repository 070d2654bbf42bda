"""Pictures of the host: which are shared, which are copied, which are refused."""

from __future__ import annotations

import datetime as dt
import gc
import io
import pathlib
import sys
import threading
import weakref
from typing import Any

import numpy as np
import pytest
from PIL import Image

import guarita
from guarita import Frame


def address(array: np.ndarray) -> int:
    return int(array.__array_interface__["data"][0])


@pytest.mark.parametrize("shape", [(37, 45), (37, 45, 1), (37, 45, 3), (37, 45, 4)])
def test_an_array_comes_back_as_it_went(shape: tuple[int, ...]) -> None:
    array = np.random.default_rng(1).integers(0, 256, shape, dtype=np.uint8)
    frame = Frame(array)
    assert frame.size == (45, 37)
    assert frame.format == {1: "gray8", 3: "rgb8", 4: "rgba8"}[shape[2] if len(shape) == 3 else 1]
    assert (frame.numpy() == array.reshape(frame.numpy().shape)).all()


def test_views_with_any_positive_strides() -> None:
    array = np.random.default_rng(2).integers(0, 256, (60, 80, 3), dtype=np.uint8)
    planar = np.ascontiguousarray(array.transpose(2, 0, 1))
    views = {
        "a crop": array[10:40, 20:50],
        "every second column": array[:, ::2],
        "every second row": array[::2],
        "one channel": array[..., 1],
        "two of four channels and a crop": np.dstack([array, array])[5:, 7:, :4],
        "turned by transposition": array.transpose(1, 0, 2),
        "planes": planar.transpose(1, 2, 0),
        "Fortran order": np.asfortranarray(array),
        "one row": array[3:4],
        "one column": array[:, 3:4],
        "one row said twice": np.broadcast_to(array[3:4], (5, 80, 3)),
    }
    for what, view in views.items():
        for share in (False, True):
            frame = Frame(view, share=share)
            assert (frame.numpy() == view).all(), what
    for view in (array, array[10:40, 20:50], array[::2]):
        assert np.shares_memory(Frame(view, share=True).numpy(), array)
        assert not np.shares_memory(Frame(view).numpy(), array)


def test_planar_video_formats() -> None:
    array = np.random.default_rng(3).integers(0, 256, (48 * 3 // 2, 64), dtype=np.uint8)
    for name in ("nv12", "i420"):
        frame = Frame(array, format=name)
        assert (frame.size, frame.format) == ((64, 48), name)
        assert (frame.numpy() == array).all()
        strided = np.zeros((72, 100), np.uint8)
        strided[:, :64] = array
        assert (Frame(strided[:, :64], format=name).numpy() == array).all()
    with pytest.raises(guarita.InvalidArgument, match="even sides"):
        Frame(array[:71], format="nv12")


def test_what_is_read_only_is_not_copied_and_what_can_be_written_is() -> None:
    owner = np.zeros((48, 64, 3), np.uint8)
    assert address(Frame(owner).numpy()) != address(owner)
    assert address(Frame(owner, share=True).numpy()) == address(owner)
    view = owner[:]
    view.flags.writeable = False
    assert address(Frame(view).numpy()) != address(owner), "the array below it can still be written to"
    owner.flags.writeable = False
    assert address(Frame(owner).numpy()) == address(owner)
    assert address(Frame(owner[:]).numpy()) == address(owner)
    data = bytes(48 * 64)
    constant = np.frombuffer(data, np.uint8).reshape(48, 64)
    assert address(Frame(constant).numpy()) == address(constant)
    mutable = np.frombuffer(bytearray(48 * 64), np.uint8).reshape(48, 64)
    mutable.flags.writeable = False
    assert address(Frame(mutable).numpy()) != address(mutable), "a bytearray can be written to"
    frame = Frame(owner)
    assert address(Frame(frame.numpy()).numpy()) == address(owner)
    assert not frame.numpy().flags.writeable


def test_a_shared_array_lives_as_long_as_its_frame() -> None:
    class Owner(np.ndarray):
        pass

    array = np.full((48, 64, 3), 7, np.uint8).view(Owner)
    seen = weakref.ref(array)
    frame = Frame(array, share=True)
    del array
    gc.collect()
    assert seen() is not None
    pixels = frame.numpy()
    del frame
    gc.collect()
    assert (pixels == 7).all()
    del pixels
    gc.collect()
    assert seen() is None


def test_a_copy_is_not_changed_by_who_writes_to_the_array_meanwhile() -> None:
    array = np.zeros((1080, 1920, 3), np.uint8)
    stop = threading.Event()

    def write() -> None:
        value = 0
        while not stop.is_set():
            value = (value + 1) % 256
            array[:] = value

    writer = threading.Thread(target=write)
    writer.start()
    try:
        for _ in range(20):
            frame = Frame(array)
            first = frame.numpy().copy()
            second = frame.numpy().copy()
            assert (first == second).all()
    finally:
        stop.set()
        writer.join()


def test_encoded_bytes_are_decoded_as_others_decode_them(pictures: pathlib.Path) -> None:
    data = (pictures / "baseline.jpg").read_bytes()
    array = np.random.default_rng(5).integers(0, 256, (37, 45, 4), dtype=np.uint8)
    png = io.BytesIO()
    Image.fromarray(array).save(png, "PNG")
    for encoded, most in ((data, 4), (png.getvalue(), 0)):
        with Image.open(io.BytesIO(encoded)) as picture:
            expected = np.asarray(picture, np.int16)
        for given in (encoded, bytearray(encoded), memoryview(encoded)):
            ours = Frame(given).numpy().astype(np.int16)
            assert ours.shape == expected.shape and np.abs(ours - expected).max() <= most
    assert Frame(data).size == (45, 37)
    assert Frame.open(pictures / "baseline.jpg").size == (45, 37)
    assert Frame.open(str(pictures / "baseline.jpg"), keep_encoded=True).encoded == data
    assert Frame(data).encoded is None
    small = Frame.decode_reduced(data, 10)
    assert (small.size, small.format) == ((12, 10), "gray8")


def test_pil_images_and_other_arrays_come_by_the_array_interface() -> None:
    array = np.random.default_rng(4).integers(0, 256, (37, 45, 3), dtype=np.uint8)
    for mode, channels in (("RGB", 3), ("L", 1), ("RGBA", 4)):
        picture = Image.fromarray(array).convert(mode)
        frame = Frame(picture)
        assert (frame.numpy() == np.asarray(picture)).all(), (mode, channels)

    class Other:
        __array_interface__ = array.__array_interface__

    other = Other()
    assert (Frame(other).numpy() == array).all()
    # Its memory is somebody else's, who may write to it.
    assert not np.shares_memory(Frame(other).numpy(), array)
    for mode in ("1", "P", "CMYK", "YCbCr", "HSV", "LA", "I", "F"):
        with pytest.raises(guarita.InvalidArgument, match="convert"):
            Frame(Image.fromarray(array).convert("L" if mode in ("LA", "I", "F") else "RGB").convert(mode))


def test_time_camera_and_number() -> None:
    array = np.zeros((4, 4), np.uint8)
    frame = Frame(array, camera="gate-7", pts=1.25, seq=9)
    assert (frame.camera, frame.pts, frame.seq) == ("gate-7", 1.25, 9)
    assert "gate-7" in repr(frame)
    assert Frame(array, pts=dt.timedelta(milliseconds=40)).pts == 0.04
    moment = dt.datetime(2026, 11, 21, 12, 0, 0, 125_000, dt.timezone.utc)
    assert Frame(array, pts=moment).pts == pytest.approx(moment.timestamp(), abs=1e-6)
    assert Frame(array, pts=-3600.5).pts == -3600.5
    for bad in (float("nan"), float("inf"), 1e300, "soon", None.__class__):
        with pytest.raises(guarita.InvalidArgument, match="pts"):
            Frame(array, pts=bad)  # type: ignore[arg-type]
    # The ends of time.
    for end in (-9_223_372_035, 9_223_372_035):
        assert Frame(array, pts=end).pts == end


ZEROS = np.zeros((48, 64, 3), np.uint8)
BAD = {
    "floats": ZEROS.astype(np.float32),
    "int8": ZEROS.astype(np.int8),
    "uint16": ZEROS.astype(np.uint16),
    "bool": ZEROS.astype(bool),
    "negative strides of rows": ZEROS[::-1],
    "negative strides of columns": ZEROS[:, ::-1],
    "negative strides of channels": ZEROS[..., ::-1],
    "0-d": np.zeros((), np.uint8),
    "1-d": np.zeros(64, np.uint8),
    "4-d": np.zeros((1, 48, 64, 3), np.uint8),
    "channels first": np.zeros((3, 48, 64), np.uint8),
    "two channels": np.zeros((48, 64, 2), np.uint8),
    "no rows": ZEROS[:0],
    "no columns": ZEROS[:, :0],
    "too wide": np.zeros((1, 65_536), np.uint8),
    "objects": np.array([[object()]]),
    "text": "street.jpg",
    "None": None,
    "a list": [[1, 2], [3, 4]],
    "a number": 7,
    "a class": int,
}


@pytest.mark.parametrize("what", BAD)
def test_bad_arrays_are_refused_with_words(what: str) -> None:
    for share in (False, True):
        with pytest.raises(guarita.InvalidArgument) as caught:
            Frame(BAD[what], share=share)  # type: ignore[arg-type]
        assert caught.value.advice == "ChangeInput"
        assert isinstance(caught.value, ValueError)


def test_bad_bytes_are_refused_with_a_type(pictures: pathlib.Path) -> None:
    data = (pictures / "baseline.jpg").read_bytes()
    with pytest.raises(guarita.DataCorrupt):
        Frame(b"")
    with pytest.raises(guarita.DataCorrupt):
        Frame(data[: len(data) // 2])
    with pytest.raises(guarita.Unsupported):
        Frame(b"GIF89a" + bytes(100))
    with pytest.raises(MemoryError) as caught:
        Frame(data, limits={"max_pixels": 100})
    assert isinstance(caught.value, guarita.ResourceExhausted)
    assert caught.value.advice == "ChangeInput"
    with pytest.raises(FileNotFoundError) as missing:
        Frame.open("no such picture.jpg")
    assert isinstance(missing.value, guarita.NotFound)
    with pytest.raises(guarita.InvalidArgument, match="bytes"):
        Frame.decode_reduced(ZEROS, 10)  # type: ignore[arg-type]
    with pytest.raises(guarita.InvalidConfig, match="max_pixel"):
        Frame(data, limits={"max_pixel": 100})  # type: ignore[arg-type]
    with pytest.raises(guarita.InvalidArgument, match="bgr8"):
        Frame(ZEROS, format="bgr")  # type: ignore[arg-type]
    with pytest.raises(guarita.InvalidArgument, match="channel"):
        Frame(ZEROS, format="gray8")


def test_shared_arrays_leak_nothing() -> None:
    array = np.zeros((48, 64, 3), np.uint8)
    before = sys.getrefcount(array)
    for _ in range(100):
        Frame(array, share=True)
        Frame(array)
        with pytest.raises(guarita.InvalidArgument):
            Frame(array[::-1])
    gc.collect()
    assert sys.getrefcount(array) == before


def decoded(width: int, height: int, padding: int) -> tuple[list[np.ndarray], list[np.ndarray]]:
    """Y, U and V as a decoder has them, with padded rows, and the buffers that they lie in."""
    rng = np.random.default_rng(width * 1000 + height)
    shapes = [(height, width), *[((height + 1) // 2, (width + 1) // 2)] * 2]
    buffers = [rng.integers(0, 256, (rows, columns + padding), dtype=np.uint8) for rows, columns in shapes]
    return [buffer[:, :columns] for buffer, (_, columns) in zip(buffers, shapes)], buffers


@pytest.mark.parametrize("size", [(64, 48), (5, 3), (1, 1), (37, 24)])
def test_planes_are_the_picture_that_one_array_is(size: tuple[int, int]) -> None:
    width, height = size
    planes, buffers = decoded(width, height, 7)
    uv = np.stack(planes[1:], axis=2)
    whole = {
        "i420": np.concatenate([plane.ravel() for plane in planes]),
        "nv12": np.concatenate([planes[0].ravel(), uv.ravel()]),
    }
    flat = [buffer.tobytes() for buffer in buffers]
    strides = [buffer.shape[1] for buffer in buffers]
    for format, frame in [
        ("i420", Frame.from_planes(planes, format="i420")),
        ("i420", Frame.from_planes(planes, format="i420", share=True)),
        ("i420", Frame.from_planes(tuple(flat), format="i420", size=size, strides=strides)),
        ("i420", Frame.from_planes([bytearray(one) for one in flat], format="i420", size=size, strides=strides)),
        ("i420", Frame.from_planes((plane[::-1][::-1] for plane in planes), format="i420")),
        ("i420", Frame.from_planes([np.asfortranarray(plane) for plane in planes], format="i420")),
        ("i420", Frame.from_planes([np.flip(np.flip(plane, 1).copy(), 1) for plane in planes], format="i420")),
        ("nv12", Frame.from_planes([planes[0], uv], format="nv12")),
        ("nv12", Frame.from_planes([planes[0], uv.reshape(uv.shape[0], -1)], format="nv12", share=True)),
    ]:
        assert (frame.size, frame.format) == (size, format)
        assert np.concatenate([plane.ravel() for plane in frame.planes()]).tolist() == whole[format].tolist()
    rgb = np.random.default_rng(3).integers(0, 256, (5, 4, 3), dtype=np.uint8)
    assert (Frame.from_planes([rgb], format="bgr8").numpy() == rgb).all()


def test_planes_are_shared_as_arrays_are() -> None:
    planes, buffers = decoded(64, 48, 16)

    def shared(frame: Frame) -> list[bool]:
        return [bool(np.shares_memory(one, other)) for one, other in zip(frame.planes(), planes)]

    assert shared(Frame.from_planes(planes, format="i420")) == [False] * 3
    assert shared(Frame.from_planes(planes, format="i420", share=True)) == [True] * 3
    copied = Frame.from_planes(planes, format="i420")
    before = copied.planes()[0].copy()
    planes[0][:] = 0
    assert (copied.planes()[0] == before).all()
    # A copy is packed, and so one array.
    assert copied.numpy().shape == (72, 64)
    for buffer in buffers[:2]:
        buffer.flags.writeable = False
    constant = [buffer[:, : plane.shape[1]] for buffer, plane in zip(buffers, planes)]
    assert shared(Frame.from_planes(constant, format="i420")) == [False] * 3, "one of them can be written to"
    buffers[2].flags.writeable = False
    constant[2] = buffers[2][:, :32]
    frame = Frame.from_planes(constant, format="i420")
    assert shared(frame) == [True] * 3
    with pytest.raises(guarita.Unsupported, match="planes"):
        frame.numpy()
    assert not any(plane.flags.writeable for plane in frame.planes())
    # What bytes hold never changes.
    flat = [buffer.tobytes() for buffer in buffers]
    of_bytes = Frame.from_planes(flat, format="i420", size=(64, 48), strides=[80, 48, 48])
    assert [address(plane) for plane in of_bytes.planes()] == [address(np.frombuffer(one, np.uint8)) for one in flat]


def test_shared_planes_live_as_long_as_the_frame_and_its_arrays() -> None:
    planes, _ = decoded(32, 16, 8)
    gone = weakref.ref(planes[1].base)
    frame = Frame.from_planes(planes, format="i420", share=True)
    plane = frame.planes()[1]
    expected = plane.copy()
    del planes, _, frame
    gc.collect()
    assert gone() is not None
    assert (plane == expected).all()
    del plane
    gc.collect()
    assert gone() is None


def test_a_detector_and_a_gate_see_the_same_in_planes(model: str) -> None:
    planes, _ = decoded(96, 80, 32)
    whole = Frame(np.concatenate([plane.ravel() for plane in planes]).reshape(120, 96), format="i420")
    apart = Frame.from_planes(planes, format="i420", share=True, pts=1.5, camera="yard", seq=7)
    assert (apart.pts, apart.camera, apart.seq) == (1.5, "yard", 7)
    with guarita.Detector(model, min_confidence=0.05) as detector:
        found = [[one.to_dict() for one in detector.detect(frame)] for frame in (whole, apart)]
        assert found[0] == found[1]
    motion = [guarita.MotionGate().observe(frame, pts=1.5) for frame in (whole, apart)]
    assert motion[0].to_dict() == motion[1].to_dict()


BAD_PLANES: dict[str, tuple[dict[str, Any], str]] = {
    "two planes": (dict(planes=[0, 1], format="i420"), "planes"),
    "four planes": (dict(planes=[0, 1, 2, 2], format="i420"), "planes"),
    "a plane of another shape": (dict(planes=[0, 1, 0], format="i420"), "planes[2]"),
    "another type": (dict(planes=[0, 1, "text"], format="i420"), "planes[2]"),
    "another dtype": (dict(planes=[0, 1, np.zeros((4, 4), np.int16)], format="i420"), "planes[2]"),
    "too many dimensions": (dict(planes=[np.zeros((1, 1, 1, 1), np.uint8), 1, 2], format="i420"), "planes[0]"),
    "flat without a size": (dict(planes=[b"1234", b"1", b"1"], format="i420"), "size"),
    "flat and too short": (dict(planes=[b"1234", b"1", b""], format="i420", size=(2, 2)), "planes[2]"),
    "a short stride": (dict(planes=[b"1234", b"1", b"1"], format="i420", size=(2, 2), strides=[1, 1, 1]), "strides[0]"),
    "two strides": (dict(planes=[b"1234", b"1", b"1"], format="i420", size=(2, 2), strides=[2, 1]), "strides"),
    "strides of arrays": (dict(planes=[0, 1, 2], format="i420", strides=[8, 4, 4]), "strides"),
    "an endless stride": (dict(planes=[b"1234"], format="gray8", size=(2, 2), strides=[2**63]), "planes[0]"),
}


@pytest.mark.parametrize("what", BAD_PLANES)
def test_bad_planes_are_refused_by_name(what: str) -> None:
    arguments, field = BAD_PLANES[what]
    good, _ = decoded(8, 8, 0)
    planes = [good[one] if isinstance(one, int) else one for one in arguments["planes"]]
    with pytest.raises(guarita.InvalidArgument) as caught:
        Frame.from_planes(**{**arguments, "planes": planes})
    assert caught.value.field == field, str(caught.value)
