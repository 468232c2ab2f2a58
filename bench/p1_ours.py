"""Our side of P1 as a program: `python -m bench.p1_ours SANDBOX COUNT TEXT` prints seconds as JSON, a line a round.

The real OpenFlow server, in green threads; ovs-vswitchd connects to it, one new bridge a round.
"""

from controller import green  # noqa: F401  isort: skip  (first: it patches the standard library)

import gc
import json
import sys
import time
from pathlib import Path
from typing import Any

from os_ken.lib import hub

from bench.rendered import copied, flows, flows_as_text
from controller.core.effects import FlowMods
from controller.core.events import Acknowledged, SwitchError, SwitchUp
from controller.core.flow import Flow
from controller.io.openflow import encode
from controller.io.openflow.server import OpenFlowServer
from tests.ovs.sandbox import Sandbox

PATIENCE = 60


class Bench:
    """A server and what its bridges have said."""

    def __init__(self, directory: Path) -> None:
        self.host = Sandbox(directory)
        self.events: list[Any] = []
        self.server = OpenFlowServer("127.0.0.1:0", self.events.append, frozenset())
        self.server.start()

    def wait(self, kind: type) -> Any:
        """The next event of a kind."""
        end = time.monotonic() + PATIENCE
        while time.monotonic() < end:
            for event in self.events:
                if isinstance(event, SwitchError):
                    raise RuntimeError(f"the bridge refused: {event}")
                if isinstance(event, kind):
                    self.events.remove(event)
                    return event
            hub.sleep(0.0005)
        raise TimeoutError(f"no {kind.__name__} within {PATIENCE} s")

    def round(self, bridge: str, made: list[Flow]) -> float:
        """Seconds for the flows on a new bridge."""
        target = "tcp:{}:{}".format(*self.server.address)
        settings = ("datapath_type=dummy", "fail_mode=secure", "protocols=OpenFlow14")
        self.host.vsctl(
            "add-br", bridge, "--", "set", "Bridge", bridge, *settings, "--", "set-controller", bridge, target
        )
        up = self.wait(SwitchUp)
        self.server.taken_in(up)
        gc.collect()
        start = time.monotonic()
        self.server.carry_out(FlowMods(up.dpid, 1, add=tuple(made)))
        self.wait(Acknowledged)
        seconds = time.monotonic() - start
        there = self.host.ofctl("dump-aggregate", bridge)
        if f"flow_count={len(made)}" not in there:
            raise RuntimeError(f"{len(made)} flows were sent; the bridge says {there}")
        self.host.vsctl("del-br", bridge)
        return seconds


def forget() -> None:
    """Empty the encoder's caches."""
    for name in vars(encode):
        clear = getattr(getattr(encode, name), "cache_clear", None)
        if clear is not None:
            clear()


def main() -> None:
    """Write the flows as text for the floor, then do a cold and a warm round for each line of stdin."""
    directory, count, text = Path(sys.argv[1]), int(sys.argv[2]), Path(sys.argv[3])
    bench, made = Bench(directory), flows(count)
    text.write_text(flows_as_text(made))
    print(json.dumps({"bytes": sum(len(encode.flow_add(flow, 1)) for flow in made)}), flush=True)
    for number, _ in enumerate(sys.stdin):
        forget()
        made = copied(made)
        cold = bench.round(f"cold{number}", made)
        print(json.dumps({"cold": cold, "warm": bench.round(f"warm{number}", made)}), flush=True)


if __name__ == "__main__":
    main()
