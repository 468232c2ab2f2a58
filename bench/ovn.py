"""OVN as Debian has it, for P2: taken from the packages without installing them (no service is started), in a Sandbox.

Installed programs are used where there are any; else the packages are fetched once, with the machine's own apt.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterable
from pathlib import Path

from tests.ovs.sandbox import PATH, Sandbox

PACKAGES = ("ovn-common", "ovn-central", "ovn-host")
CACHE = Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache")) / "patchbay-bench" / "ovn"
PROGRAMS = ("usr/bin/ovn-northd", "usr/bin/ovn-controller", "usr/bin/ovn-nbctl")


class Missing(Exception):
    """Why there is no OVN, in one line."""


def find() -> Path | None:
    """The root of an OVN: `/` where it is installed, or the cache; None when there is none yet."""
    for root in (Path("/"), CACHE):
        if all((root / program).exists() for program in PROGRAMS):
            return root
    return None


def provide() -> Path:
    """The root of an OVN, fetched when it is missing.  Raises Missing."""
    found = find()
    if found is not None:
        return found
    for tool in ("apt-get", "dpkg-deb"):
        if shutil.which(tool) is None:
            raise Missing(f"OVN is not installed, and there is no {tool} to fetch it with")
    with tempfile.TemporaryDirectory() as directory:
        command = ["apt-get", "download", "-qq", *PACKAGES]
        done = subprocess.run(command, cwd=directory, capture_output=True, text=True, check=False, timeout=120)
        if done.returncode:
            reason = (done.stderr.strip() or "apt-get download failed").splitlines()[-1]
            raise Missing(f"OVN is not installed and can't be fetched: {reason}")
        CACHE.mkdir(parents=True, exist_ok=True)
        for package in sorted(Path(directory).glob("*.deb")):
            subprocess.run(["dpkg-deb", "-x", str(package), str(CACHE)], check=True)
    found = find()
    if found is None:
        raise Missing(f"the packages {', '.join(PACKAGES)} do not hold what is expected")
    return found


class Ovn:
    """Northbound and southbound databases, ovn-northd and ovn-controller beside a Sandbox's Open vSwitch."""

    def __init__(self, root: Path, host: Sandbox) -> None:
        self._root, self._host, self._directory = root, host, host.directory / "ovn"
        self._processes: list[subprocess.Popen[bytes]] = []

    def __enter__(self) -> Ovn:
        try:
            self._start()
        except BaseException:
            self.close()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @property
    def _environment(self) -> dict[str, str]:
        places = {f"OVN_{kind}DIR": str(self._directory) for kind in ("RUN", "LOG", "DB", "SYSCONF")}
        path = os.pathsep.join([f"{self._root}/usr/bin", PATH])
        return {**self._host.environment, **places, "PATH": path}

    def _socket(self, name: str) -> str:
        return f"unix:{self._directory}/{name}.sock"

    def _start(self) -> None:
        self._directory.mkdir()
        for name in ("nb", "sb"):
            file, schema = self._directory / f"{name}.db", self._root / f"usr/share/ovn/ovn-{name}.ovsschema"
            self._host.run("ovsdb-tool", "create", str(file), str(schema))
            self._spawn(name, "ovsdb-server", str(file), f"--remote=p{self._socket(name)}")
            self._host.wait((self._directory / f"{name}.sock").exists, f"OVN's {name} database")
        databases = (f"--ovnnb-db={self._socket('nb')}", f"--ovnsb-db={self._socket('sb')}")
        self._spawn("northd", "ovn-northd", *databases)
        ids = {"system-id": "hv0", "ovn-remote": self._socket("sb"), "ovn-encap-type": "geneve"}
        ids["ovn-encap-ip"] = "127.0.0.1"
        self._host.vsctl("set", "Open_vSwitch", ".", *(f'external_ids:{k}="{v}"' for k, v in ids.items()))
        settings = ("datapath_type=dummy", "fail_mode=secure")
        self._host.vsctl("add-br", "br-int", "--", "set", "bridge", "br-int", *settings)
        self._spawn("controller", "ovn-controller", self._host.database)
        self._host.wait(lambda: self.flows() > 0, "ovn-controller's first flows")

    def _spawn(self, name: str, program: str, *arguments: str) -> None:
        here = self._directory
        # ovn-controller alone can't be told where; it is in OVN_RUNDIR then.
        unixctl = () if name == "controller" else (f"--unixctl={here}/{name}.ctl",)
        options = (*unixctl, f"--log-file={here}/{name}.log", "-vconsole:off", "-vsyslog:off")
        quiet = subprocess.DEVNULL
        command = ["setpriv", "--pdeathsig", "KILL", program, *arguments, *options]
        self._processes.append(
            subprocess.Popen(command, env=self._environment, stdin=quiet, stdout=quiet, stderr=quiet)
        )

    def nbctl(self, *arguments: str) -> None:
        """Run ovn-nbctl.  Raises CalledProcessError."""
        command = ["ovn-nbctl", f"--db={self._socket('nb')}", "--timeout=120", *arguments]
        subprocess.run(command, env=self._environment, check=True, stdout=subprocess.DEVNULL)

    def many(self, commands: Iterable[list[str]]) -> None:
        """Run commands of ovn-nbctl as one transaction."""
        self.nbctl(*[word for command in commands for word in ("--", *command)][1:])

    def sync(self) -> None:
        """Wait until the host has all flows of what the northbound database says now.  Raises RuntimeError."""
        for process in self._processes:
            if process.poll() is not None:
                raise RuntimeError(f"{process.args[3]} ended with code {process.poll()}")  # type: ignore[index]
        self.nbctl("--wait=hv", "sync")

    def flows(self) -> int:
        """How many flows br-int has."""
        return int(self._host.ofctl("dump-aggregate", "br-int").rpartition("flow_count=")[2])

    def ports(self, networks: Iterable[str], ports: Iterable[tuple[str, str, str, str]]) -> None:
        """Make logical switches, and their ports: (network, port, MAC, IP address)."""
        for network in networks:
            self.nbctl("ls-add", network)
        words: list[str] = []
        for network, port, mac, address in ports:
            words += ["--", "lsp-add", network, port]
            for setting in ("lsp-set-addresses", "lsp-set-port-security"):
                words += ["--", setting, port, f"{mac} {address}"]
        self.nbctl(*words[1:])
        self.sync()

    def close(self) -> None:
        for process in self._processes:
            process.kill()
            process.wait()
        self._processes.clear()
