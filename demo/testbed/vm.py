"""A VM: a network namespace with one NIC, plugged into a hypervisor's integration bridge."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from demo.testbed.capture import Capture
from demo.testbed.ping import Ping, RunningPing, parse
from demo.testbed.run import ip_batch, run

_SEND = """
import socket, sys, time
nic = socket.socket(socket.AF_PACKET, socket.SOCK_RAW)
nic.bind(("eth0", 0))
for _ in range(int(sys.argv[2])):
    nic.send(bytes.fromhex(sys.argv[1]))
    time.sleep(float(sys.argv[3]))
"""


class Vm:
    """`port` is the Neutron port it is for, `tap` the name of its interface on the hypervisor, `ip` its first address.

    Made by `Hypervisor.plug`.
    """

    def __init__(self, namespace: str, host_namespace: str, port: Mapping[str, Any], directory: Path) -> None:
        self.namespace = namespace
        self.host_namespace = host_namespace
        self.port = port
        self.tap = "tap" + str(port["id"])[:11]
        self.mac = str(port["mac_address"])
        self.addresses = [str(fixed["ip_address"]) for fixed in port.get("fixed_ips", ())]
        self._directory = directory
        self._files = 0

    @property
    def ip(self) -> str:
        return self.addresses[0]

    def boot(self, mtu: int, prefix_lengths: Mapping[int, int], gateways: Sequence[str]) -> None:
        """Make the namespace and its NIC `eth0` with MAC, addresses and MTU; its other end is `tap` on the host."""
        run(["ip", "netns", "add", self.namespace])
        # Addresses are usable at once (no duplicate address detection) and stable (no privacy addresses).
        self._sysctl("net.ipv6.conf.default.accept_dad=0", "net.ipv6.conf.default.use_tempaddr=0")
        host_mac = "fe" + self.mac[2:]
        ip_batch(
            self.host_namespace,
            [
                f"link add {self.tap} mtu {mtu} address {host_mac} type veth peer name eth0 mtu {mtu} "
                f"address {self.mac} netns {self.namespace}",
                f"link set {self.tap} up",
            ],
        )
        # The userspace datapath reads whole packets: a checksum left to "hardware" would never be filled in.
        self.run(["ethtool", "-K", "eth0", "tx", "off"])
        lines = ["link set lo up", "link set eth0 up"]
        for address in self.addresses:
            version = 6 if ":" in address else 4
            lines.append(f"addr add {address}/{prefix_lengths[version]} dev eth0" + (" nodad" if version == 6 else ""))
        lines += [f"route add default via {gateway}" for gateway in gateways]
        ip_batch(self.namespace, lines)

    def _sysctl(self, *settings: str) -> None:
        self.run(["sysctl", "-qw", *settings])

    def halt(self) -> None:
        """Delete the namespace; what runs in it is killed."""
        pids = run(["ip", "netns", "pids", self.namespace]).stdout.split()
        run(["kill", "-9", *pids], check=False) if pids else None
        run(["ip", "-n", self.host_namespace, "link", "delete", self.tap], check=False)
        run(["ip", "netns", "delete", self.namespace])

    def command(self, command: Sequence[str]) -> list[str]:
        return ["ip", "netns", "exec", self.namespace, *command]

    def run(self, command: Sequence[str], check: bool = True, timeout: float = 60) -> subprocess.CompletedProcess[str]:
        """Run a command in the VM.  Raises CommandFailed on a code other than 0, unless `check` is False."""
        return run(self.command(command), check=check, timeout=timeout)

    def start(self, command: Sequence[str]) -> subprocess.Popen[str]:
        """Start a command in the VM and return its process (stdout and stderr are pipes)."""
        pipe = subprocess.PIPE
        return subprocess.Popen(self.command(command), stdin=subprocess.DEVNULL, stdout=pipe, stderr=pipe, text=True)

    def ping(
        self,
        ip: str,
        count: int = 3,
        interval: float = 0.1,
        size: int = 56,
        timeout: float = 2,
        args: Sequence[str] = (),
    ) -> Ping:
        """Ping an address; `timeout` is how long (seconds) to wait for the last reply, `size` the payload in bytes."""
        options = ["-n", "-c", str(count), "-i", str(interval), "-s", str(size), "-W", str(timeout), *args]
        done = self.run(["ping", *options, ip], check=False, timeout=count * max(interval, timeout) + 30)
        return parse(done.stdout + done.stderr)

    def start_ping(self, ip: str, interval: float = 0.02, args: Sequence[str] = ()) -> RunningPing:
        """Ping in the background until `.stop()`, which gives the Ping."""
        command = self.command(["ping", "-n", "-i", str(interval), *args, ip])
        return RunningPing(command, self._file("ping"), interval)

    def capture(self, filter: str = "") -> Capture:
        """Record the packets that pass the VM's NIC (both directions) and match a pcap filter."""
        return Capture(self.namespace, "eth0", filter, self._file("pcap"))

    def send(self, frame: bytes, count: int = 1, interval: float = 0.0) -> None:
        """Send an Ethernet frame as it is."""
        self.run([sys.executable, "-c", _SEND, frame.hex(), str(count), str(interval)])

    def _file(self, suffix: str) -> Path:
        self._files += 1
        return self._directory / f"{self.namespace}-{self._files}.{suffix}"
