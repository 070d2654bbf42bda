#!/usr/bin/env python3
"""Measures this library's breaker, retries, failover and budget beside what people use in Python.

The library is reached through a small program (--ours) that reads one JSON object per line and answers one per line.

  outage      everything fails for ten minutes: calls on the wire for each request. Peers: botocore's standard retry mode
              with its own retry quota (its waits are skipped), and three attempts without a quota.
  failover    the primary fails in six ways: calls beyond the one that was asked for, and what the fallback billed.
  overspend   threads spend as fast as they can against a cap. Peer: look at the total, call, add, as it is usually
              written.
  breaker     nanoseconds of a call through a closed breaker. Peer: pybreaker, less the call of an empty function.

Exit status: 0 when the comparison ran, whatever it found; 1 when something is broken.
"""

from __future__ import annotations

import argparse
import datetime
import http.server
import importlib.metadata
import json
import os
import pathlib
import platform
import sys
import threading
import time

import botocore
import botocore.config
import botocore.session
import botocore.retries.standard
import pybreaker

from common import Broken, Program, Refused, cpu_model, progress, progress_done, table, title

MINUTES, PER_SECOND = 10, 10
CAP, PRICE, THREADS = 100_000, 1_000, 32


# ------------------------------------------------------------------------------------------------------- the peers


class Down(http.server.BaseHTTPRequestHandler):
    """A cloud in a full outage."""

    protocol_version = "HTTP/1.1"
    calls = 0

    def do_POST(self) -> None:
        Down.calls += 1
        self.rfile.read(int(self.headers["Content-Length"]))
        self.send_response(503)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_) -> None:
        pass


def botocore_outage(requests: int) -> int:
    """Calls that botocore's standard mode makes; its waits between attempts are skipped."""
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Down)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    os.environ.update(AWS_ACCESS_KEY_ID="test", AWS_SECRET_ACCESS_KEY="test")
    config = botocore.config.Config(retries={"mode": "standard", "total_max_attempts": 3})
    client = botocore.session.get_session().create_client(
        "rekognition", region_name="us-east-1", endpoint_url=f"http://127.0.0.1:{server.server_port}", config=config
    )
    Down.calls = 0
    wait, time.sleep = time.sleep, lambda _: None
    try:
        for n in range(requests):
            try:
                client.detect_labels(Image={"Bytes": b"x"})
            except botocore.exceptions.ClientError:
                pass
            if n % 100 == 0:
                progress(f"botocore in an outage: {n} of {requests} requests")
    finally:
        time.sleep = wait
        server.shutdown()
        progress_done()
    return Down.calls


