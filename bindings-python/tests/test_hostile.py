"""Interpreters, threads and numbers that hosts do not mean."""

from __future__ import annotations

import subprocess
import sys
import threading

import numpy as np
import pytest

import guarita


def test_a_subinterpreter_is_refused_with_words() -> None:
    script = """
import guarita
try:
    import _xxsubinterpreters as interpreters
except ImportError:
    import _interpreters as interpreters
made = interpreters.create()
for module in ("guarita", "guarita._native"):
    try:
        failed = interpreters.run_string(made, "import " + module)
        print(getattr(failed, "msg", failed))
    except Exception as error:
        print(error)
print("alive")
"""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    *refused, alive = done.stdout.splitlines()
    assert all("subinterpreter" in line for line in refused) and alive == "alive", done.stdout


def test_huge_lists() -> None:
    with pytest.raises(guarita.GuaritaError):
        guarita.Polygon([(0.5, 0.5)] * 1_000_000)
    with pytest.raises(guarita.GuaritaError):
        guarita.Frame(np.zeros((4, 4), np.uint8), limits={"max_pixels": 10**40})


def test_values_inside_values_end_somewhere() -> None:
    nested: dict[str, object] = {}
    nested["max_pixels"] = nested
    with pytest.raises(guarita.InvalidConfig, match="deep"):
        guarita.Frame(np.zeros((4, 4), np.uint8), limits=nested)  # type: ignore[arg-type]


def test_a_frame_is_let_go_on_any_thread() -> None:
    frames = [guarita.Frame(np.zeros((48, 64, 3), np.uint8), share=True) for _ in range(100)]

    def drop() -> None:
        while frames:
            try:
                frames.pop()
            except IndexError:
                return

    threads = [threading.Thread(target=drop) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not frames


def test_objects_cannot_be_made_or_changed_by_the_side_door() -> None:
    with pytest.raises(TypeError):
        guarita.Health()
    frame = guarita.Frame(np.zeros((4, 4), np.uint8))
    with pytest.raises(AttributeError):
        frame.size = (1, 1)  # type: ignore[misc]
    with pytest.raises(TypeError):
        type("Mine", (guarita.Frame,), {})
