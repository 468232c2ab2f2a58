"""Who reaches whom: servers in VMs, probes of all of them at once, and streams that tell how far they have come."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import NamedTuple

from tests.netns.testbed import Vm, wait_until

PATIENCE = 3.0
"""Seconds in which a probe that may pass has passed: TCP tries a second time after one."""

_SERVE = """
import socket, sys, threading
def echo(conn):
    while data := conn.recv(4096):
        conn.sendall(data)
def accept(listener):
    while True:
        threading.Thread(target=echo, args=(listener.accept()[0],), daemon=True).start()
def answer(sock):
    while True:
        data, peer = sock.recvfrom(4096)
        sock.sendto(data, peer)
threads = []
for word in sys.argv[1:]:
    kind, port = word.split(":")
    sock = socket.socket(socket.AF_INET6, socket.SOCK_STREAM if kind == "tcp" else socket.SOCK_DGRAM)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    sock.bind(("::", int(port)))
    if kind == "tcp":
        sock.listen(64)
    threads.append(threading.Thread(target=accept if kind == "tcp" else answer, args=(sock,), daemon=True))
    threads[-1].start()
print("serving", flush=True)
threading.Event().wait()
"""

_PROBE = """
import json, socket, subprocess, sys, threading
patience, probes = float(sys.argv[1]), json.loads(sys.argv[2])
passed = [False] * len(probes)
def probe(n, kind, ip, port):
    if kind == "ping":
        done = subprocess.run(["ping", "-n", "-c", "2", "-i", "0.5", "-W", str(patience - 1), ip], capture_output=True)
        passed[n] = done.returncode == 0
        return
    family = socket.AF_INET6 if ":" in ip else socket.AF_INET
    sock = socket.socket(family, socket.SOCK_STREAM if kind == "tcp" else socket.SOCK_DGRAM)
    sock.settimeout(patience)
    try:
        sock.connect((ip, port))
        if kind == "udp":
            sock.settimeout(patience / 3)
        for _ in range(3 if kind == "udp" else 1):
            try:
                sock.send(b"hello")
                passed[n] = sock.recv(16) == b"hello"
                break
            except TimeoutError:
                if kind == "tcp":
                    raise
    except OSError:
        pass
threads = [threading.Thread(target=probe, args=(n, *what)) for n, what in enumerate(probes)]
for thread in threads: thread.start()
for thread in threads: thread.join()
print(json.dumps(passed))
"""

_STREAM = """
import socket, sys, time
sock = socket.create_connection((sys.argv[1], int(sys.argv[2])), 5)
sock.settimeout(60)
count = 0
with open(sys.argv[3], "w") as told:
    while True:
        sock.sendall(b"x" * 100)
        got = 0
        while got < 100:
            got += len(sock.recv(100 - got))
        count += 1
        told.seek(0)
        told.write(str(count))
        told.flush()
        time.sleep(0.01)
"""

_SAY = """
import socket, sys, time
sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
count, targets = 0, [(ip, int(sys.argv[1])) for ip in sys.argv[3:]]
with open(sys.argv[2], "w") as told:
    while True:
        count += 1
        for target in targets:
            sock.sendto(str(count).encode(), target)
        told.seek(0)
        told.write(str(count))
        told.flush()
        time.sleep(0.002)
"""

_HEAR = """
import socket, sys
sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
sock.bind(("", int(sys.argv[1])))
with open(sys.argv[2], "w") as told:
    print("listening", flush=True)
    while True:
        told.write(sock.recv(16).decode() + " ")
        told.flush()
"""


class Probe(NamedTuple):
    """`kind`: tcp, udp (a server that echoes answers) or ping (port 0)."""

    kind: str
    port: int = 0
    version: int = 4


def serve(vm: Vm, probes: Iterable[Probe]) -> None:
    """Start servers for all probes in a VM, on IPv4 and IPv6."""
    words = {f"{probe.kind}:{probe.port}" for probe in probes if probe.port}
    process = vm.start([sys.executable, "-c", _SERVE, *sorted(words)])
    assert process.stdout is not None and process.stdout.readline() == "serving\n"


def matrix(vms: dict[str, Vm], probes: Iterable[Probe]) -> set[tuple[str, str, Probe]]:
    """Every probe from every VM to every other one, all at once: those (source, target, probe) that passed."""
    running = []
    for name, vm in vms.items():
        cells = [(name, other, probe) for other in vms if other != name for probe in probes]
        asked = [(p.kind, address(vms[other], p.version), p.port) for _, other, p in cells]
        running.append((cells, vm.start([sys.executable, "-c", _PROBE, str(PATIENCE), json.dumps(asked)])))
    passed: set[tuple[str, str, Probe]] = set()
    for cells, process in running:
        out, err = process.communicate(timeout=60)
        assert process.returncode == 0, err
        passed.update(cell for cell, yes in zip(cells, json.loads(out), strict=True) if yes)
    return passed


def address(vm: Vm, version: int) -> str:
    return next(ip for ip in vm.addresses if (":" in ip) == (version == 6))


class Stream:
    """A TCP connection on which something is said and echoed all the time."""

    def __init__(self, source: Vm, target: Vm, port: int, directory: Path) -> None:
        self._told = directory / f"{source.namespace}-{target.namespace}-{port}"
        command = [sys.executable, "-c", _STREAM, target.ip, str(port), str(self._told)]
        self._process: subprocess.Popen[str] = source.start(command)
        wait_until(lambda: self.count > 5, 10, f"the stream to port {port} runs")

    @property
    def count(self) -> int:
        """Echoes so far."""
        text = self._told.read_text() if self._told.exists() else ""
        return int(text or 0)

    def moves(self, seconds: float = 1.0) -> bool:
        """Whether anything came back within a while from now."""
        before = self.count
        time.sleep(seconds)
        return self.count > before

    def stop(self) -> None:
        self._process.kill()
        self._process.communicate()


class Datagrams:
    """Numbered datagrams (UDP) from one VM to others, about 400 a second to each, and what of them arrived."""

    def __init__(self, source: Vm, targets: Sequence[Vm], port: int, directory: Path) -> None:
        self._told = directory / f"{source.namespace}-{port}"
        self._heard = {vm.namespace: directory / f"{vm.namespace}-{port}" for vm in targets}
        for vm in targets:
            process = vm.start([sys.executable, "-c", _HEAR, str(port), str(self._heard[vm.namespace])])
            assert process.stdout is not None and process.stdout.readline() == "listening\n"
        command = [sys.executable, "-c", _SAY, str(port), str(self._told), *(vm.ip for vm in targets)]
        self._process = source.start(command)
        wait_until(lambda: self.sent > 5, 10, "datagrams are sent")

    @property
    def sent(self) -> int:
        """How many were sent to each."""
        text = self._told.read_text() if self._told.exists() else ""
        return int(text or 0)

    def heard(self, vm: Vm) -> set[int]:
        """The numbers of those that a VM got."""
        return {int(number) for number in self._heard[vm.namespace].read_text().split(" ")[:-1]}

    def stop(self) -> int:
        """End it; returns how many were sent to each, when those on their way have arrived."""
        self._process.kill()
        self._process.communicate()
        time.sleep(0.5)
        return self.sent
