"""Where results are kept: one row for each frame, however often it is delivered.

SQLite serves the workers of one machine. With several machines, put any database there that has unique keys; in PostgreSQL,
`INSERT OR IGNORE` is `INSERT … ON CONFLICT DO NOTHING`.
"""

import json
import sqlite3
from typing import Any

_TABLES = """
CREATE TABLE IF NOT EXISTS frames (
    event_id TEXT PRIMARY KEY, camera TEXT NOT NULL, pts REAL NOT NULL, detections TEXT NOT NULL, worker INTEGER NOT NULL
);
CREATE INDEX IF NOT EXISTS frames_by_camera ON frames (camera, pts);
CREATE TABLE IF NOT EXISTS texts (
    event_id TEXT NOT NULL, number INTEGER NOT NULL, label TEXT NOT NULL, lines TEXT NOT NULL,
    PRIMARY KEY (event_id, number)
);
CREATE TABLE IF NOT EXISTS redeliveries (task TEXT PRIMARY KEY, count INTEGER NOT NULL);
"""


class Store:
    """The results in an SQLite file. Open it in the process that uses it: a connection does not survive a fork."""

    def __init__(self, path: str) -> None:
        self._db = sqlite3.connect(path, timeout=30, isolation_level=None)
        self._db.execute("PRAGMA journal_mode = WAL")
        # A stored frame is acknowledged to the broker, so it must be on disk.
        self._db.execute("PRAGMA synchronous = FULL")
        self._db.executescript(_TABLES)

    def add_frame(self, event_id: str, camera: str, pts: float, detections: list[dict[str, Any]], worker: int) -> bool:
        """Stores what was found in a frame; false where it was stored before."""
        row = (event_id, camera, pts, json.dumps(detections), worker)
        return self._db.execute("INSERT OR IGNORE INTO frames VALUES (?, ?, ?, ?, ?)", row).rowcount == 1

    def add_text(self, event_id: str, number: int, label: str, lines: list[str]) -> bool:
        """Stores what was read on the detection `number` of a frame; false where it was stored before."""
        row = (event_id, number, label, json.dumps(lines))
        return self._db.execute("INSERT OR IGNORE INTO texts VALUES (?, ?, ?, ?)", row).rowcount == 1

    def count_redelivery(self, task: str) -> int:
        """How often this task has come again, with this time."""
        counted = self._db.execute(
            "INSERT INTO redeliveries VALUES (?, 1) ON CONFLICT DO UPDATE SET count = count + 1 RETURNING count",
            (task,),
        )
        return int(counted.fetchone()[0])
