"""A private Open vSwitch: one ovsdb-server and one ovs-vswitchd with the dummy datapath, all state in one directory.

It needs no root, no kernel module and no port (Unix sockets only), so any number of them run side by side:

    with Sandbox(tmp_path) as host:
        host.vsctl("add-br", "br0", "--", "set", "bridge", "br0", "datapath_type=dummy")
        host.add_vif("br0", "tap1", iface_id="...", mac="...")
        print(host.ofctl("dump-flows", "br0"))
"""

from __future__ import annotations

import os
import socket
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Self

SCHEMA = Path(os.environ.get("OVS_PKGDATADIR", "/usr/share/openvswitch")) / "vswitch.ovsschema"
PATH = os.pathsep.join([os.environ.get("PATH", ""), "/usr/sbin", "/sbin", "/usr/local/sbin"])
PATIENCE = 10.0
"""Seconds any command or start may take: many times what it needs, for a machine under load."""


class SandboxError(RuntimeError):
    """A command failed; the message is the command line and what it wrote."""


class Sandbox:
    """One simulated host.  `directory` is made when missing; `dummy` is the argument of `--enable-dummy`
    ("override" puts the dummy datapath also under bridges of datapath_type "" and "netdev")."""

    def __init__(self, directory: Path | str, dummy: str = "") -> None:
        self.directory = Path(directory)
        self.dummy = dummy
        self._daemons: dict[str, subprocess.Popen[bytes]] = {}

    def __enter__(self) -> Self:
        try:
            self.start()
        except BaseException:
            self.stop()
            raise
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.stop()

    @property
    def database(self) -> str:
        """The OVSDB remote, for a client that connects itself."""
        return f"unix:{self.directory}/db.sock"

    @property
    def environment(self) -> dict[str, str]:
        """What makes the ovs-* tools talk to this sandbox."""
        here = str(self.directory)
        folders = {f"OVS_{kind}DIR": here for kind in ("RUN", "LOG", "DB", "SYSCONF")}
        return {**os.environ, **folders, "PATH": PATH}

    def start(self) -> None:
        """Start both daemons on an empty database, or on the one that an earlier `start` left."""
        self.directory.mkdir(parents=True, exist_ok=True)
        if not (self.directory / "conf.db").exists():
            self.run("ovsdb-tool", "create", str(self.directory / "conf.db"), str(SCHEMA))
        self.start_ovsdb()
        self.vsctl("--no-wait", "init")
        self.start_vswitchd()

    def stop(self) -> None:
        """Stop both daemons; the database file and the logs stay."""
        self.stop_vswitchd()
        self.stop_ovsdb()

    def start_ovsdb(self) -> None:
        self._spawn(
            "ovsdb-server",
            str(self.directory / "conf.db"),
            f"--remote=p{self.database}",
            "--remote=db:Open_vSwitch,Open_vSwitch,manager_options",
            "--private-key=db:Open_vSwitch,SSL,private_key",
            "--certificate=db:Open_vSwitch,SSL,certificate",
            "--ca-cert=db:Open_vSwitch,SSL,ca_cert",
        )
        self.wait(lambda: listens(self.directory / "db.sock"), "ovsdb-server's socket", alive="ovsdb-server")

    def stop_ovsdb(self) -> None:
        self._end("ovsdb-server")
        (self.directory / "db.sock").unlink(missing_ok=True)

    def start_vswitchd(self) -> None:
        enable = f"--enable-dummy={self.dummy}" if self.dummy else "--enable-dummy"
        self._spawn("ovs-vswitchd", self.database, enable, "--disable-system", "--disable-system-route")
        control = self.directory / "ovs-vswitchd.ctl"
        self.wait(control.exists, "ovs-vswitchd's socket", alive="ovs-vswitchd")
        # A change, so that ovs-vsctl has something to wait for: it returns when vswitchd has applied the configuration.
        self.vsctl("set", "Open_vSwitch", ".", f"system_version={self._daemons['ovs-vswitchd'].pid}")

    def stop_vswitchd(self) -> None:
        """End ovs-vswitchd as a crash would: its flows are gone, the database is not told."""
        self._end("ovs-vswitchd")

    def restart_vswitchd(self) -> None:
        self.stop_vswitchd()
        self.start_vswitchd()

    def vsctl(self, *arguments: str) -> str:
        """Run ovs-vsctl and give its output; it waits until ovs-vswitchd has applied a change."""
        return self.run("ovs-vsctl", f"--timeout={PATIENCE:.0f}", f"--db={self.database}", *arguments)

    def ofctl(self, *arguments: str) -> str:
        """Run ovs-ofctl (OpenFlow 1.4) and give its output.  Bridges are named, never by path."""
        return self.run("ovs-ofctl", f"--timeout={PATIENCE:.0f}", "-O", "OpenFlow14", *arguments)

    def appctl(self, *arguments: str, daemon: str = "ovs-vswitchd") -> str:
        """Run a command inside a daemon, `ofproto/trace` for one, and give its output."""
        return self.run("ovs-appctl", f"--timeout={PATIENCE:.0f}", "-t", f"{self.directory}/{daemon}.ctl", *arguments)

    def add_vif(self, bridge: str, name: str, iface_id: str = "", mac: str = "") -> int:
        """Plug a dummy interface, described as a hypervisor would; the result is its OpenFlow port."""
        ids = [f"external_ids:iface-id={iface_id}"] if iface_id else []
        if mac:
            ids.append('external_ids:attached-mac="' + mac + '"')
        self.vsctl("add-port", bridge, name, "--", "set", "Interface", name, "type=dummy", *ids)
        return int(self.vsctl("get", "Interface", name, "ofport"))

    def run(self, *command: str) -> str:
        """Run any command in this sandbox's environment.  Errors: SandboxError, also when it takes too long."""
        done = subprocess.run(
            command, env=self.environment, check=False, capture_output=True, text=True, timeout=2 * PATIENCE
        )
        if done.returncode:
            raise SandboxError(
                f"{' '.join(command)}: exit code {done.returncode}: {(done.stderr or done.stdout).strip()}"
            )
        return done.stdout.strip()

    def pid(self, daemon: str = "ovs-vswitchd") -> int:
        """The process of a running daemon."""
        return self._daemons[daemon].pid

    def log(self, daemon: str = "ovs-vswitchd") -> str:
        """What a daemon has logged so far."""
        path = self.directory / f"{daemon}.log"
        return path.read_text(errors="replace") if path.exists() else ""

    def wait(self, condition: Callable[[], object], what: str, alive: str = "") -> None:
        """Wait until `condition()` is true.  Errors: SandboxError after PATIENCE, or when daemon `alive` has ended."""
        deadline = time.monotonic() + PATIENCE
        while not condition():
            if alive and self._daemons[alive].poll() is not None:
                raise SandboxError(f"{alive} ended: {self.log(alive)[-2000:]}")
            if time.monotonic() > deadline:
                raise SandboxError(f"waited {PATIENCE:.0f} s in vain for {what}")
            time.sleep(0.01)

    def _spawn(self, daemon: str, *arguments: str) -> None:
        control = self.directory / f"{daemon}.ctl"
        control.unlink(missing_ok=True)
        options = (f"--unixctl={control}", f"--log-file={self.directory}/{daemon}.log", "-vconsole:off", "-vsyslog:off")
        # The daemons die with the test run, even one that is killed.
        command = ("setpriv", "--pdeathsig", "KILL", daemon, *options, *arguments)
        self._daemons[daemon] = subprocess.Popen(
            command,
            env=self.environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )

    def _end(self, daemon: str) -> None:
        process = self._daemons.pop(daemon, None)
        if process is None:
            return
        process.kill()
        process.wait()


def listens(path: Path) -> bool:
    """Whether somebody accepts connections on a Unix socket (its file is there a moment earlier)."""
    with socket.socket(socket.AF_UNIX) as sock:
        return sock.connect_ex(str(path)) == 0
