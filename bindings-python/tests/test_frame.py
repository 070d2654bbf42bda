"""Pictures of the host: which are shared, which are copied, which are refused."""

from __future__ import annotations

import datetime as dt
import gc
import io
import pathlib
import sys
import threading
import weakref

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
