"""The module as a program: what it prints, what it writes, how it ends."""

from __future__ import annotations

import json
import os
import re
import select
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import guarita
from guarita._cli import cameras
from scene import PATIENCE

Text = str | Path
COMMANDS: list[list[str]] = [[], ["doctor"], ["detect"], ["watch"]]

#: One camera, which sees a plate in every other second of the clip.
PLATES = """
[[camera]]
id = "yard"
file = "clip.avi"
fps = 0
motion = false
cache.capacity = 0
queue = { capacity = 64, max_age_s = 3600 }

[[camera.zones]]
name = "middle"
area = [[0.25, 0.25], [0.75, 0.25], [0.75, 0.75], [0.25, 0.75]]

[[camera.triggers]]
name = "plate"
when = { present = { classes = ["plate"], zone = "middle" } }
cooldown_s = 0
picture = "frame"
"""


@pytest.fixture
def plate(fixtures: Path) -> str:
    """A tiny model that finds a plate in red pictures."""
    return str(fixtures / "v8_nc1.onnx")


@pytest.fixture
def config(clip: Path, tmp_path: Path) -> Path:
    (tmp_path / "clip.avi").symlink_to(clip)
    path = tmp_path / "cameras.toml"
    path.write_text(PLATES)
    return path


@pytest.fixture(autouse=True)
def environment(monkeypatch: pytest.MonkeyPatch, ffmpeg: str, tmp_path: Path) -> None:
    monkeypatch.setenv("GUARITA_FFMPEG", ffmpeg)
    for name in ("NO_COLOR", "FORCE_COLOR", "COLUMNS", "TTY_COMPATIBLE", "TTY_INTERACTIVE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("TERM", "xterm-256color")
    monkeypatch.chdir(tmp_path)


def command(*arguments: Text) -> list[str]:
    return [sys.executable, "-m", "guarita", *map(str, arguments)]


def run(*arguments: Text, **environment: str) -> subprocess.CompletedProcess[str]:
    done = subprocess.run(
        command(*arguments), capture_output=True, text=True, timeout=300, env={**os.environ, **environment}
    )
    assert "Traceback" not in done.stderr, done.stderr
    return done


def start(*arguments: Text) -> subprocess.Popen[str]:
    return subprocess.Popen(command(*arguments), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def adds_up(text: str) -> bool:
    """Whether the account at the end is there, and its numbers say what its words do."""
    line = re.search(r"^(\d+) pushed = (.*): it adds up$", text, re.M)
    return line is not None and int(line[1]) == sum(map(int, re.findall(r"\d+", line[2])))


def children_of(name: Path) -> list[str]:
    """Processes that have this file open as an argument."""
    found = []
    for process in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            line = process.read_bytes()
        except OSError:
            continue
        if str(name).encode() in line and b"ffmpeg" in line:
            found.append(line.decode(errors="replace"))
    return found


def terminal(
    arguments: list[str], *, columns: int = 120, act: Callable[[int, bytes], None] | None = None, **environment: str
) -> tuple[int, str]:
    """Runs a program on a terminal of its own; `act` sees the descriptor and what was shown after each piece of it."""
    pty = pytest.importorskip("pty", reason="no terminals")
    pid, master = pty.fork()
    if pid == 0:
        os.environ.update(environment, COLUMNS=str(columns), LINES="40")
        os.execv(arguments[0], arguments)
    shown, end = b"", time.monotonic() + 300
    while time.monotonic() < end:
        if not select.select([master], [], [], 0.5)[0]:
            continue
        try:
            piece = os.read(master, 65536)
        except OSError:
            break
        if not piece:
            break
        shown += piece
        if act is not None:
            act(master, shown)
    os.close(master)
    text = shown.decode(errors="replace").replace("\r\n", "\n")
    assert "Traceback" not in text, text
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]), text


# --- help ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("words", COMMANDS, ids=lambda words: " ".join(words) or "all")
def test_help_has_examples_and_statuses(words: list[str]) -> None:
    done = run(*words, "--help")
    assert done.returncode == 0 and done.stderr == ""
    assert done.stdout.startswith(f"usage: python -m guarita{''.join(f' {word}' for word in words)} ")
    assert "\nexamples:\n  python -m guarita " in done.stdout
    for status in (0, 1, 2, 3, 130, 141):
        assert re.search(rf"^  {status} ", done.stdout, re.M), status


def test_the_examples_of_the_help_are_arguments_that_there_are() -> None:
    """Each is parsed: none names what the program does not know."""
    from guarita._cli import parser

    whole = parser()
    for words in COMMANDS:
        examples = run(*words, "--help").stdout.split("examples:\n")[1].split("\n\n")[0]
        for line in examples.splitlines():
            shown = re.split(r"\s{2,}|\s\|\s", line.strip())[0].removeprefix("python -m guarita ").split()
            if "--help" not in shown:
                whole.parse_args(shown)


def test_the_version() -> None:
    assert run("--version").stdout == f"guarita {guarita.__version__}\n"
    script = Path(sys.executable).with_name("guarita")
    if script.exists():
        done = subprocess.run([script, "watch", "--help"], capture_output=True, text=True, timeout=60)
        assert done.stdout.startswith("usage: guarita watch ") and "\n  guarita watch " in done.stdout


