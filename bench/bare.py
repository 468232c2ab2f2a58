"""The floor of P5: a bare WSGI handler that commits one INSERT a request: `python -m bench.bare HOST PORT DATABASE`.

eventlet's server and SQLite settings as ours (WAL, synchronous=FULL); no checks, no framework, no SQL toolkit.
"""

from controller import green  # noqa: F401  isort: skip  (first: it patches the standard library)

import json
import sqlite3
import sys
import uuid
from collections.abc import Callable, Iterable
from typing import Any

import eventlet
from eventlet import wsgi


def application(path: str) -> Callable[..., Iterable[bytes]]:
    database = sqlite3.connect(path, isolation_level=None)
    database.execute("PRAGMA journal_mode=WAL")
    database.execute("PRAGMA synchronous=FULL")
    database.execute("CREATE TABLE IF NOT EXISTS objects (id TEXT PRIMARY KEY, document TEXT NOT NULL)")

    def answer(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        (kind, document), *_ = json.loads(environ["wsgi.input"].read(int(environ["CONTENT_LENGTH"]))).items()
        document = {"id": str(uuid.uuid4()), **document}
        text = json.dumps(document)
        database.execute("BEGIN IMMEDIATE")
        database.execute("INSERT INTO objects VALUES (?, ?)", (document["id"], text))
        database.execute("COMMIT")
        body = f'{{"{kind}": {text}}}'.encode()
        start_response("201 Created", [("Content-Type", "application/json"), ("Content-Length", str(len(body)))])
        return [body]

    return answer


if __name__ == "__main__":
    listener = eventlet.listen((sys.argv[1], int(sys.argv[2])), backlog=1024)
    print("ready", flush=True)
    wsgi.server(listener, application(sys.argv[3]), log_output=False, keepalive=True)
