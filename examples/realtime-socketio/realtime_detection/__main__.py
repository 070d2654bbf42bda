"""Runs the server: `python -m realtime_detection`, then open the address that it prints."""

from __future__ import annotations

import logging
import sys

from aiohttp import web

from .server import SOCKET_IO, Server
from .settings import Settings


def main() -> None:
    """Runs it until it is told to end."""
    if {"-h", "--help"} & set(sys.argv[1:]):
        return print(f"{__doc__}\n\n{Settings.help()}")
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(name)s %(message)s")
    if not SOCKET_IO.is_file():
        logging.warning("the page needs `npm install` in %s; other clients do not", SOCKET_IO.parents[3])
    settings = Settings.of()
    web.run_app(Server(settings).app(), host=settings.host, port=settings.port, access_log=None)


if __name__ == "__main__":
    main()