def test_a_shell_completes(tmp_path: Path) -> None:
    pytest.importorskip("argcomplete", reason="argcomplete is not installed")
    answers = tmp_path / "answers"
    for line, expected in (
        ("guarita wa", {"watch"}),
        ("guarita watch --sp", {"--speed"}),
        ("guarita d", {"doctor", "detect"}),
    ):
        asked = {
            "_ARGCOMPLETE": "1",
            "COMP_LINE": line,
            "COMP_POINT": str(len(line)),
            "_ARGCOMPLETE_STDOUT_FILENAME": str(answers),
        }
        assert run(**asked).returncode == 0
        assert {word.strip() for word in answers.read_text().split("\x0b")} == expected


# --- watching --------------------------------------------------------------------------------------------------------


def test_a_file_of_cameras_is_watched(config: Path, plate: str) -> None:
    done = run("watch", "--config", config, "--model", plate, "--speed", "max")
    assert (done.returncode, done.stderr) == (0, "")
    lines = done.stdout.splitlines()
    assert lines[0].startswith("1 camera, yolov8 on cpu, ")
    told = [line.split() for line in lines if " s  yard  plate  " in line]
    assert [words[0] for words in told] == ["1.0", "3.0", "5.0", "7.0", "9.0"]
    assert "plate 1.00 in middle" in done.stdout and 'camera "yard" ended' in done.stdout
    assert adds_up(done.stdout) and "100 pushed = 100 analysed" in done.stdout
    assert "\x1b" not in done.stdout


def test_sources_are_cameras(clip: Path, model: str, tmp_path: Path) -> None:
    """Two of one name, in two places of the line."""
    street = tmp_path / "street.avi"
    street.symlink_to(clip)
    more = tmp_path / "more"
    more.mkdir()
    (more / "street.avi").symlink_to(clip)
    done = run(
        "watch", street, "--model", model, "--speed", "max", "--fps", "2", more / "street.avi", "--confidence", "0.9"
    )
    assert done.returncode == 0, done.stderr
    assert re.search(r"^street +100 ", done.stdout, re.M) and re.search(r"^street-2 +100 ", done.stdout, re.M)
    assert " sampled out" in done.stdout and adds_up(done.stdout)


def test_classes_of_a_source_are_triggers(model: str, repository: Path) -> None:
    street = repository / ".clips" / "market_street.mp4"
    if not street.exists():
        pytest.skip(f"no clip at {street}: run `make clips`")
    found: dict[str, set[str]] = {}
    for classes in ([], ["--classes", "person,car"]):
        done = run(
            "watch",
            street,
            "--model",
            model,
            "--speed",
            "max",
            "--seconds",
            "3",
            "--confidence",
            "0.4",
            "--json",
            *classes,
        )
        events = [json.loads(line) for line in done.stdout.splitlines()]
        assert done.returncode == 0 and events, done.stderr
        found[" ".join(classes)] = {event["trigger"] for event in events}
        assert {event["camera"] for event in events} == {"market_street"}
    assert found[""] == {"object"} and found["--classes person,car"] <= {"person", "car"}


def test_events_as_json_and_in_a_file_are_the_same(config: Path, plate: str, tmp_path: Path) -> None:
    done = run("watch", "--config", config, "--model", plate, "--speed", "max", "--json", "--events", "events.jsonl")
    assert done.returncode == 0 and adds_up(done.stderr)
    printed = [json.loads(line) for line in done.stdout.splitlines()]
    written = [json.loads(line) for line in (tmp_path / "events.jsonl").read_text().splitlines()]
    assert len(printed) == 5 and printed == written
    assert all("picture" not in event for event in printed) and "sink --events: 5 delivered" in done.stderr


def test_the_end_comes_after_so_many_seconds_of_video(config: Path, plate: str) -> None:
    done = run("watch", "--config", config, "--model", plate, "--speed", "50x", "--seconds", "4")
    assert done.returncode == 0 and "40 pushed" in done.stdout and adds_up(done.stdout)


def test_the_speed_is_kept(config: Path, plate: str) -> None:
    begun = time.monotonic()
    done = run("watch", "--config", config, "--model", plate, "--speed", "4x", "--no-table")
    assert done.returncode == 0 and time.monotonic() - begun > 9.9 / 4
    assert "gate open" not in done.stdout


def test_a_camera_that_fails_is_told_of_and_the_others_go_on(config: Path, plate: str, tmp_path: Path) -> None:
    config.write_text(PLATES + PLATES.replace('"yard"', '"gate"').replace("clip.avi", "broken.avi"))
    (tmp_path / "broken.avi").write_text("no video")
    done = run("watch", "--config", config, "--model", plate, "--speed", "max")
    assert done.returncode == 1 and 'camera "gate" failed: ' in done.stderr and "(DataCorrupt)" in done.stderr
    assert "1 of 2 cameras failed" in done.stdout and "100 pushed = 100 analysed" in done.stdout


def test_frames_that_fail_are_told_of(clip: Path, fixtures: Path) -> None:
    done = run("watch", clip, "--model", fixtures / "broken_nan_outputs.onnx", "--fps", "0", "--speed", "max")
    assert done.returncode == 1 and adds_up(done.stdout)
    assert "frames failed, the last one with ModelInvalid" in done.stdout and "holds NaN" in done.stdout


