"""What was made before a fork works in the child, or says that it cannot; nothing hangs. With os.fork, multiprocessing, Celery
and gunicorn, all in processes of their own whose time is bounded."""

from __future__ import annotations

import json
import os
import pathlib
import re
import signal
import subprocess
import sys
import textwrap
import time
import urllib.request
from typing import Any

import pytest

if not hasattr(os, "fork"):
    pytest.skip("this system has no fork", allow_module_level=True)

PROGRAMS = pathlib.Path(__file__).resolve().parent / "programs"
PATIENCE = 90.0


@pytest.fixture
def environment(fixtures: pathlib.Path) -> dict[str, str]:
    chosen = {**os.environ, "MODEL": str(fixtures / "v8_nc80.onnx"), "PYTHONPATH": str(PROGRAMS)}
    # As most hosts are: ONNX Runtime's thread for telemetry, where there is one, makes children hang when they exit.
    chosen.pop("ORT_DISABLE_TELEMETRY", None)
    return chosen


def run(program: str, environment: dict[str, str], folder: pathlib.Path) -> list[dict[str, Any]]:
    """Runs a program that prints reports, one a line; it must end by itself, and well."""
    path = folder / "program.py"
    path.write_text("import faulthandler\nfaulthandler.enable()\n" + textwrap.dedent(program))
    out = folder / "out.txt"
    # Not through pipes: a child that hangs would keep them open.
    with out.open("w") as file:
        started = subprocess.Popen(
            [sys.executable, path], env=environment, cwd=folder, stdout=file, stderr=file, start_new_session=True
        )
    try:
        code = started.wait(PATIENCE)
    except subprocess.TimeoutExpired:
        os.killpg(started.pid, signal.SIGABRT)  # the stacks are printed
        code = started.wait(PATIENCE)
    assert code == 0, out.read_text()
    return [json.loads(line) for line in out.read_text().splitlines() if line.startswith("{")]


def check(report: dict[str, Any], *, child: bool) -> None:
    assert set(report["anywhere"].values()) == {"well"}, report
    assert set(report["at home"].values()) == {"InvalidState" if child else "well"}, report


def test_os_fork(environment: dict[str, str], tmp_path: pathlib.Path) -> None:
    """A child, a child of that child, and the parent afterwards; each ends as programs do."""
    program = """
        import json, os, sys
        import before_the_fork as things
        for generation in range(2):
            child = os.fork()
            if child:
                assert os.waitpid(child, 0)[1] == 0
                break
        print(json.dumps(things.report()), flush=True)
        sys.exit(0)
    """
    grandchild, child, parent = run(program, environment, tmp_path)
    assert len({report["process"] for report in (grandchild, child, parent)}) == 3
    check(grandchild, child=True)
    check(child, child=True)
    check(parent, child=False)


def test_fork_while_other_threads_are_in_calls(environment: dict[str, str], tmp_path: pathlib.Path) -> None:
    """Locks that a thread of the parent holds at that moment are not waited for."""
    program = """
        import json, os, sys, threading
        import before_the_fork as things
        stop, calls = threading.Event(), [0, 0, 0]
        def work(number, call):
            while not stop.is_set():
                call()
                calls[number] += 1
        uses = [lambda: things.detector.detect(things.PICTURE), lambda: things.local.detect(things.PICTURE), things.detect_async]
        threads = [threading.Thread(target=work, args=pair) for pair in enumerate(uses)]
        for thread in threads:
            thread.start()
        for _ in range(15):
            before = sum(calls)
            while sum(calls) < before + 5:
                pass
            child = os.fork()
            if not child:
                print(json.dumps(things.report()), flush=True)
                # Not sys.exit: the interpreter would wait for the threads of the parent.
                os._exit(0)
            assert os.waitpid(child, 0)[1] == 0
        stop.set()
        for thread in threads:
            thread.join()
        print(json.dumps(things.report()))
    """
    *children, parent = run(program, environment, tmp_path)
    assert len(children) == 15
    for child in children:
        check(child, child=True)
    check(parent, child=False)


