"""The controller with gauges: `python -m bench.gauged serve ...` is `patchbay serve` that also writes down, ten times a
second, how many bytes wait for switches and how late its own loop is.  Lines of JSON go to the file in BENCH_GAUGES.
"""

from controller import green  # noqa: F401  isort: skip  (first: it patches the standard library)

import json
import os
import sys
import time
from typing import Any

from os_ken.lib import hub

from controller import cli, serve
from controller.io.openflow.server import OpenFlowServer

STEP = 0.1


class Gauged(OpenFlowServer):
    """The server that bridges connect to, and what waits in it."""

    def start(self) -> None:
        super().start()
        hub.spawn(self._gauge)

    def _gauge(self) -> None:
        with open(os.environ["BENCH_GAUGES"], "a") as file:
            while True:
                asked = time.monotonic()
                hub.sleep(STEP)
                now = time.monotonic()
                found: dict[str, Any] = {str(c.session.dpid): c.queued for c in self._connections if c.queued}
                file.write(json.dumps({"at": now, "late": now - asked - STEP, "queued": found}) + "\n")
                file.flush()


if __name__ == "__main__":
    serve.OpenFlowServer = Gauged  # type: ignore[misc]
    sys.exit(cli.run(sys.argv[1:]))