def test_events_of_frames_that_nobody_looked_at_count(config: Path, plate: str) -> None:
    """Nothing moved, and for so long there was nothing."""
    text = PLATES.replace("motion = false", "").replace('present = { classes = ["plate"], zone = "middle" }', "X")
    config.write_text(text.replace("X", 'absent = { classes = ["plate"], for_s = 3 }'))
    done = run("watch", "--config", config, "--model", plate, "--speed", "max", "--out", "out", "--events", "e.jsonl")
    assert done.returncode == 0 and "no motion" in done.stdout
    count = len(Path("e.jsonl").read_text().splitlines())
    assert (
        count > 0 and re.search(rf"^all .* {count}$", done.stdout, re.M) and f"{count} pictures in out" in done.stdout
    )


# --- files of cameras ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["cameras.toml", "plaza.toml"])
def test_the_files_of_the_rust_program_are_read(name: str, repository: Path, tmp_path: Path) -> None:
    for clip in ("market_street.mp4", "vtest.avi"):
        (tmp_path / clip).touch()
    settings = cameras.read([repository / "examples" / "watch" / name], [tmp_path])
    toml = pytest.importorskip("tomllib", reason="Python 3.10")
    wanted = toml.loads((repository / "examples" / "watch" / name).read_text())
    assert [one.id for one in settings.cameras] == [one["id"] for one in wanted["camera"]]
    for ours, theirs in zip(settings.cameras, wanted["camera"]):
        assert ours.source == str(tmp_path / theirs["file"])
        assert {**ours.config, "id": ours.id, "file": theirs["file"]} == theirs
    assert [one.name for one in settings.sinks] == [one["name"] for one in wanted.get("sink", [])]
    assert settings.pipeline == wanted.get("pipeline")


def rust_program(repository: Path) -> Path:
    """`make demo` and `make test` build it."""
    for profile in ("release", "debug"):
        program = repository / "target" / profile / "watch"
        if program.exists():
            return program
    pytest.skip("the program of examples/watch is not built")


def events(path: Path) -> list[tuple[Any, ...]]:
    told = [json.loads(line) for line in path.read_text().splitlines()]
    return sorted((one["camera"], one["trigger"], one["pts_ns"], one["zone"], one["why"]) for one in told)


def test_both_programs_tell_the_same_of_a_file(repository: Path, model: str, ffmpeg: str, tmp_path: Path) -> None:
    program, clips = rust_program(repository), repository / ".clips"
    if not (clips / "market_street.mp4").exists():
        pytest.skip(f"no clip in {clips}: run `make clips`")
    # Without the greedy camera, whose frames may come too late on a slow machine.
    parts = (repository / "examples" / "watch" / "cameras.toml").read_text().split("[[camera]]")
    file = tmp_path / "cameras.toml"
    file.write_text("[[camera]]".join(parts[:3]))
    library = guarita.doctor()["onnxruntime"]["library"]
    theirs = [
        "--model",
        model,
        "--speed",
        "fastest",
        "--seconds",
        "5",
        "--clips",
        str(clips),
        "--out",
        str(tmp_path / "rust"),
    ]
    subprocess.run(
        [program, *theirs, "--onnxruntime", library, "--ffmpeg", ffmpeg, str(file)],
        check=True,
        timeout=300,
        capture_output=True,
    )
    done = run(
        "watch",
        "--model",
        model,
        "--speed",
        "max",
        "--seconds",
        "5",
        "--clips",
        clips,
        "--out",
        "python",
        "--config",
        file,
    )
    assert done.returncode == 0, done.stderr
    # The pictures stay out of the file, as it says.
    assert "picture" not in (tmp_path / "python" / "events.jsonl").read_text()
    told = events(tmp_path / "python" / "events.jsonl")
    assert told and told == events(tmp_path / "rust" / "events.jsonl")


WRONG: list[tuple[str, str, str]] = [
    ("cooldown_s = 0", "cooldown = 0", "unknown field `cooldown`"),
    ("fps = 0", "fsp = 0", "unknown field `fsp`"),
    ("fps = 0", "fps = -1", "fps is -1"),
    ("fps = 0", "fps = nan", "fps: nan"),
    ("fps = 0", "fps = 2024-01-01", "fps: date"),
    ('id = "yard"', "", "id"),
    ('file = "clip.avi"', "", "it has no `file`"),
    ('file = "clip.avi"', "file = 7", "field file: it is a int"),
    ('file = "clip.avi"', 'file = "other.avi"', "there is no clip 'other.avi' in "),
    ('classes = ["plate"]', 'classes = ["plat"]', 'is "plate" meant?'),
    ('zone = "middle"', 'zone = "midle"', "midle"),
    ("[[camera]]", "[camera]", "write [[camera]]"),
    ("[[camera]]", "[[camra]]", "unknown field `camra`"),
    ("[[camera]]", "[pipeline]\nslow = 1\n[[camera]]", "unknown field `slow`"),
    ("[[camera]]", "[[sink]]\nkind = 'webhook'\n[[camera]]", "it has no `name`"),
    ("[[camera]]", "[[sink]]\nname = 'a'\nkind = 'webhok'\n[[camera]]", "webhok"),
    ("[[camera]]", "[[sink]]\nname = 'a'\nkind = 'json-lines'\npth = 'x'\n[[camera]]", "unknown field `pth`"),
    ("[[camera]]", "[[sink]]\nname = 'a'\npictures = 1\n[[camera]]", "it must be true or false"),
    ("[[camera]]", "[[sink]]\nname = 'a'\nqueue = { size = 1 }\n[[camera]]", "unknown field `size`"),
    ("fps = 0", "fps = ", "line 5"),
]


