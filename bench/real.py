"""A host with a real Open vSwitch (dummy datapath) that joins like any other."""

from __future__ import annotations

import re
import subprocess
import time
from collections.abc import Iterable

from bench.cloud import Cloud, Place
from demo.testbed import Controller, wait_until
from tests.ovs.sandbox import Sandbox


class RealHost:
    """Host `number` of a cloud, in a Sandbox."""

    def __init__(self, host: Sandbox, cloud: Cloud, number: int) -> None:
        self.host, self.cloud, self.number = host, cloud, number
        self.name = cloud.host_name(number)

    def prepare(self) -> None:
        """Make br-int and plug in the ports that the cloud has there already."""
        self.bridge()
        here = [place for place in self.cloud.places[: self.cloud.ports] if place.host == self.number]
        if here:
            self.plugging(here).communicate()

    def bridge(self) -> None:
        settings = ("datapath_type=dummy", "fail_mode=secure", "protocols=OpenFlow14")
        self.host.vsctl("add-br", "br-int", "--", "set", "bridge", "br-int", *settings)

    def join(self, address: str) -> None:
        """Say who it is, and dial in."""
        ids = {"hostname": self.name, "local_ip": self.cloud.local_ip(self.number), "datapath_type": "dummy"}
        self.host.vsctl("set", "Open_vSwitch", ".", *(f"external_ids:{key}={value}" for key, value in ids.items()))
        self.host.vsctl("--no-wait", "set-manager", f"tcp:{address}:6640")

    def wait_programmed(self, ours: Controller) -> None:
        wait_until(lambda: self._settled(ours), 60, f"{self.name} to be programmed")

    def _settled(self, ours: Controller) -> bool:
        switches = ours.request("GET", "/patchbay/v1/switches").body
        return any(s["name"] == f"{self.name}/br-int" and s["connected"] and s["settled"] for s in switches)

    def plugging(self, places: Iterable[Place]) -> subprocess.Popen[bytes]:
        """Start one ovs-vsctl that adds all these VIFs."""
        return self._vsctl(words(self.cloud, places))

    def _vsctl(self, arguments: list[str]) -> subprocess.Popen[bytes]:
        command = ["ovs-vsctl", "--timeout=120", f"--db={self.host.database}", *arguments]
        return subprocess.Popen(command, env=self.host.environment, stdin=subprocess.DEVNULL)

    def flows(self, ours: Controller) -> frozenset[str]:
        """The flows that the host's bridge shall have, as ovs-ofctl's text with cookies."""
        flows = ours.request("GET", f"/patchbay/v1/switches/{self.name}%2Fbr-int/flows").body
        if not isinstance(flows, list):
            flows = ours.request("GET", f"/patchbay/v1/switches/{self.name}/flows").body
        return frozenset(f"cookie={flow['cookie']},{flow['openflow']}" for flow in flows)

    def by_hand(self, place: Place, flows: Iterable[str]) -> float:
        """The switch's own time for a port and its flows, one command after the other (a meter is made before)."""
        file = self.host.directory / "by-hand"
        # Meter ids are the OpenFlow ports of the other host; here they might be taken.
        file.write_text("".join(re.sub(r"meter:\d+", f"meter:{place.number + 1}", flow) + "\n" for flow in flows))
        self.host.ofctl("add-meter", "br-int", f"meter={place.number + 1},pktps,band=type=drop,rate=100")
        start = time.monotonic()
        self.plugging([place]).communicate()
        self.host.ofctl("--bundle", "add-flows", "br-int", str(file))
        return time.monotonic() - start


def words(cloud: Cloud, places: Iterable[Place]) -> list[str]:
    """The arguments of one ovs-vsctl that adds the VIFs as a hypervisor does."""
    found: list[str] = []
    for place in places:
        tap, ids = cloud.tap(place.number), f"external_ids:iface-id={cloud.port_id(place.number)}"
        mac = f'external_ids:attached-mac="{cloud.mac(place.number)}"'
        found += ["--", "add-port", "br-int", tap, "--", "set", "Interface", tap, "type=dummy", ids, mac]
    return found[1:]
