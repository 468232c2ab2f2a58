"""Live migration: a guest that was moved to another host is noticed by the first thing that it says there.

While the VIF on the host that a guest goes to is an ArrivingPort, both hosts get the packets for it (apps.switching,
apps.tunnel).  What the guest says there (QEMU tells of it by RARP, guests by gratuitous ARP) goes its way, and a
metered copy to the controller, which observes that it was `Heard`; then the other host gets its packets no more
(core.bindings).
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from controller.core.address import mac
from controller.core.app import App
from controller.core.derived import ArrivingPort
from controller.core.effects import Observe
from controller.core.events import PacketIn
from controller.core.flow import Flow, Meter
from controller.core.model import Network, Port
from controller.core.observed import Heard
from controller.core.pipeline import GUARD, OUTPUT, SRC
from controller.core.punts import onward_and, to_controller

app = App("migration")

ARRIVALS = app.table(
    "arrivals",
    stage=GUARD,
    slot=7,
    in_turn=True,
    reads=(SRC, "eth_src"),
    leads=("arrived",),
    miss="NEXT",
    meaning="is it the first that is heard of a guest on the host that it migrates to",
)
ARRIVED = app.table(
    "arrived",
    stage=OUTPUT,
    slot=4,
    reads=("in_port",),
    meaning="a copy for the controller of what a guest says where it arrives, within the port's rate",
)
HEADER = 14
"""Bytes of a packet that the controller sees: that there is one says it all."""


@app.flows(ArrivingPort)
def listen(net: Any, coming: ArrivingPort) -> Iterable[Flow | Meter]:
    """What a guest says on the host that it goes to is shown to the controller."""
    port, network = net.get(Port, coming.port_id), net.get(Network, coming.network_id)
    if port is None or network is None or not (port.admin_state_up and network.admin_state_up):
        return
    yield from to_controller(net, coming, ARRIVED, {}, HEADER)
    yield ARRIVALS.flow(100, {SRC: port.key, "eth_src": mac(port.mac_address)}, onward_and(ARRIVALS, ARRIVED))


@app.packets(ARRIVED)
def hear(net: Any, punted: PacketIn) -> Iterable[Observe]:
    """Note that a guest is where it was to go."""
    in_port = dict(punted.fields).get("in_port", 0)
    for coming in net.find(ArrivingPort, "ofport", (punted.dpid, in_port)):
        yield Observe(net.change(Heard(coming.port_id, coming.host)))