@pytest.mark.parametrize(("before", "after", "words"), WRONG, ids=lambda text: str(text)[:24])
def test_what_is_wrong_in_a_file_is_named(before: str, after: str, words: str, config: Path, plate: str) -> None:
    assert before in PLATES
    config.write_text(PLATES.replace(before, after, 1))
    done = run("watch", "--config", config, "--model", plate)
    assert done.returncode == 2 and words in done.stderr and str(config) in done.stderr, done.stderr


def test_files_are_taken_together(config: Path, plate: str, tmp_path: Path) -> None:
    second = tmp_path / "second.toml"
    second.write_text(PLATES)
    done = run("watch", "--config", config, "--config", second, "--model", plate)
    assert done.returncode == 2 and f'"yard" is there already, in {config}' in done.stderr
    second.write_text(PLATES.replace('"yard"', '"gate"') + "[pipeline]\nthreads = 1\n")
    done = run("watch", "--config", config, "--config", second, "--model", plate, "--speed", "max")
    assert done.returncode == 0 and "2 cameras, yolov8 on cpu, 1 threads" in done.stdout and "200 pushed" in done.stdout
    config.write_text(PLATES + "[pipeline]\nthreads = 1\n")
    done = run("watch", "--config", config, "--config", second, "--model", plate)
    assert done.returncode == 2 and "there is a [pipeline] in another file already" in done.stderr
    (tmp_path / "empty.toml").touch()
    assert run("watch", "--config", "empty.toml", "--model", plate).returncode == 2
    for missing in ("none.toml", "."):
        done = run("watch", "--config", missing, "--model", plate)
        assert done.returncode == 2 and f"cannot read {missing}" in done.stderr


def test_sinks_of_a_file(config: Path, plate: str, tmp_path: Path) -> None:
    """Pictures go where the file says; where that cannot be, it is refused. Any name will do."""
    sink = '[[sink]]\nname = "{}"\nkind = "json-lines"\npath = "{}.jsonl"\npictures = {}\n'
    for pictures in ("true", "false"):
        config.write_text(sink.format("events", pictures, pictures) + PLATES)
        done = run("watch", "--config", config, "--model", plate, "--speed", "max", "--out", "out")
        assert done.returncode == 0 and "sink events (sink): 5 delivered" in done.stdout, done.stderr
        told = [json.loads(line) for line in (tmp_path / "out" / f"{pictures}.jsonl").read_text().splitlines()]
        assert len(told) == 5 and all(("picture" in one) == (pictures == "true") for one in told)
    config.write_text(sink.format("a", "a", "true") + sink.format("b", "b", "false") + PLATES)
    done = run("watch", "--config", config, "--model", plate)
    assert done.returncode == 2 and 'sink "b", field pictures' in done.stderr and 'sink "a"' in done.stderr


def test_a_sink_that_fails_is_status_1(config: Path, plate: str) -> None:
    with socket.socket() as nobody:
        nobody.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{nobody.getsockname()[1]}/x?token=geheim"
        retry = "queue = { retry = { attempts = 1 } }"
        config.write_text(f'[[sink]]\nname = "hook"\nkind = "webhook"\nurl = "{url}"\n{retry}\n' + PLATES)
        done = run("watch", "--config", config, "--model", plate, "--speed", "max")
    assert done.returncode == 1 and "sink hook: 0 delivered, 0 retried, 5 failed" in done.stdout
    assert "geheim" not in done.stdout + done.stderr


# --- pictures --------------------------------------------------------------------------------------------------------


def test_pictures_of_events_have_their_zone_and_boxes(config: Path, plate: str, tmp_path: Path) -> None:
    from PIL import Image

    from guarita._cli.pictures import HERE, color_of

    done = run("watch", "--config", config, "--model", plate, "--speed", "max", "--out", "out")
    assert done.returncode == 0 and "5 pictures in out" in done.stdout, done.stdout
    pictures = sorted((tmp_path / "out").iterdir())
    assert len(pictures) == 5 and all(
        re.fullmatch(r"yard-plate-\d{8}T\d{6}Z-[0-9a-f]{6}\.png", one.name) for one in pictures
    )
    with Image.open(pictures[0]) as picture:
        pixels = np.asarray(picture.convert("RGB")).astype(int)
    # 96 pixels and a caption, four times as large.
    assert pixels.shape[1] == 384 and pixels.shape[0] > 384

    def near(x: float, y: float, color: tuple[int, int, int]) -> bool:
        around = pixels[round(y) - 3 : round(y) + 4, round(x) - 3 : round(x) + 4]
        return bool((np.abs(around - color).max(axis=2) <= 2).any())

    # The box of the plate, 44..68 and 38..50, on its right and lower edges; the zone's on all four.
    box = color_of(0)
    assert near(4 * 68 - 1, 4 * 44, box) and near(4 * 60, 4 * 50 - 1, box)
    assert not near(4 * 60, 4 * 60, box)
    for x, y in ((96, 200), (287, 200), (150, 96), (150, 287)):
        assert near(x, y, HERE), (x, y)
    # The picture is red; the zone is tinted, and nothing else is.
    inside, outside = pixels[240, 120], pixels[330, 330]
    assert inside[1] > 20 and outside[0] > 200 and outside[1] < 20
    assert pixels[390:].max() > 200, "words below it"


