"""What is written about the Python face: every public name says something, and what is shown as code runs."""

from __future__ import annotations

import doctest
import inspect
import os
import pathlib
import re
import subprocess
import sys
import types
from collections.abc import Iterator
from typing import Any

import pytest

import guarita

#: Methods that Python itself names.
INHERITED = re.compile(r"__\w+__$")


def documented() -> Iterator[tuple[str, Any]]:
    for name in guarita.__all__:
        if name in ("__version__", "types"):
            continue
        item = getattr(guarita, name)
        yield name, item
        if inspect.isclass(item) and item.__module__ in ("guarita", "guarita._native"):
            for member, value in vars(item).items():
                if not INHERITED.match(member):
                    yield f"{name}.{member}", value


def test_every_public_name_has_a_docstring() -> None:
    bare = [name for name, item in documented() if not (getattr(item, "__doc__", "") or "").strip()]
    assert not bare, f"no docstring: {bare}"


def test_every_class_that_is_made_says_what_it_takes() -> None:
    signatures = {name: item for name, item in documented() if inspect.isclass(item)}
    for name, item in signatures.items():
        if "__new__" in vars(item) and not issubclass(item, Exception):
            assert "Args:" in str(item.__doc__) or not inspect.signature(item).parameters, name


@pytest.mark.parametrize("name", [name for name, item in documented() if ">>>" in str(item.__doc__)])
def test_examples_in_docstrings(name: str, model: str) -> None:
    item = dict(documented())[name]
    names = {"MODEL": model, "guarita": guarita}
    parsed = doctest.DocTestParser().get_doctest(inspect.getdoc(item) or "", names, name, None, None)
    assert parsed.examples
    runner = doctest.DocTestRunner(optionflags=doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE)
    output: list[str] = []
    runner.run(parsed, out=output.append)
    assert runner.failures == 0, "".join(output)


TEXTS = ["docs/guide/README.md", "docs/guide/python.md", "bindings-python/README.md"]


@pytest.mark.parametrize("text", TEXTS)
def test_programs_in_texts(text: str, repository: pathlib.Path, model: str, tmp_path: pathlib.Path) -> None:
    """Blocks that begin with ```python run, in their order, with one set of names; those with ```python no-run compile."""
    path = repository / text
    names: dict[str, Any] = {"__name__": "texts"}
    (tmp_path / "model.onnx").symlink_to(model)
    (tmp_path / ".models").mkdir()
    (tmp_path / ".models" / "coco_ssd_mobilenet_v2.onnx").symlink_to(model)
    (tmp_path / "street.jpg").write_bytes((repository / "core" / "tests" / "data" / "baseline.jpg").read_bytes())
    clip = repository / ".clips" / "market_street.mp4"
    if clip.exists():
        (tmp_path / "street.mp4").symlink_to(clip)
    blocks = re.findall(r"^```python( no-run)?\n(.*?)^```", path.read_text(), re.M | re.S)
    assert blocks, "a text without a program"
    before = pathlib.Path.cwd()
    os.chdir(tmp_path)
    try:
        for no_run, block in blocks:
            line = path.read_text()[: path.read_text().index(block)].count("\n")
            code = compile("\n" * line + block, str(path), "exec")
            if not no_run:
                module = types.ModuleType("texts")
                vars(module).update(names)
                exec(code, vars(module))
                names = vars(module)
    finally:
        os.chdir(before)


def test_the_readme_shows_the_minimal_program(repository: pathlib.Path) -> None:
    """By copy, and no other program of Python's, so that all that it shows is run (below)."""
    readme = (repository / "README.md").read_text()
    folder = repository / "examples" / "minimal"
    # What it does, without what is said about it at its top.
    program = (folder / "minimal.py").read_text().split("\n\n", 1)[1]
    assert re.findall(r"^```python[^\n]*\n(.*?)^```", readme, re.M | re.S) == [program]
    assert (folder / "output.txt").read_text() in re.findall(r"^```text\n(.*?)^```", readme, re.M | re.S)
    assert len(readme.splitlines()) <= 150, "a first look; the rest has its place in docs"


def test_the_minimal_program(repository: pathlib.Path, model: str, ffmpeg: str, tmp_path: pathlib.Path) -> None:
    """It prints what it prints in every language."""
    folder = repository / "examples" / "minimal"
    clip = repository / ".clips" / "market_street.mp4"
    if not clip.exists():
        pytest.skip(f"no clip at {clip}: run `make clips`")
    for name, path in ((".models/coco_ssd_mobilenet_v2.onnx", model), (".clips/market_street.mp4", clip)):
        (tmp_path / name).parent.mkdir()
        (tmp_path / name).symlink_to(path)
    done = subprocess.run(
        [sys.executable, str(folder / "minimal.py")],
        cwd=tmp_path,
        env={**os.environ, "GUARITA_FFMPEG": ffmpeg},
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == (folder / "output.txt").read_text()
