"""Runs the project as its README says: migrations, the command on recordings, and the admin; with SQLite and with a PostgreSQL
that the test starts."""

from __future__ import annotations

import json
import os
import pwd
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("django", reason="Django is not installed: pip install -r requirements.txt")

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
#: Finds a toothbrush where a picture is red.
TINY = ROOT / "models/fixtures/v8_nc80.onnx"
REAL = Path(os.environ.get("GUARITA_MODEL", ROOT / ".models/coco_ssd_mobilenet_v2.onnx"))
STREET = ROOT / ".clips/market_street.mp4"
PATIENCE = 120.0

LOOK = """
import json
import django
django.setup()
from django.contrib.auth.models import User
from django.db import connection
from django.test import Client
from detections.models import Detection

day = Detection.objects.filter(camera="left", time__gte="2026-05-01T06:00Z", time__lt="2026-05-01T07:00Z")
with connection.cursor() as cursor:
    if connection.vendor == "postgresql":
        cursor.execute("ANALYZE")
        cursor.execute("SET enable_seqscan = off")  # the table is small
plan = day.explain()
client = Client(HTTP_HOST="localhost")
admin, _ = User.objects.get_or_create(username="admin", is_staff=True, is_superuser=True)
client.force_login(admin)
pages = {
    name: client.get("/admin/detections/detection/" + query)
    for name, query in [("all", ""), ("left", "?camera__exact=left&label__exact=toothbrush"), ("search", "?q=right")]
}
row = Detection.objects.order_by("pk").first()
if row is not None:
    pages["one"] = client.get(f"/admin/detections/detection/{row.pk}/change/")
print(json.dumps({
    "vendor": connection.vendor,
    "plan": plan,
    "rows": list(Detection.objects.order_by("camera", "time").values("event_id", "camera", "trigger", "label", "x1", "x2", "confidence")),
    "times": [str(time) for time in day.order_by("time").values_list("time", flat=True)],
    "crops": [bytes(row.crop or b"")[:3].hex() for row in Detection.objects.all()],
    "status": [page.status_code for page in pages.values()],
    "pictures": {name: page.content.decode().count("data:image/jpeg;base64,/9j/") for name, page in pages.items()},
}))
"""