def test_pictures_of_a_real_scene(assets: Path, repository: Path, model: str, tmp_path: Path) -> None:
    """More boxes than one, words that do not cover each other, a picture for every event."""
    file = repository / "examples" / "watch" / "plaza.toml"
    out = Path(os.environ.get("GUARITA_PICTURES", tmp_path / "out"))
    done = run(
        "watch",
        "--config",
        file,
        "--clips",
        assets / "video",
        "--model",
        model,
        "--speed",
        "max",
        "--seconds",
        "10",
        "--out",
        out,
        "--json",
    )
    told = [json.loads(line) for line in done.stdout.splitlines()]
    assert done.returncode == 0 and told, done.stderr
    assert len(list(out.glob("*.png"))) == len(told) and not list(out.glob("*.part"))


def test_pictures_that_cannot_be_written_are_told_of(config: Path, plate: str, tmp_path: Path) -> None:
    if os.geteuid() == 0 and shutil.which("setpriv") is None:
        pytest.skip("root may write everywhere")
    out = tmp_path / "out"
    out.mkdir(mode=0o500)
    arguments = command("watch", "--config", config, "--model", plate, "--speed", "max", "--out", out)
    if os.geteuid() == 0:
        # Without the right to pass by permissions.
        arguments = ["setpriv", "--bounding-set=-dac_override", *arguments]
    done = subprocess.run(arguments, capture_output=True, text=True, timeout=300)
    assert done.returncode == 1 and "cannot write " in done.stdout and "0 pictures in" in done.stdout


def patched(where: str, *arguments: Text) -> list[str]:
    """The program, where a package is not found that a module looks for."""
    script = f"import sys, {where} as it\nit.find_spec = lambda name: None\nfrom guarita.__main__ import main\nsys.exit(main())"
    return [sys.executable, "-c", script, *map(str, arguments)]


@pytest.mark.parametrize("name", ["detect", "watch"])
def test_without_pillow_pictures_are_refused_at_once(name: str, config: Path, plate: str) -> None:
    given: dict[str, list[Text]] = {
        "detect": ["none.onnx", "none.jpg"],
        "watch": ["--config", config, "--model", plate],
    }
    arguments = patched("guarita._cli.advice", name, *given[name], "--out", "out")
    done = subprocess.run(arguments, capture_output=True, text=True, timeout=60)
    assert done.returncode == 3 and "pip install pillow" in done.stderr and "Traceback" not in done.stderr


# --- the table -------------------------------------------------------------------------------------------------------


def test_a_table_is_redrawn_on_a_terminal(config: Path, plate: str) -> None:
    pytest.importorskip("rich", reason="rich is not installed")
    arguments = command("watch", "--config", config, "--model", plate, "--speed", "4x")
    status, shown = terminal(arguments)
    assert status == 0 and adds_up(shown)
    for head in ("camera", "state", "pushed", "looked at", "gate open", "queue", "dropped", "events", "last event"):
        assert head in shown
    # Drawn several times, each over the one before; the cursor is given back.
    assert shown.count("last event") > 3 and shown.count("\x1b[2K\x1b[1A") > 6
    assert shown.count("\x1b[?25l") == shown.count("\x1b[?25h") == 1
    assert "\x1b[32mrunning" in shown and re.search(r"running \d+%", shown)
    assert shown.index("plate 1.00 in middle") < shown.rindex("last event"), "events go by above it"


def test_colours_and_terminals_are_respected(config: Path, plate: str) -> None:
    arguments = command("watch", "--config", config, "--model", plate, "--speed", "4x", "--seconds", "5")
    status, shown = terminal(arguments, TERM="dumb")
    assert status == 0 and "\x1b" not in shown and adds_up(shown)
    pytest.importorskip("rich", reason="rich is not installed")
    status, shown = terminal(arguments, NO_COLOR="1")
    assert status == 0 and not re.search(r"\x1b\[(?:\d+;)*[349]\d", shown) and "\x1b[2K" in shown
    status, shown = terminal(arguments, columns=60)
    assert status == 0 and "\x1b[2K" in shown


def test_there_are_lines_where_rich_is_not_installed(config: Path, plate: str) -> None:
    arguments = patched("guarita._cli.screen", "watch", "--config", config, "--model", plate, "--speed", "4x")
    status, shown = terminal(arguments)
    assert status == 0 and "\x1b" not in shown and "pip install rich" in shown and adds_up(shown)


def test_there_are_lines_elsewhere(config: Path, plate: str) -> None:
    """A table every five seconds."""
    done = run("watch", "--config", config, "--model", plate, "--seconds", "7")
    assert done.returncode == 0 and "\x1b" not in done.stdout
    assert re.search(r"^yard +running \d+% +\d+ +\d+ +- +\d+ +\d+ +[23]  [35]\.0 s plate$", done.stdout, re.M), (
        done.stdout
    )


def test_json_and_a_table_do_not_mix(config: Path, plate: str) -> None:
    """On one terminal the lines are whole; with a pipe for JSON, the table is on the other stream."""
    arguments = command("watch", "--config", config, "--model", plate, "--speed", "4x", "--json")
    status, shown = terminal(arguments)
    assert status == 0 and "\x1b" not in shown
    assert sum(line.startswith('{"id": ') and line.endswith("}") for line in shown.splitlines()) == 5
    pytest.importorskip("rich", reason="rich is not installed")
    status, shown = terminal(["/bin/sh", "-c", '"$@" >events.jsonl', "sh", *arguments])
    assert status == 0 and "\x1b[2K" in shown and "{" not in shown
    assert len([json.loads(line) for line in Path("events.jsonl").read_text().splitlines()]) == 5


