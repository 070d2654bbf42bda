"""Runs the example with a real RabbitMQ, real Celery workers and real kills. `-s` prints the throughput."""

from __future__ import annotations

import base64
import io
import json
import os
import signal
import socket
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from types import TracebackType
from typing import Any

import pytest

pytest.importorskip("celery", reason="Celery is not installed: pip install -r requirements.txt")
Image = pytest.importorskip("PIL.Image", reason="Pillow is not installed: pip install -r requirements.txt")

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
TINY = ROOT / "models/fixtures/v8_nc80.onnx"
REAL = Path(os.environ.get("GUARITA_MODEL", ROOT / ".models/coco_ssd_mobilenet_v2.onnx"))
#: Longer than anything takes here, on a machine that does much else.
PATIENCE = 90.0


def rabbitmq(*words: object) -> None:
    subprocess.run([HERE / "rabbitmq.sh", *map(str, words)], check=True, timeout=PATIENCE)


def free_ports(count: int) -> int:
    """The first of so many ports in a row that nobody listens on."""
    for base in range(20000 + os.getpid() % 10000, 60000, count):
        sockets = [socket.socket() for _ in range(count)]
        try:
            for number, one in enumerate(sockets):
                one.bind(("127.0.0.1", base + number))
            return base
        except OSError:
            continue
        finally:
            for one in sockets:
                one.close()
    raise RuntimeError("no free ports")


class Broker:
    """A RabbitMQ of the tests, and what they ask of its queues."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.port = folder, free_ports(3)
        self.url = f"amqp://guest:guest@127.0.0.1:{self.port}//"

    def start(self) -> None:
        rabbitmq("start", self.folder, self.port)

    def kill(self) -> None:
        rabbitmq("kill", self.folder)

    def stop(self) -> None:
        rabbitmq("stop", self.folder)

    def on_queues(self, act: Callable[[Any], Any]) -> list[Any]:
        from kombu import Connection
        from visionqueue.app import DEAD, QUEUES

        with Connection(self.url) as connection:
            return [act(queue(connection.default_channel)) for queue in (*QUEUES.values(), DEAD)]

    def purge(self) -> None:
        self.on_queues(lambda queue: (queue.declare(), queue.purge()))

    def waiting(self) -> dict[str, int]:
        """Messages that no worker has, by queue."""
        return dict(self.on_queues(lambda queue: (queue.name, queue.queue_declare(passive=True).message_count)))

    def dead(self) -> list[dict[str, Any]]:
        """What the queue of dead letters holds, taken out of it."""
        from kombu import Connection
        from visionqueue.app import DEAD

        with Connection(self.url) as connection:
            queue, letters = DEAD(connection.default_channel), []
            while (letter := queue.get(no_ack=True)) is not None:
                letters.append(letter.payload[1])
            return letters


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Broker]:
    if not Path("/usr/lib/rabbitmq/bin/rabbitmq-server").exists():
        pytest.skip("RabbitMQ is not installed: apt-get install --no-install-recommends rabbitmq-server")
    broker = Broker(tmp_path_factory.mktemp("rabbitmq"))
    os.environ["BROKER_URL"] = broker.url
    sys.path.insert(0, str(HERE))
    broker.start()
    yield broker
    broker.stop()


@pytest.fixture
def broker(server: Broker) -> Broker:
    server.purge()
    return server


class Workers:
    """Celery workers as a shell starts them, with a results file of their own."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.results = folder / "results.sqlite3"
        self.running: list[subprocess.Popen[bytes]] = []
        self.started = 0

    def environment(self, **more: str) -> dict[str, str]:
        mine = {"MODEL": str(TINY), "RESULTS_DB": str(self.results), "RETRY_BASE_S": "0.1", "PYTHONPATH": str(HERE)}
        return {**os.environ, **mine, **more}

    def start(self, queue: str = "detection", *, module: str = "visionqueue.tasks", pool: int = 1, **more: str) -> Path:
        """Starts one, with so many processes; the file is its log."""
        self.started += 1
        log = self.folder / f"worker{self.started}.log"
        name = f"worker{self.started}@test"
        command = [sys.executable, "-m", "celery", "-A", module, "worker", "-Q", queue, "-c", str(pool), "-n", name]
        command += ["-l", "INFO", "--without-gossip", "--without-mingle"]
        with log.open("wb") as out:
            self.running.append(
                subprocess.Popen(
                    command,
                    cwd=self.folder,
                    env=self.environment(**more),
                    stdout=out,
                    stderr=out,
                    start_new_session=True,
                )
            )
        return log

    def kill(self) -> None:
        """The processes of all workers, at once and without a word."""
        for worker in self.running:
            os.killpg(worker.pid, signal.SIGKILL)
            worker.wait(PATIENCE)
        self.running.clear()

    def stop(self) -> None:
        for worker in self.running:
            worker.terminate()
        for worker in self.running:
            worker.wait(PATIENCE)
        self.running.clear()

    def finish(self, broker: Broker) -> None:
        """Ends when no worker and no queue has anything left. A worker that is stopped gives back what it has not begun."""
        for _ in range(5):
            self.wait("an empty queue", lambda: broker.waiting()["detection"] == 0)
            self.stop()
            if broker.waiting()["detection"] == 0:
                return
            self.start()
        raise AssertionError("the queue does not stay empty")

    def ask(self, query: str) -> list[tuple[Any, ...]]:
        if not self.results.exists():
            return []
        database = sqlite3.connect(self.results, timeout=30)
        try:
            return database.execute(query).fetchall()
        except sqlite3.OperationalError as error:
            if "no such table" in str(error):
                return []
            raise
        finally:
            database.close()

    def stored(self) -> int:
        return len(self.ask("SELECT 1 FROM frames"))

    def logs(self) -> str:
        return "\n".join(log.read_text(errors="replace") for log in sorted(self.folder.glob("worker*.log")))

    def wait(self, what: str, done: Callable[[], bool]) -> None:
        end = time.monotonic() + PATIENCE
        while not done():
            assert time.monotonic() < end, f"{what} does not happen; the end of the logs:\n{self.logs()[-4000:]}"
            time.sleep(0.02)

    def __enter__(self) -> Workers:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.kill() if kind else self.stop()


