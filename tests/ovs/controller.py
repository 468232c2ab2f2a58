"""The real controller as a process of its own: `python -m controller serve` on free ports, with its own database.

    with Controller(tmp_path, {"ovs": {"network_vlan_ranges": "physnet1:1000:1999"}}) as controller:
        controller.join(host)
        network = controller.make("network", name="blue")

Every Controller listens on a loopback address of its own, so that any number of them run side by side and each is
found at the same place again after a restart.
"""

from __future__ import annotations

import errno
import itertools
import json
import os
import random
import signal
import socket
import ssl
import subprocess
import sys
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Callable, Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from tests.ovs.sandbox import Sandbox

ROOT = Path(__file__).resolve().parents[2]
PATIENCE = 15.0
_NUMBERS = itertools.count(1)
_PORTS = iter(random.SystemRandom().sample(range(10_000, 32_000), 22_000))


class Controller:
    """`ini` holds sections of the configuration, which go before the database and the addresses chosen here.

    `ca` is the certificate that REST over TLS is verified with.
    """

    def __init__(self, directory: Path, ini: Mapping[str, Mapping[str, object]] | None = None) -> None:
        directory.mkdir(parents=True, exist_ok=True)
        self.directory = directory
        pid = os.getpid()
        self.address = f"127.{next(_NUMBERS) % 250 + 1}.{pid >> 8 & 255}.{pid & 255}"
        self.ports = {name: free_port(self.address) for name in ("api", "openflow", "ovsdb")}
        self.ca = ""
        self.config = directory / "patchbay.ini"
        self.configure(ini or {})
        self._process: subprocess.Popen[bytes] | None = None

    def configure(self, ini: Mapping[str, Mapping[str, object]]) -> None:
        """Write the INI file; it counts from the next start on."""
        sections: dict[str, dict[str, object]] = {
            "database": {"connection": f"sqlite:///{self.directory}/patchbay.db"},
            **{name: {"listen": f"{self.address}:{port}"} for name, port in self.ports.items()},
        }
        for name, options in ini.items():
            sections.setdefault(name, {}).update(options)
        self._secure = {name for name, options in sections.items() if "tls_certificate" in options}
        lines = [
            f"[{name}]\n" + "".join(f"{k} = {v}\n" for k, v in values.items()) for name, values in sections.items()
        ]
        self.config.write_text("\n".join(lines))

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.kill9()

    # -- the process --------------------------------------------------------------------------------------------------

    def start(self, *options: str) -> None:
        """Start it with these options of `serve`, and wait until it listens."""
        self.launch(*options)
        self.wait(lambda: "To look inside" in self.output[self._begin :], "the controller to listen")

    def launch(self, *options: str) -> None:
        """Start it without waiting for anything."""
        with open(self._output, "ab") as output, open(self._log, "ab") as log:
            self._begin = len(self.output)
            self._process = subprocess.Popen(
                ["setpriv", "--pdeathsig", "KILL", sys.executable, "-m", "controller", "serve"]
                + ["--config", str(self.config), *options],
                cwd=ROOT,
                env={**os.environ, "PYTHONUNBUFFERED": "1"},
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=log,
            )

    def kill9(self) -> None:
        """End it as a crash would."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None

    def stop(self) -> tuple[int, float]:
        """End it with SIGTERM; returns its exit code, and the seconds it took."""
        assert self._process is not None
        asked = time.monotonic()
        self._process.send_signal(signal.SIGTERM)
        return self.ended(), time.monotonic() - asked

    def ended(self) -> int:
        """Wait for its end; returns its exit code."""
        assert self._process is not None
        code = self._process.wait(PATIENCE)
        self._process = None
        return code

    @property
    def alive(self) -> bool:
        return self._process is not None and self._process.poll() is None

    @property
    def pid(self) -> int:
        assert self._process is not None
        return self._process.pid

    @property
    def log(self) -> str:
        """What it has logged so far, over all its starts."""
        return self._log.read_text() if self._log.exists() else ""

    @property
    def output(self) -> str:
        """What it has printed so far, over all its starts."""
        return self._output.read_text() if self._output.exists() else ""

    @property
    def _log(self) -> Path:
        return self.directory / "controller.log"

    @property
    def _output(self) -> Path:
        return self.directory / "controller.out"

    # -- its REST API and command line --------------------------------------------------------------------------------

    @property
    def url(self) -> str:
        scheme = "https" if "api" in self._secure else "http"
        return f"{scheme}://{self.address}:{self.ports['api']}"

    @property
    def _trust(self) -> ssl.SSLContext | None:
        return ssl.create_default_context(cafile=self.ca) if "api" in self._secure else None

    def rest(self, method: str, path: str, body: Any = None) -> Any:
        """A request that must succeed; the result is the answer's JSON (None when it has none)."""
        data = None if body is None else json.dumps(body).encode()
        headers = {"Content-Type": "application/json"}
        request = urllib.request.Request(self.url + path, data=data, method=method, headers=headers)
        try:
            with urllib.request.urlopen(request, timeout=PATIENCE, context=self._trust) as answer:
                text = answer.read()
        except urllib.error.HTTPError as error:
            raise AssertionError(f"{method} {path}: {error.code}: {error.read()!r}") from None
        return json.loads(text) if text else None

    def make(self, kind: str, /, **values: Any) -> Any:
        """Create a network, subnet or port; attribute names' colons are written `__`."""
        body = {kind: {name.replace("__", ":"): value for name, value in values.items()}}
        return self.rest("POST", f"/v2.0/{kind}s", body)[kind]

    def status(self, port_id: str) -> str:
        """A port's status."""
        return str(self.rest("GET", f"/v2.0/ports/{port_id}")["port"]["status"])

    def look(self, *path: str) -> Any:
        """What the controller says about itself: hosts, ports, switches, status ..."""
        return self.rest("GET", "/patchbay/v1/" + "/".join(path))

    def flows(self, name: str) -> dict[str, str]:
        """The flows that a switch ("h1/br-int") shall have: text by cookie."""
        found = self.look("switches", urllib.parse.quote(name, safe=""), "flows")
        return {flow["cookie"]: flow["openflow"] for flow in found}

    def patchbay(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Run a command of the command line that asks this controller."""
        return run_patchbay(*arguments, "--url", self.url)

    # -- hosts --------------------------------------------------------------------------------------------------------

    def target(self, name: str) -> str:
        """Where an Open vSwitch finds a listener ("openflow", "ovsdb"), in its own words."""
        return f"{'ssl' if name in self._secure else 'tcp'}:{self.address}:{self.ports[name]}"

    def join(self, host: Sandbox, name: str, local_ip: str = "", **external_ids: str) -> None:
        """Have a host join as an operator would, and wait until its integration bridge is programmed."""
        ids = {"hostname": name, "local_ip": local_ip, "datapath_type": "dummy", **external_ids}
        host.vsctl(
            "set", "Open_vSwitch", ".", *(f'external_ids:{key}="{value}"' for key, value in ids.items() if value)
        )
        host.vsctl("--no-wait", "set-manager", self.target("ovsdb"))
        self.wait(lambda: self.settled(name), f"{name} to be programmed")

    def settled(self, name: str, *bridges: str) -> bool:
        """Whether a host's bridges (br-int when none is named) have acknowledged all they were sent."""
        states = {switch["name"]: switch["settled"] and switch["connected"] for switch in self.look("switches")}
        return all(states.get(f"{name}/{bridge}") for bridge in bridges or ("br-int",))

    def wait(self, condition: Callable[[], object], what: str, patience: float = PATIENCE) -> None:
        """Wait until `condition()` is true; fails after `patience` seconds, or when the controller has ended."""
        deadline = time.monotonic() + patience
        while not condition():
            assert self.alive, f"the controller ended: {self.log[-3000:]}"
            assert time.monotonic() < deadline, f"waited {patience} s in vain for {what}; log: {self.log[-3000:]}"
            time.sleep(0.02)


def run_patchbay(*arguments: str) -> subprocess.CompletedProcess[str]:
    """Run `patchbay` with these arguments to its end."""
    command = [sys.executable, "-m", "controller", *arguments]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=2 * PATIENCE, check=False)


def free_port(address: str) -> int:
    """A TCP port of a loopback address that nobody listens on, and that this process was not given before.

    It lies below the ports that the kernel gives of itself (ip_local_port_range), for what connects from an address
    of the loopback would else get it before its listener does.
    """
    for port in _PORTS:
        try:
            with socket.create_server((address, port)):
                return port
        except OSError as error:
            if error.errno != errno.EADDRINUSE:
                raise
    raise AssertionError("every port was given")