def usual_budget(calls: int) -> int:
    """What the cloud bills where the total is looked at first and added to after the call."""
    total, billed, lock = 0, 0, threading.Lock()

    def spend() -> None:
        nonlocal total, billed
        for _ in range(calls):
            if total + PRICE > CAP:
                return
            time.sleep(0.001)  # the call
            with lock:
                billed += PRICE
            total += PRICE

    threads = [threading.Thread(target=spend) for _ in range(THREADS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return billed


def pybreaker_ns(calls: int) -> float:
    breaker = pybreaker.CircuitBreaker()

    def nothing() -> None:
        pass

    def best(call) -> float:
        times = []
        for _ in range(5):
            start = time.perf_counter_ns()
            for _ in range(calls):
                call()
            times.append((time.perf_counter_ns() - start) / calls)
        return min(times)

    return best(lambda: breaker.call(nothing)) - best(nothing)


# ------------------------------------------------------------------------------------------------------------ parts


def percent(calls: int, requests: int) -> float:
    return 100 * (calls - requests) / requests


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--ours", type=pathlib.Path, required=True, help="the program compare-resilience")
    parser.add_argument("--record", type=pathlib.Path, help="also write the figures into this file, as JSON")
    args = parser.parse_args()
    try:
        with Program(args.ours, timeout=300) as ours:
            figures = compare(ours)
    except (Broken, Refused) as error:
        print(f"compare-resilience: {error}", file=sys.stderr)
        return 1
    if args.record:
        args.record.write_text(json.dumps(figures, indent=1) + "\n")
        print(f"\nrecord: {args.record}")
    print(
        f"\nresilience: full outage extra load {figures['outage']['ours_percent']:.1f}%, "
        f"failover calls {figures['failover']['extra_calls']}, "
        f"overspend {figures['overspend']['ours']} micro-dollars, breaker call {figures['breaker']['ours_ns']:.0f} ns"
    )
    return 0


def compare(ours: Program) -> dict:
    figures: dict = {
        "date": datetime.date.today().isoformat(),
        "cpu": cpu_model(),
        "python": platform.python_version(),
        "botocore": botocore.__version__,
        "pybreaker": importlib.metadata.version("pybreaker"),
    }
    title(f"A full outage of {MINUTES} minutes, {PER_SECOND} requests a second")
    outage = ours.call("outage", minutes=MINUTES, per_second=PER_SECOND)
    requests = outage["requests"]
    peer = botocore_outage(requests)
    rows = [("retries alone", outage["calls"]), ("retries behind the breaker", outage["calls_behind_breaker"]),
            ("botocore, standard mode", peer), ("three attempts, no quota", 3 * requests)]  # fmt: skip
    table(["", "requests", "calls", "extra load"],
          [[name, str(requests), str(calls), f"{percent(calls, requests):+.1f} %"] for name, calls in rows])  # fmt: skip
    figures["outage"] = {"requests": requests, "ours": outage["calls"], "ours_percent": percent(outage["calls"], requests),
                         "behind_breaker": outage["calls_behind_breaker"], "botocore": peer}  # fmt: skip

    title("A primary that fails in six ways: down, out of memory, timed out, ended, slow, silent")
    failover = ours.call("failover", requests=1200)
    del failover["ok"]
    figures["failover"] = failover
    table(["requests", "answered", "most calls beyond the one", "billed"],
          [["1200", str(failover["answered"]), str(failover["extra_calls"]), str(failover["billed"])]])  # fmt: skip

    title(f"{THREADS} threads against a cap of {CAP} micro-dollars, {PRICE} a call")
    billed = max(ours.call("overspend", threads=THREADS, calls=20_000, cap=CAP, price=PRICE)["billed"] for _ in range(3))
    usual = usual_budget(20_000)
    figures["overspend"] = {"ours": max(0, billed - CAP), "billed": billed, "usual": max(0, usual - CAP)}
    table(["", "billed", "past the cap"],
          [["reserve, then commit", str(billed), str(figures["overspend"]["ours"])],
           ["look, call, add", str(usual), str(figures["overspend"]["usual"])]])  # fmt: skip

    title("A call through a closed breaker, one thread, least of several turns")
    ours_ns, peer_ns = [], []
    for turn in range(5):
        progress(f"breaker: turn {turn + 1} of 5")
        ours_ns.append(ours.call("breaker", calls=2_000_000)["ns"])
        peer_ns.append(pybreaker_ns(20_000))
    progress_done()
    best, peer = min(ours_ns), min(peer_ns)
    figures["breaker"] = {"ours_ns": best, "pybreaker_ns": peer}
    table(["", "ns", "peer ÷ guarita"], [["guarita", f"{best:.0f}", ""], ["pybreaker", f"{peer:.0f}", f"{peer / best:.0f}"]])

    title("Goals")
    for name, value, most in [("extra load in a full outage, %", figures["outage"]["ours_percent"], 10),
                              ("calls beyond the one that was asked for", failover["extra_calls"], 1),
                              ("micro-dollars past the cap", figures["overspend"]["ours"], 0),
                              ("nanoseconds of a breaker call (of this machine)", best, 100)]:  # fmt: skip
        print(f"  {name}: {value:.4g} (≤ {most}): {'met' if value <= most else 'NOT met'}")
    return figures


if __name__ == "__main__":
    sys.exit(main())
