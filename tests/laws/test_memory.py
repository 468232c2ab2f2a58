"""Memory is a cost law too: what a port takes in the core, all its units and flows included, counted by tracemalloc."""

from __future__ import annotations

import gc
import tracemalloc

from controller.core.app import load
from controller.core.events import BridgeRow, HostUp, InterfaceRow, PortDesc, SwitchUp
from controller.core.machine import Machine
from controller.core.model import Binding, FixedIp, Host, LocalVlan, Network, Port, Segment
from controller.core.settings import Settings

PORTS, SWITCHES, NETWORKS = 5000, 10, 10
BYTES_PER_PORT = 20_000
"""50 000 ports then take 1 GB in the core; the whole controller may have 2 GB (row P7 of the benchmarks)."""


def host_of(n: int) -> str:
    return f"h{n % SWITCHES}"


def rows() -> list:
    """A cloud whose ports are spread over networks and hosts, as it is loaded from the store."""
    cloud: list = []
    for n in range(NETWORKS):
        cloud += [Network(id=f"n{n}", key=n + 1), Segment(f"s{n}", f"n{n}", "vxlan", None, n + 1)]
    for n in range(SWITCHES):
        bridge = ("br-int", n + 1)
        cloud.append(Host(f"h{n}", f"192.0.2.{n + 1}", bridges=(bridge,), managed=True))
        cloud += [LocalVlan(f"h{n}", f"n{network}", network + 1) for network in range(NETWORKS)]
    for n in range(PORTS):
        network = f"n{n // SWITCHES % NETWORKS}"
        address, mac = f"10.0.{n >> 8}.{n & 255}", f"fa:16:3e:00:{n >> 8:02x}:{n & 255:02x}"
        ips = (FixedIp("subnet", address),)
        cloud.append(Port(id=f"{n:08x}-0000", network_id=network, mac_address=mac, fixed_ips=ips, key=n + 1))
        cloud.append(Binding(f"{n:08x}-0000", network, host_of(n), True))
    return cloud


def joining() -> list:
    """Every host dials in and every bridge connects, with all VIFs there."""
    burst: list = []
    for host in range(SWITCHES):
        mine = [f"{n:08x}-0000" for n in range(PORTS) if n % SWITCHES == host]
        vifs = [InterfaceRow(f"tap{id[:11]}", "br-int", iface_id=id) for id in mine]
        vifs.append(InterfaceRow("pb-vxlan", "br-int", "vxlan"))
        bridge = BridgeRow("br-int", host + 1)
        burst.append(
            HostUp("tcp:192.0.2.1:1", f"h{host}", f"192.0.2.{host + 1}", (), "", "br-int", (bridge,), tuple(vifs))
        )
        ports = tuple(PortDesc(n, vif.name, "02:00:00:00:00:01") for n, vif in enumerate(vifs, 1))
        burst.append(SwitchUp(host + 1, "192.0.2.1", ports, ()))
    return burst


def test_a_port_takes_no_more_memory_than_its_share():
    cloud, burst, apps = rows(), joining(), load()
    gc.collect()
    tracemalloc.start()
    try:
        machine = Machine(apps, Settings(), cloud)
        machine.step(burst)
        gc.collect()
        taken, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert sum(len(ledger.desired) for ledger in machine.ledgers.values()) > 5 * PORTS
    assert taken / PORTS < BYTES_PER_PORT