@pytest.mark.parametrize("method", ["fork", "spawn", "forkserver"])
def test_multiprocessing(method: str, environment: dict[str, str], tmp_path: pathlib.Path) -> None:
    """Workers that are forked have the parent's things; others import the program anew, and have their own."""
    program = f"""
        import json, multiprocessing
        import before_the_fork as things
        def work(number):
            return json.dumps(things.report())
        if __name__ == "__main__":
            with multiprocessing.get_context({method!r}).Pool(2) as pool:
                for line in pool.map(work, range(4), chunksize=1):
                    print(line)
                pool.close()
                pool.join()
    """
    reports = run(program, environment, tmp_path)
    assert len(reports) == 4
    for report in reports:
        check(report, child=method == "fork")


def test_things_do_not_travel_to_other_processes(environment: dict[str, str], tmp_path: pathlib.Path) -> None:
    """A detector cannot be pickled; that is said at once, in the process that tries."""
    program = """
        import json, pickle
        import before_the_fork as things
        for thing in (things.detector, things.local, things.threads):
            try:
                pickle.dumps(thing)
            except TypeError as error:
                print(json.dumps({"said": str(error)}))
    """
    said = run(program, environment, tmp_path)
    assert len(said) == 3 and all("pickle" in one["said"] for one in said)


def test_celery_prefork(environment: dict[str, str], tmp_path: pathlib.Path) -> None:
    pytest.importorskip("celery")
    (tmp_path / "work.py").write_text(
        textwrap.dedent("""
            import json, os, pathlib
            import celery
            import before_the_fork as things
            for name in ("queue", "done", "control"):
                pathlib.Path(name).mkdir(exist_ok=True)
            app = celery.Celery("work", broker="filesystem://")
            app.conf.broker_transport_options = {
                "data_folder_in": "queue", "data_folder_out": "queue", "control_folder": "control"
            }
            app.conf.update(task_ignore_result=True, worker_prefetch_multiplier=1, task_acks_late=True)
            @app.task
            def work(number):
                path = pathlib.Path("done", f"{number}.part")
                path.write_text(json.dumps(things.report()))
                path.rename(path.with_suffix(".json"))
        """)
    )
    subprocess.run(
        [sys.executable, "-c", "import work\nfor number in range(8): work.work.delay(number)"],
        env=environment, cwd=tmp_path, check=True, timeout=PATIENCE,
    )  # fmt: skip
    command = [sys.executable, "-m", "celery", "-A", "work", "worker", "-P", "prefork", "-c", "2"]
    log = tmp_path / "log.txt"
    with log.open("w") as out:
        worker = subprocess.Popen(
            [*command, "--without-gossip", "--without-mingle"], env=environment, cwd=tmp_path, stdout=out, stderr=out
        )
    try:
        end = time.monotonic() + PATIENCE
        while len(done := list(tmp_path.glob("done/*.json"))) < 8:
            assert time.monotonic() < end and worker.poll() is None, log.read_text()
            time.sleep(0.05)
        worker.terminate()
        assert worker.wait(PATIENCE) == 0, log.read_text()
    finally:
        worker.kill()
    reports = [json.loads(path.read_text()) for path in done]
    assert worker.pid not in {report["process"] for report in reports}
    for report in reports:
        check(report, child=True)


def test_gunicorn_preload(environment: dict[str, str], tmp_path: pathlib.Path) -> None:
    pytest.importorskip("gunicorn")
    log = tmp_path / "log.txt"
    command = [
        sys.executable,
        "-m",
        "gunicorn",
        "--preload",
        "-w",
        "2",
        "-b",
        "127.0.0.1:0",
        "before_the_fork:application",
    ]
    with log.open("w") as out:
        server = subprocess.Popen(command, env=environment, cwd=tmp_path, stdout=out, stderr=out)
    try:
        end = time.monotonic() + PATIENCE
        while not (listening := re.search(r"Listening at: (http://\S+)", log.read_text())):
            assert time.monotonic() < end and server.poll() is None, log.read_text()
            time.sleep(0.05)
        processes: set[int] = set()
        while len(processes) < 2:
            assert time.monotonic() < end, f"only {processes} answer:\n{log.read_text()}"
            with urllib.request.urlopen(listening[1], timeout=PATIENCE) as response:
                report = json.load(response)
            check(report, child=True)
            processes.add(report["process"])
        assert server.pid not in processes
        server.terminate()
        assert server.wait(PATIENCE) == 0, log.read_text()
        assert "SIGKILL" not in log.read_text(), "a worker did not end by itself"
    finally:
        server.kill()