@pytest.fixture
def workers(tmp_path: Path) -> Iterator[Workers]:
    with Workers(tmp_path) as workers:
        yield workers
        workers.stop()


def jpeg(*, width: int = 320, height: int = 240, square_at: int | None = None) -> bytes:
    """A lawn, with something bright on it where that is wanted."""
    noise = Image.effect_noise((width, height), 4)
    # In colour: what makes a gray picture colourful is the end of a camera's night mode, and no motion.
    picture = Image.merge("RGB", (noise.point(lambda level: level // 2), noise, noise.point(lambda level: level // 3)))
    if square_at is not None:
        picture.paste((240, 180, 60), (square_at, 80, square_at + 60, 160))
    out = io.BytesIO()
    picture.save(out, "JPEG", quality=85)
    return out.getvalue()


def publish(camera: str, pts: float, picture: bytes, priority: int = 1) -> str:
    from visionqueue.app import event_id, send

    name = event_id(camera, pts)
    encoded = base64.b64encode(picture).decode()
    send("detect", priority=priority, event_id=name, camera=camera, pts=pts, jpeg=encoded)
    return name


def test_killed_workers_lose_no_frame_and_store_none_twice(broker: Broker, workers: Workers) -> None:
    picture = jpeg()
    names = {publish("lobby", float(number), picture) for number in range(200)}
    assert len(names) == 200 and broker.waiting()["detection"] == 200
    publish("lobby", 7.0, picture)  # the same frame again, as a camera sends it whose connection broke off
    for milestone in (10, 50, 100, 150):
        workers.start(pool=2)
        workers.wait(f"frame {milestone}", lambda: workers.stored() >= milestone)
        workers.kill()
        assert workers.stored() < 200, "killed too late to show anything"
    workers.start(pool=2)
    workers.wait("the last frame", lambda: workers.stored() == 200)
    workers.finish(broker)
    rows = workers.ask("SELECT event_id FROM frames")
    assert {row[0] for row in rows} == names and len(rows) == 200
    assert broker.waiting() == {"detection": 0, "ocr": 0, "dead": 0}


def test_frames_outlive_the_broker(broker: Broker, workers: Workers) -> None:
    names = {publish("gate", float(number), jpeg()) for number in range(100)}
    workers.start()
    workers.wait("some frames", lambda: workers.stored() >= 5)
    broker.kill()
    assert workers.stored() < 90, "killed too late to show anything"
    broker.start()
    names.add(publish("gate", 100.0, jpeg()))
    workers.wait("the last frame", lambda: workers.stored() == 101)
    assert {row[0] for row in workers.ask("SELECT event_id FROM frames")} == names


def test_critical_cameras_go_first(broker: Broker, workers: Workers) -> None:
    from visionqueue.app import PRIORITIES

    for priority in ("low", "normal", "critical"):
        for number in range(15):
            publish(priority, float(number), jpeg(), PRIORITIES[priority])
    workers.start()
    workers.wait("the last frame", lambda: workers.stored() == 45)
    order = [row[0] for row in workers.ask("SELECT camera FROM frames ORDER BY rowid")]
    assert order == ["critical"] * 15 + ["normal"] * 15 + ["low"] * 15


def test_what_cannot_be_done_goes_to_the_dead_letters(broker: Broker, workers: Workers) -> None:
    broken = {
        publish("lobby", 0.0, jpeg()[:400]),  # advice ChangeInput: not tried again
        publish("lobby", 1.0, b"no picture"),
        publish("lobby", 2.0, jpeg() + b"fault=ResourceExhausted*99"),  # advice RetryLater, for ever
        publish("lobby", 3.0, jpeg() + b"fault=kill*99"),  # the process dies over it each time
    }
    sound = [publish("lobby", 4.0 + number, jpeg()) for number in range(5)]
    sound.append(publish("lobby", 9.0, jpeg() + b"fault=Overloaded*2"))  # the third try succeeds
    workers.start(module="faulty_tasks", MAX_RETRIES="3", MAX_REDELIVERIES="2")
    workers.wait("the last sound frame", lambda: workers.stored() == len(sound))
    workers.wait("four dead letters", lambda: broker.waiting()["dead"] == 4)
    workers.stop()
    assert broker.waiting() == {"detection": 0, "ocr": 0, "dead": 4}
    assert {row[0] for row in workers.ask("SELECT event_id FROM frames")} == set(sound)
    assert {letter["event_id"] for letter in broker.dead()} == broken
    log = workers.logs()
    assert log.count("after 1 tries: DataCorrupt") == 1 and log.count("after 4 tries: ResourceExhausted") == 1
    assert "workers died over it 3 times" in log
    assert base64.b64encode(jpeg())[:40].decode() not in log, "pictures are in the log"


def test_text_is_read_by_the_reader_that_is_configured(broker: Broker, workers: Workers, tmp_path: Path) -> None:
    from visionqueue.app import send

    (tmp_path / "myreader.py").write_text(
        "def read(jpeg):\n    return [f'{len(jpeg)} bytes'] if jpeg[:2] == b'\\xff\\xd8' else []\n"
    )
    crop = {"event_id": "e", "label": "truck", "jpeg": base64.b64encode(jpeg()).decode()}
    send("ocr", priority=1, number=0, **crop)
    workers.start("ocr")
    workers.wait("a word about it", lambda: "OCR_READER names no reader" in workers.logs())
    workers.stop()
    assert workers.ask("SELECT * FROM texts") == []
    send("ocr", priority=1, number=1, **crop)
    send("ocr", priority=1, number=1, **crop)
    workers.start("ocr", OCR_READER="myreader:read", PYTHONPATH=f"{HERE}:{tmp_path}")
    workers.wait("the text", lambda: len(workers.ask("SELECT * FROM texts")) == 1)
    workers.wait("an empty queue", lambda: broker.waiting()["ocr"] == 0)
    workers.stop()
    (row,) = workers.ask("SELECT event_id, number, label, lines FROM texts")
    assert row[:3] == ("e", 1, "truck") and json.loads(row[3])[0].endswith("bytes")
    assert broker.waiting()["dead"] == 0


def test_a_model_that_is_not_there_ends_the_worker_at_once(broker: Broker, workers: Workers) -> None:
    publish("lobby", 0.0, jpeg())
    workers.start(MODEL="no-such-model.onnx")
    assert workers.running[0].wait(PATIENCE) != 0
    assert "no-such-model.onnx" in workers.logs()
    assert broker.waiting()["detection"] == 1
    workers.running.clear()


@pytest.mark.skipif(not REAL.exists(), reason=f"no model at {REAL}: set GUARITA_MODEL")
def test_throughput(broker: Broker, workers: Workers) -> None:
    """With a real model, from the moment all workers have stored something to the last frame. Printed, not judged."""
    lines = []
    picture = jpeg(width=640, height=480, square_at=100)
    for count in (1, 2):
        stored = workers.stored()
        for number in range(80):
            publish(f"round {count}", float(number), picture)
        for _ in range(count):
            workers.start(MODEL=str(REAL))
        query = f"SELECT COUNT(DISTINCT worker) FROM frames WHERE camera = 'round {count}'"
        workers.wait("all workers at work", lambda: workers.ask(query) == [(count,)])
        begun, first = time.monotonic(), workers.stored()
        workers.wait("the last frame", lambda: workers.stored() == stored + 80)
        rate = (stored + 80 - first) / (time.monotonic() - begun)
        workers.stop()
        lines.append(f"{count} worker{'s' * (count > 1)} {rate:.1f} frames/s")
    size = len(base64.b64encode(picture)) / 1024
    print(f"\ncelery-workers: {', '.join(lines)}; 640x480, {size:.0f} KiB in the message, {os.cpu_count()} processors")


def test_the_edge_sends_what_moves_and_nothing_twice(broker: Broker, workers: Workers, tmp_path: Path) -> None:
    """Ten seconds of a yard, in two of which something crosses it; all of it is sent a second time."""
    folder = tmp_path / "yard"
    folder.mkdir()
    for number in range(100):
        moving = 40 <= number < 60
        (folder / f"{number:03}.jpg").write_bytes(jpeg(square_at=(number - 40) * 12 if moving else None))
    command = [sys.executable, "-m", "visionqueue.edge", str(folder), "--camera", "yard", "--fps", "10"]
    sent: list[int] = []
    words = ""
    for _ in range(2):
        done = subprocess.run(
            command, cwd=tmp_path, env=workers.environment(), capture_output=True, text=True, timeout=PATIENCE
        )
        assert done.returncode == 0, done.stderr
        words = done.stdout.strip()
        sent.append(int(words.split(" frames, ")[1].split()[0]))
    print(f"\n{words}")
    # The first frame, the one at which the gate has learned, and from the motion on until it has lingered.
    assert sent[0] == sent[1] == broker.waiting()["detection"] / 2
    assert 20 <= sent[0] <= 55
    workers.start()
    workers.wait("the last frame", lambda: workers.stored() == sent[0])
    workers.finish(broker)
    assert broker.waiting() == {"detection": 0, "ocr": 0, "dead": 0} and workers.stored() == sent[0]
    moments = {round(row[0] * 10) for row in workers.ask("SELECT pts FROM frames")}
    assert set(range(42, 60)) <= moments and not moments & set(range(21, 40))


def test_the_edge_says_what_it_could_not_send(workers: Workers, tmp_path: Path) -> None:
    (tmp_path / "a.jpg").write_bytes(jpeg())
    nobody = {"BROKER_URL": f"amqp://guest:guest@127.0.0.1:{free_ports(1)}//"}
    command = [sys.executable, "-m", "visionqueue.edge", str(tmp_path), "--camera", "yard"]
    done = subprocess.run(command, env=workers.environment(**nobody), capture_output=True, text=True, timeout=PATIENCE)
    assert done.returncode == 1 and "1 frames, 0 sent" in done.stdout and "1 lost" in done.stdout
    assert "is lost" in done.stderr


def test_the_edge_says_what_it_cannot_read(workers: Workers, tmp_path: Path) -> None:
    for source in (tmp_path, tmp_path / "nothing.mp4"):
        command = [sys.executable, "-m", "visionqueue.edge", str(source), "--camera", "yard"]
        done = subprocess.run(command, env=workers.environment(), capture_output=True, text=True, timeout=PATIENCE)
        assert done.returncode == 1 and str(source) in done.stderr, done.stderr
        assert "Traceback" not in done.stderr