def test_names_do_not_steer_the_terminal(config: Path, plate: str) -> None:
    config.write_text(PLATES.replace('"yard"', '"ya\\u001b[31mrd"'))
    done = run("watch", "--config", config, "--model", plate, "--speed", "max")
    assert done.returncode == 0 and "\x1b" not in done.stdout and "ya\N{REPLACEMENT CHARACTER}[31mrd" in done.stdout


# --- ends ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_ctrl_c_brings_it_to_a_clean_end(number: signal.Signals, config: Path, plate: str, tmp_path: Path) -> None:
    program = start("watch", "--config", config, "--model", plate, "--events", "events.jsonl")
    assert program.stdout is not None
    before = ""
    while "1.0 s" not in before:
        line = program.stdout.readline()
        assert line, "it ended"
        before += line
    program.send_signal(number)
    begun = time.monotonic()
    out, err = program.communicate(timeout=60)
    assert program.returncode == 128 + number and time.monotonic() - begun < 10
    assert err == "" and "interrupted" in out and adds_up(out) and "0 in flight: it adds up" in out
    assert (tmp_path / "events.jsonl").read_text().count("\n") >= 1
    assert children_of(config.parent) == []


def test_ctrl_c_on_a_terminal(config: Path, plate: str) -> None:
    pressed: list[int] = []

    def press(master: int, shown: bytes) -> None:
        if b"1.0 s" in shown and not pressed:
            pressed.append(os.write(master, b"\x03"))

    status, shown = terminal(command("watch", "--config", config, "--model", plate), act=press)
    assert status == 130 and adds_up(shown)
    assert shown.count("\x1b[?25l") == shown.count("\x1b[?25h")