class Project:
    """The project with a database, run from a shell."""

    def __init__(self, **environment: str) -> None:
        mine = {"DJANGO_DEBUG": "1", "DJANGO_SETTINGS_MODULE": "videowatch.settings", "MODEL": str(TINY)}
        self.environment = {**os.environ, **mine, **environment}
        self.environment.setdefault("GUARITA_FFMPEG", ffmpeg())

    def run(self, *words: object) -> str:
        done = subprocess.run(
            [sys.executable, *map(str, words)],
            cwd=HERE,
            env=self.environment,
            capture_output=True,
            text=True,
            timeout=PATIENCE,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def manage(self, *words: object) -> str:
        return self.run("manage.py", *words)

    def look(self) -> dict[str, Any]:
        answer: dict[str, Any] = json.loads(self.run("-c", LOOK).splitlines()[-1])
        return answer


def ffmpeg() -> str:
    program = os.environ.get("GUARITA_FFMPEG") or next(
        (str(found) for found in (ROOT / ".ffmpeg", shutil.which("ffmpeg")) if found and Path(found).exists()), None
    )
    if program is None:
        pytest.skip("no ffmpeg: install it, or set GUARITA_FFMPEG")
    return program


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A minute that is black, and red for four seconds in every twelve."""
    path = tmp_path_factory.mktemp("clip") / "red.mp4"
    # Where the middle is so, what the model looks at is above its threshold.
    red = "color=black:s=96x96:r=5:d=60,drawbox=c=red:t=fill:enable='lt(mod(t\\,12)\\,4)'"
    subprocess.run(
        [ffmpeg(), "-v", "error", "-f", "lavfi", "-i", red, "-pix_fmt", "yuv420p", path], check=True, timeout=PATIENCE
    )
    return path


@pytest.fixture(scope="module")
def postgresql() -> Iterator[str]:
    """The URL of a server of the tests, on loopback."""
    programs = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"))
    if not programs:
        pytest.skip("PostgreSQL is not installed: apt-get install --no-install-recommends postgresql")
    pytest.importorskip("psycopg", reason="psycopg is not installed: pip install -r requirements.txt")
    bin = programs[-1].parent
    # It refuses to run as root.
    user: list[str] = []
    folder = Path(tempfile.mkdtemp(prefix="guarita-postgresql-"))
    if os.geteuid() == 0:
        owner = pwd.getpwnam("postgres")
        os.chown(folder, owner.pw_uid, owner.pw_gid)
        user = ["setpriv", f"--reuid={owner.pw_uid}", f"--regid={owner.pw_gid}", "--clear-groups"]
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]

    def run(program: str, *words: object) -> None:
        with (folder / f"{program}.log").open("ab") as log:
            subprocess.run(
                [*user, bin / program, *map(str, words)],
                check=True,
                timeout=PATIENCE,
                cwd=folder,
                stdout=log,
                stderr=log,
            )

    data = folder / "data"
    try:
        run("initdb", "-D", data, "-U", "guarita", "-A", "trust", "-E", "UTF8", "--locale=C", "--no-sync")
        options = f"-h 127.0.0.1 -p {port} -k {folder} -c fsync=off"
        run(
            "pg_ctl",
            "-D",
            data,
            "-w",
            "-t",
            int(PATIENCE),
            "-o",
            options,
            "-l",
            folder / "data" / "server.log",
            "start",
        )
        yield f"postgresql://guarita@127.0.0.1:{port}/postgres"
        run("pg_ctl", "-D", data, "-w", "-m", "fast", "stop")
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(params=["sqlite", "postgresql"])
def project(request: pytest.FixtureRequest, tmp_path: Path) -> Project:
    if request.param == "sqlite":
        return Project(SQLITE_PATH=str(tmp_path / "db.sqlite3"), DATABASE_URL="")
    return Project(DATABASE_URL=request.getfixturevalue("postgresql"))


def cameras(folder: Path, clip: Path, form: str) -> Path:
    """Two cameras that saw the same."""
    table = {
        "source": str(clip),
        "recorded_at": "2026-05-01T08:00:00+02:00",
        "fps": 2,
        "motion": False,
        "cache": {"capacity": 0},
        "look": {"low_light": {"luma": 0}},
        "triggers": [
            {"name": "brush", "when": {"present": {"classes": ["toothbrush"]}}, "cooldown_s": 1, "picture": "crop"},
        ],
    }
    path = folder / f"cameras.{form}"
    if form == "json":
        path.write_text(json.dumps({"cameras": [{"id": name, **table} for name in ("left", "right")]}))
    else:
        path.write_text(
            "\n".join(
                f'[[cameras]]\nid = "{name}"\nsource = "{clip}"\nrecorded_at = 2026-05-01T08:00:00+02:00\nfps = 2\n'
                "motion = false\ncache.capacity = 0\nlook.low_light.luma = 0\n[[cameras.triggers]]\n"
                'name = "brush"\nwhen.present.classes = ["toothbrush"]\ncooldown_s = 1\npicture = "crop"\n'
                for name in ("left", "right")
            )
        )
    return path


def test_events_are_stored_once_and_shown(project: Project, clip: Path, tmp_path: Path) -> None:
    project.manage("migrate", "-v", "0")
    project.manage("makemigrations", "--check", "--dry-run")
    assert "10 events, 10 of them new" in project.manage("watch", "--cameras", cameras(tmp_path, clip, "toml"))
    # The same recordings again, from another file that says the same.
    assert "10 events, 0 of them new" in project.manage("watch", "--cameras", cameras(tmp_path, clip, "json"))
    seen = project.look()
    assert len(seen["rows"]) == 10 and len({row["event_id"] for row in seen["rows"]}) == 10
    assert {(row["trigger"], row["label"]) for row in seen["rows"]} == {("brush", "toothbrush")}
    assert all(0 <= row["x1"] < row["x2"] <= 96 and 0.5 < row["confidence"] <= 1 for row in seen["rows"])
    assert [time[:19] for time in seen["times"]] == [f"2026-05-01 06:00:{second:02}" for second in (0, 12, 24, 36, 48)]
    assert "detection_camera_time" in seen["plan"], seen["plan"]
    assert seen["crops"] == ["ffd8ff"] * 10
    assert seen["status"] == [200, 200, 200, 200]
    assert seen["pictures"] == {"all": 10, "left": 5, "search": 5, "one": 1}


def test_ctrl_c_stores_what_was_seen(clip: Path, tmp_path: Path) -> None:
    """A long recording is stopped after its first events; what was counted is in the database."""
    project = Project(SQLITE_PATH=str(tmp_path / "db.sqlite3"), DATABASE_URL="")
    project.manage("migrate", "-v", "0")
    long = tmp_path / "long.mp4"
    looped: list[str | Path] = [ffmpeg(), "-v", "error", "-stream_loop", "400", "-i", clip, "-c", "copy", long]
    subprocess.run(looped, check=True, timeout=PATIENCE)
    config = cameras(tmp_path, long, "json")
    watch = subprocess.Popen(
        [sys.executable, "manage.py", "watch", "--cameras", config],
        cwd=HERE, env=project.environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    assert watch.stderr is not None and watch.stdout is not None
    try:
        end = time.monotonic() + PATIENCE
        for line in watch.stderr:
            assert time.monotonic() < end
            if " stored" in line and ", 0 stored" not in line:
                break
        watch.send_signal(signal.SIGINT)
        out, errors = watch.communicate(timeout=PATIENCE)
    finally:
        watch.kill()
    assert watch.returncode == 0, out + errors
    said = int(out.split(" events, ")[1].split()[0])
    assert 0 < said == len(project.look()["rows"]) < 4000


def test_what_is_wrong_is_said(clip: Path, tmp_path: Path) -> None:
    project = Project(SQLITE_PATH=str(tmp_path / "db.sqlite3"), DATABASE_URL="")
    project.manage("migrate", "-v", "0")
    (tmp_path / "bad.toml").write_text('[[cameras]]\nid = "a"\nsource = "x.mp4"\nfpz = 3\n')
    (tmp_path / "none.toml").write_text("")
    cases: list[tuple[list[object], str]] = [
        (["watch"], "give a SOURCE"),
        (["watch", tmp_path / "no-such.mp4"], "no-such.mp4"),
        (["watch", clip, "--model", "no-such.onnx"], "no-such.onnx"),
        (["watch", "--cameras", tmp_path / "bad.toml"], "fpz"),
        (["watch", "--cameras", tmp_path / "none.toml"], "one camera at least"),
    ]
    for words, said in cases:
        command = [sys.executable, "manage.py", *map(str, words)]
        done = subprocess.run(
            command, cwd=HERE, env=project.environment, capture_output=True, text=True, timeout=PATIENCE
        )
        assert done.returncode == 1 and said in done.stderr and "Traceback" not in done.stderr, (words, done.stderr)


@pytest.mark.skipif(not (REAL.exists() and STREET.exists()), reason=f"no {REAL} or no {STREET}: make models clips")
def test_a_street_with_a_real_model(tmp_path: Path) -> None:
    project = Project(SQLITE_PATH=str(tmp_path / "db.sqlite3"), DATABASE_URL="", MODEL=str(REAL))
    project.manage("migrate", "-v", "0")
    said = project.manage("watch", STREET, "--camera", "street")
    print(f"\ndjango-app: {said.strip()}")
    rows = project.look()["rows"]
    assert rows and f"{len(rows)} events, {len(rows)} of them new" in said
    assert {row["label"] for row in rows} == {"person"}
