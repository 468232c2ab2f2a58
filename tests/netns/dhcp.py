"""DHCP clients in VMs: each runs until it is told to end, configures the VM's NIC, and notes what it was told."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Sequence
from pathlib import Path

from tests.netns.testbed import Hypervisor, Vm, wait_until

UDHCPC = """#!/bin/sh
# busybox's client: the reason is an argument, what it was told is in the environment.
{ echo "--- $1"; env; echo "+++"; } >> NOTES
case "$1" in
deconfig) ip address flush dev "$interface" scope global ;;
bound|renew)
    ip address replace "$ip/$mask" broadcast "${broadcast:-+}" dev "$interface"
    [ -z "$mtu" ] || ip link set "$interface" mtu "$mtu"
    if [ -n "$staticroutes" ]; then
        set -- $staticroutes
        while [ -n "$1" ]; do ip route replace "$1" via "$2"; shift 2; done
    elif [ -n "$router" ]; then
        ip route replace default via "$router"
    fi ;;
esac
"""
DHCLIENT = """#!/bin/sh
# ISC's client: all is in the environment, the reason among it.
{ echo "--- $reason"; env; echo "+++"; } >> NOTES
case "$reason" in
BOUND|REBOOT)
    ip address replace "$new_ip_address/$new_subnet_mask" dev "$interface"
    [ -z "$new_interface_mtu" ] || ip link set "$interface" mtu "$new_interface_mtu"
    [ -z "$new_routers" ] || ip route replace default via "$new_routers" ;;
BOUND6|REBOOT6) ip address replace "$new_ip6_address/128" dev "$interface" nodad ;;
esac
"""
ASKED = """
option rfc3442 code 121 = array of unsigned integer 8;
also request rfc3442, ntp-servers;
timeout 60;
retry 1;
initial-interval 1;
backoff-cutoff 2;
"""


class Client:
    """A DHCP client in a VM.  `told` is what it was told last (None: nothing yet), as the client names it."""

    def __init__(self, vm: Vm, directory: Path, script: str) -> None:
        self.vm = vm
        self.directory = directory / f"dhcp-{vm.tap}"
        self.directory.mkdir(exist_ok=True)
        self._notes = self.directory / "notes"
        self._notes.write_text("")
        self.script = self.directory / "script"
        self.script.write_text(script.replace("NOTES", str(self._notes)))
        self.script.chmod(0o755)
        self._process: subprocess.Popen[str] | None = None

    def start(self, command: Sequence[str]) -> None:
        self._process = self.vm.start(command)

    def signal(self, number: int) -> None:
        """Tell the client something, as its manual page has it."""
        assert self._process is not None
        self._process.send_signal(number)

    def stop(self) -> None:
        """End it at once: what it holds it does not give back."""
        if self._process is not None:
            self._process.kill()
            self._process.communicate()

    @property
    def notes(self) -> list[tuple[str, dict[str, str]]]:
        """(reason, environment) of each call of its script so far; one that is still being noted is not there yet."""
        calls = re.findall(r"^--- (.*?)^\+\+\+$", self._notes.read_text(), re.MULTILINE | re.DOTALL)
        lines = [call.splitlines() for call in calls]
        return [(reason, dict(line.split("=", 1) for line in said if "=" in line)) for reason, *said in lines]

    def wait(self, *reasons: str, times: int = 1, timeout: float = 30) -> dict[str, str]:
        """Wait until the script was called for one of these reasons so often; what it was told then."""

        def said() -> list[dict[str, str]]:
            return [told for reason, told in self.notes if reason in reasons]

        wait_until(lambda: len(said()) >= times, timeout, f"{reasons} in {[reason for reason, _ in self.notes]}")
        return said()[-1]


def udhcpc(vm: Vm, host: Hypervisor, *options: str) -> Client:
    """busybox's udhcpc, which asks for these options besides its usual ones."""
    client = Client(vm, host.directory, UDHCPC)
    wanted = [word for option in options for word in ("-O", option)]
    client.start(["udhcpc", "-i", "eth0", "-f", "-t", "60", "-T", "1", "-s", str(client.script), *wanted])
    return client


def dhclient(vm: Vm, host: Hypervisor, *arguments: str) -> Client:
    """ISC's dhclient; `-6` for DHCPv6."""
    client = Client(vm, host.directory, DHCLIENT)
    config = client.directory / "dhclient.conf"
    config.write_text("" if "-6" in arguments else ASKED)
    files = ["-cf", config, "-lf", client.directory / "leases", "-pf", client.directory / "pid", "-sf", client.script]
    client.start(["dhclient", "-d", *arguments, *map(str, files), "eth0"])
    return client