def test_ctrl_c_while_it_begins(config: Path, plate: str) -> None:
    """At any moment, also before anything was watched."""
    for wait in (0.0, 0.15, 0.3, 0.45, 0.6):
        script = "import sys, time; from guarita.__main__ import main; print(1, flush=True); sys.exit(main())"
        program = subprocess.Popen(
            [sys.executable, "-c", script, "watch", "--config", str(config), "--model", plate],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        assert program.stdout is not None and program.stdout.readline() == "1\n"
        time.sleep(wait)
        program.send_signal(signal.SIGINT)
        out, err = program.communicate(timeout=60)
        # The interpreter may have been on its way into `main`.
        if "in main" in err or wait > 0:
            assert program.returncode == 130 and "Traceback" not in err, (wait, out, err)


@pytest.fixture
def silent(clip: Path) -> Iterator[tuple[str, Callable[[bool], None]]]:
    """A server that takes a connection and sends nothing, or the first half of the clip and then nothing."""
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        server.listen()
        server.settimeout(PATIENCE)
        data = clip.read_bytes()
        open_ones: list[socket.socket] = []

        def accept(some: bool) -> None:
            connection, _ = server.accept()
            open_ones.append(connection)
            if some:
                connection.sendall(data[: len(data) // 2])

        yield f"tcp://admin:geheim@127.0.0.1:{server.getsockname()[1]}?x=geheim", accept
        for connection in open_ones:
            connection.close()


@pytest.mark.parametrize("when", ["opening", "reading"])
def test_ctrl_c_ends_the_wait_for_a_stream(when: str, silent: tuple[str, Callable[[bool], None]], plate: str) -> None:
    url, accept = silent
    program = start("watch", url, "--model", plate)
    accept(when == "reading")
    assert program.stdout is not None
    if when == "reading":
        while "running" not in program.stdout.readline():
            pass
    time.sleep(1.0)
    program.send_signal(signal.SIGINT)
    begun = time.monotonic()
    out, err = program.communicate(timeout=60)
    assert program.returncode == 130 and time.monotonic() - begun < 10 and adds_up(out)
    assert "geheim" not in out + err and "Traceback" not in err


def test_a_second_ctrl_c_insists(config: Path, plate: str) -> None:
    """Where nobody reads what is printed, and the pipe is full."""
    fast = PLATES.replace(
        'present = { classes = ["plate"], zone = "middle" }', 'absent = { classes = ["x"], for_s = 0 }'
    )
    config.write_text(PLATES)
    assert fast
    reading, writing = os.pipe()
    try:
        os.set_blocking(writing, False)
        try:
            while True:
                os.write(writing, b"x" * 4096)
        except BlockingIOError:
            os.set_blocking(writing, True)
        program = subprocess.Popen(
            command("watch", "--config", config, "--model", plate, "--json"),
            stdout=writing,
            stderr=subprocess.PIPE,
            text=True,
        )
        assert program.stderr is not None
        while "running" not in program.stderr.readline():
            pass
        # The first event is stuck.
        time.sleep(2.5)
        assert program.poll() is None
        program.send_signal(signal.SIGINT)
        time.sleep(0.5)
        assert program.poll() is None, "it waits for the reader"
        program.send_signal(signal.SIGINT)
        os.close(reading)
        reading = -1
        assert program.wait(60) in (130, 141)
        assert "Traceback" not in program.stderr.read()
    finally:
        os.close(writing)
        if reading >= 0:
            os.close(reading)


@pytest.mark.parametrize("lines", [0, 1, 2, 4])
@pytest.mark.parametrize("arguments", [[], ["--json"]], ids=["lines", "json"])
def test_who_has_seen_enough_gets_no_traceback(lines: int, arguments: list[str], config: Path, plate: str) -> None:
    program = start(
        "watch", "--config", config, "--model", plate, "--speed", "4x", "--events", "events.jsonl", *arguments
    )
    assert program.stdout is not None and program.stderr is not None
    for _ in range(lines):
        assert program.stdout.readline()
    program.stdout.close()
    err = program.stderr.read()
    assert program.wait(60) == 141 and "Traceback" not in err and "Exception" not in err
    assert arguments or err == ""
    assert children_of(config.parent) == []


def test_both_streams_may_be_closed(config: Path, plate: str) -> None:
    for lines, arguments in ((0, []), (1, []), (1, ["--json"]), (3, ["--json"])):
        program = subprocess.Popen(
            command("watch", "--config", config, "--model", plate, "--speed", "4x", *arguments),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        assert program.stdout is not None
        for _ in range(lines):
            assert program.stdout.readline()
        program.stdout.close()
        assert program.wait(60) == 141


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no /dev/full")
def test_a_disk_that_is_full(config: Path, plate: str) -> None:
    for arguments in (["watch", "--config", str(config), "--model", plate, "--speed", "max"], ["doctor"]):
        with open("/dev/full", "w") as full:
            done = subprocess.run(command(*arguments), stdout=full, stderr=subprocess.PIPE, text=True, timeout=60)
        assert done.returncode == 3 and "No space left" in done.stderr and "Traceback" not in done.stderr


# --- what is wrong ---------------------------------------------------------------------------------------------------


def test_what_cannot_be_watched(clip: Path, plate: str, tmp_path: Path) -> None:
    (tmp_path / "text.mp4").write_text("no video")
    (tmp_path / "empty.mp4").touch()
    (tmp_path / "cut.avi").write_bytes(clip.read_bytes()[: clip.stat().st_size // 2])
    for source, code in (
        ("none.mp4", "NotFound"),
        ("text.mp4", "DataCorrupt"),
        ("empty.mp4", "DataCorrupt"),
        ("cut.avi", "DataCorrupt"),
        (".", "InvalidArgument"),
        ("http:/x/y", "InvalidArgument"),
        ("file:///etc/passwd", "InvalidArgument"),
    ):
        done = run("watch", source, "--model", plate, "--speed", "max")
        assert done.returncode == 1 and f"({code})" in done.stderr, (source, done.stderr)
        assert "1 of 1 cameras failed" in done.stdout and adds_up(done.stdout)
        # What could be decoded was watched.
        assert (source == "cut.avi") == (not done.stdout.count("\n0 pushed")), done.stdout


ARGUMENTS: list[tuple[list[str], int, str]] = [
    (["--fps", "nan"], 2, "fps: nan"),
    (["--fps", "-1"], 2, "fps is -1"),
    (["--fps", "x"], 2, "--fps: invalid float value: 'x'"),
    (["--confidence", "nan"], 2, "min_confidence: nan"),
    (["--confidence", "2"], 2, "min_confidence is 2"),
    (["--confidence", "-0.1"], 2, "min_confidence is -0.1"),
    (["--classes", "plat"], 2, 'is "plate" meant?'),
    (["--speed", "0x"], 2, "--speed: write realtime, max, or 0.01x to 1000x"),
    (["--speed", "nanx"], 2, "--speed"),
    (["--speed", "-2x"], 2, "--speed"),
    (["--speed", "2"], 2, "--speed"),
    (["--seconds", "nan"], 2, "--seconds: nan must be a number"),
    (["--seconds", "-3"], 2, "--seconds"),
    (["--seconds", "inf"], 2, "--seconds"),
    (["--threads", "0"], 2, "--threads: 0 must be a whole number that lies in 1..256"),
    (["--threads", "-1"], 2, "--threads"),
    (["--provider", "gpu"], 2, "known are cpu, cuda"),
    (["--provider", "cuda"], 3, "error "),
    (["--sped", "2x"], 2, "unrecognized arguments: --sped"),
    (["--model", "none.onnx"], 3, "make models"),
    (["--model", "clip.avi"], 3, "ModelInvalid"),
    (["--model", "."], 3, "is a folder"),
    (["--out", "clip.avi"], 3, "File exists"),
    (["--events", "none/events.jsonl"], 3, "NotFound"),
]


@pytest.mark.parametrize(
    ("arguments", "status", "words"), ARGUMENTS, ids=lambda value: " ".join(value) if isinstance(value, list) else None
)
def test_wrong_arguments(arguments: list[str], status: int, words: str, config: Path, plate: str) -> None:
    done = run("watch", "clip.avi", "--model", plate, "--speed", "max", *arguments)
    assert done.returncode == status and words in done.stderr, (done.returncode, done.stderr)


def test_there_must_be_something_to_watch(config: Path, plate: str) -> None:
    done = run("watch", "--model", plate)
    assert done.returncode == 2 and "name a SOURCE, or a file with --config" in done.stderr
    done = run("watch", "--config", config, "--model", plate, "--fps", "2")
    assert done.returncode == 2 and "are for a SOURCE" in done.stderr
    assert run("doctor", "a.onnx", "b.onnx").returncode == 2


def test_what_is_missing_says_what_to_do(clip: Path, plate: str, tmp_path: Path) -> None:
    done = run("watch", clip, "--model", plate, GUARITA_FFMPEG=str(tmp_path / "none"))
    assert done.returncode == 3 and "apt install ffmpeg" in done.stderr and "RuntimeUnavailable" in done.stderr
    done = run("watch", clip)
    assert done.returncode == 3 and ".models/coco_ssd_mobilenet_v2.onnx" in done.stderr and "make models" in done.stderr
    done = run("detect", "none.onnx", "none.jpg")
    assert done.returncode == 3 and "make models" in done.stderr
    done = run("watch", clip, "--model", plate, GUARITA_ONNXRUNTIME=str(tmp_path / "none"))
    assert done.returncode == 3 and "pip install onnxruntime" in done.stderr


def test_no_secret_is_shown(config: Path, plate: str) -> None:
    """Of addresses, in whatever way they fail."""
    with socket.socket() as nobody:
        nobody.bind(("127.0.0.1", 0))
        place = f"127.0.0.1:{nobody.getsockname()[1]}"
        urls = [
            f"rtsp://admin:geheim@{place}/stream?token=geheim",
            f"rtsp://admin:ge/heim@geheim@{place}/x",
            f"http://{place}/user=admin&password=geheim",
            f"RTSP://geheim:geheim@{place}",
        ]
        for url in urls:
            done = run("watch", url, "--model", plate, "--json")
            assert done.returncode == 1 and 'camera "camera" failed: ' in done.stderr, done.stderr
            assert "geheim" not in done.stdout + done.stderr, url
            config.write_text(PLATES.replace("clip.avi", url))
            done = run("watch", "--config", config, "--model", plate)
            assert done.returncode == 1 and "geheim" not in done.stdout + done.stderr, url
    # Where they do not belong.
    url = urls[0]
    for arguments in (
        [url],
        ["detect", plate, url],
        ["doctor", plate, url],
        ["watch", "--speed", url],
        ["watch", "--seconds", url],
        ["watch", "--fps", url],
        ["watch", "--none", url],
        ["watch", "--classes", url, "clip.avi", "--model", plate],
    ):
        done = run(*arguments)
        assert done.returncode == 2 and "geheim" not in done.stdout + done.stderr, (arguments, done.stderr)


# --- detect and doctor -----------------------------------------------------------------------------------------------


def test_detect_takes_classes(model: str, pictures: Path) -> None:
    picture = pictures / "baseline.jpg"
    done = run("detect", model, picture, "--classes", "persn")
    assert done.returncode == 2 and 'is "person" meant?' in done.stderr
    done = run("detect", model, picture, "--classes", "person, cell phone", picture, "--confidence", "0.05")
    found = [json.loads(line) for line in done.stdout.splitlines()]
    assert done.returncode == 0 and len(found) == 2
    assert {item["label"]["name"] for one in found for item in one["items"]} <= {"person", "cell phone"}
    for wrong in ("nan", "7", "-1"):
        assert run("detect", model, picture, "--confidence", wrong).returncode == 2


def test_pictures_of_one_name_have_a_file_each(model: str, pictures: Path, tmp_path: Path) -> None:
    copy = tmp_path / "baseline.jpg"
    copy.write_bytes((pictures / "baseline.jpg").read_bytes())
    done = run("detect", model, pictures / "baseline.jpg", copy, "--out", "out")
    assert done.returncode == 0
    assert sorted(one.name for one in (tmp_path / "out").iterdir()) == ["baseline-2.png", "baseline.png"]


def test_detect_is_interrupted(model: str, pictures: Path) -> None:
    program = start("detect", model, *([pictures / "baseline.jpg"] * 5000))
    assert program.stdout is not None
    assert program.stdout.readline()
    drained = threading.Thread(target=program.stdout.read)
    drained.start()
    program.send_signal(signal.SIGINT)
    assert program.wait(60) == 130
    drained.join(PATIENCE)
    assert program.stderr is not None and program.stderr.read() == ""


def test_the_doctor_speaks_to_people_on_a_terminal(plate: str, tmp_path: Path) -> None:
    status, shown = terminal(command("doctor", plate))
    assert status == 0 and f"guarita {guarita.__version__}, Python " in shown and "All is well." in shown
    assert re.search(r"^  ONNX Runtime  ok ", shown, re.M) and re.search(
        r"^  model         ok       yolov8, 1 class,", shown, re.M
    )
    assert re.search(r"^  ffmpeg        ok ", shown, re.M)
    status, shown = terminal(command("doctor", "--json"))
    assert status == 0 and json.loads(shown)["ok"] is True
    assert json.loads(run("doctor").stdout)["ok"] is True
    status, shown = terminal(command("doctor", "none.onnx"), columns=80, GUARITA_FFMPEG=str(tmp_path / "none"))
    assert status == 3 and re.search(r"^  model         missing  cannot read", shown, re.M)
    assert re.search(r"^  ffmpeg        missing ", shown, re.M)
    for words in ("`make models` gets", "`apt install ffmpeg`"):
        assert words in " ".join(shown.split())
    assert max(len(line) for line in shown.splitlines() if "/" not in line) <= 80
    done = run("doctor", "--provider", "gpu")
    assert done.returncode == 2 and "known are cpu" in done.stderr
