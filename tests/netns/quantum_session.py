"""The session of Quantum's first client, and a shell that types it; guests whose interfaces say whose VIF they are."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

from tests.netns.testbed import Hypervisor, Vm

PROJECT = Path(__file__).resolve().parents[2]
UUID = "[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}"

SESSION = """
$ export TENANT=t1
$ export VIF_UUID=foo # This should be the uuid of the virtual interface
$ python bin/cli create_net $TENANT network1
Created a new Virtual Network with ID:e754e7c0-a8eb-40e5-861a-b182d30c3441
$ export NETWORK=e754e7c0-a8eb-40e5-861a-b182d30c3441
$ python bin/cli create_port $TENANT $NETWORK
Created Virtual Port:5a1e121b-ccc8-471d-9445-24f15f9f854c on Virtual Network:e754e7c0-a8eb-40e5-861a-b182d30c3441
$ export PORT=5a1e121b-ccc8-471d-9445-24f15f9f854c
$ python bin/cli plug_iface $TENANT $NETWORK $PORT $VIF_UUID
Plugged interface "foo" to port:5a1e121b-ccc8-471d-9445-24f15f9f854c on network:e754e7c0-a8eb-40e5-861a-b182d30c3441
"""
"""As it is in that plugin's README; its `bin/cli` is our `patchbay quantum`."""


class Shell:
    """Types what stands behind `$`, where what is printed is to be what stands below it; ids are ours, one for one."""

    def __init__(self, address: str) -> None:
        self.environment = dict(os.environ)
        self.cli = f"{sys.executable} -m controller quantum -H {address}"
        self.ids: dict[str, str] = {}

    def play(self, session: str) -> None:
        commands = [part.splitlines() for part in re.split(r"^\$ ", session.strip(), flags=re.MULTILINE) if part]
        for command, *printed in commands:
            self._type(command, printed)

    def _type(self, command: str, printed: list[str]) -> None:
        name = re.match(r"export (\w+)=([^ #]+)", command)
        if name:
            self.environment[name[1]] = self.ids.get(name[2], name[2])
            return
        line = command.replace("python bin/cli", self.cli)
        done = subprocess.run(line, shell=True, cwd=PROJECT, env=self.environment, capture_output=True, text=True)
        assert (done.returncode, done.stderr) == (0, ""), command
        self._compare(printed, done.stdout.splitlines())

    def _compare(self, wanted: list[str], got: list[str]) -> None:
        theirs, ours = (re.findall(UUID, "\n".join(lines)) for lines in (wanted, got))
        assert len(theirs) == len(ours), got
        self.ids |= {id: own for id, own in zip(theirs, ours, strict=True) if id not in self.ids}
        told = [re.sub(UUID, lambda found: self.ids[found[0]], line) for line in wanted]
        assert got == told


def again(session: str, vif: str) -> str:
    """The session without its network, for another interface; ids are of other objects."""
    _, _, ports = session.partition("$ export NETWORK=e754e7c0-a8eb-40e5-861a-b182d30c3441\n")
    ports = ports.replace("5a1e121b", "5a1e121c").replace('"foo"', f'"{vif}"')
    return f"$ export VIF_UUID={vif}\n{ports}"


def boot(host: Hypervisor, vif: str, mac: str, address: str, bridge: str = "br-int") -> Vm:
    """A guest that chose its addresses; its interface says whose VIF it is, and nothing else of itself."""
    vm = host.plug({"id": vif, "mac_address": mac, "fixed_ips": [{"ip_address": address}]}, bridge=bridge)
    host.vsctl("remove", "Interface", vm.tap, "external_ids", "attached-mac")
    return vm
