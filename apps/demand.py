"""Demand: a switch that sends to a destination which has no flow there asks for one, with a metered copy.

The packet itself has gone out by the network's flood set before the copy is made, so nothing waits for the controller
and nothing is lost while there is none.  What is observed (this switch wants this destination) is a row; the apps that
know the way render the flow.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from controller.core import frame
from controller.core.app import App
from controller.core.derived import LocalPort, Switch
from controller.core.effects import Observe
from controller.core.events import PacketIn
from controller.core.flow import Flow, Meter
from controller.core.model import Attachment, Binding, Network, Port
from controller.core.observed import Holder, SeenMac, WantedAddress, WantedMac
from controller.core.pipeline import NET, OUTPUT, PROBE, PUNT
from controller.core.punts import to_controller

app = App("demand")

HEADERS = 128
"""Bytes of a packet that the controller sees: Ethernet, VLAN, ARP or IPv6 with ICMPv6 fit."""

DEMAND = app.table(
    "punt",
    stage=OUTPUT,
    slot=2,
    reads=(PUNT, "in_port"),
    meaning="a copy for the controller, if one is asked for, within the sending port's rate",
)


@app.flows(LocalPort)
def punt(net: Any, local: LocalPort) -> Iterable[Flow | Meter]:
    """A port's packets that ask for a copy."""
    if not net.settings.proactive or Attachment.wants_mac(net, local.port_id):
        yield from to_controller(net, local, DEMAND, {PUNT: 1}, HEADERS)


@app.packets(DEMAND)
def observe(net: Any, punted: PacketIn) -> Iterable[Observe]:
    """Note the destination that the packet looks for, when the model has it on another host; and its sender's MAC
    address, when that is to be known."""
    switch = net.get(Switch, punted.dpid)
    networks = net.find(Network, "key", dict(punted.fields).get(NET.wire, 0))
    if switch is None or not networks:
        return
    network_id = networks[0].id
    seen = frame.parse(punted.data)
    yield from _sender(net, punted, seen.eth_src)
    if net.settings.proactive:
        return
    if seen.target:
        sought = _with_address(net, network_id, seen.target)
    else:
        sought = net.find(Port, "network_id+mac_address", (network_id, seen.eth_dst))
    for port in sought:
        binding = net.get(Binding, port.id)
        if binding is not None and switch.host not in binding.hosts:
            yield Observe(net.change(WantedMac(punted.dpid, network_id, port.mac_address)))
            if seen.target:
                yield Observe(net.change(WantedAddress(punted.dpid, network_id, seen.target)))


def _with_address(net: Any, network_id: str, address: str) -> list[Port]:
    """The ports that have an address: its holder where several may have it, else those whose own it is."""
    holder = net.get(Holder, (network_id, address))
    if holder is None:
        owners: list[Port] = net.find(Port, "address", (network_id, address))
        return owners
    port = net.get(Port, holder.port_id)
    return [port] if port is not None else []


def _sender(net: Any, punted: PacketIn, mac: str) -> Iterable[Observe]:
    fields = dict(punted.fields)
    if fields.get(PROBE.wire, 0) >> PROBE.offset & 1:
        return  # we sent it, in the port's name
    for local in net.find(LocalPort, "ofport", (punted.dpid, fields.get("in_port", 0))):
        if Attachment.wants_mac(net, local.port_id):
            yield Observe(net.change(SeenMac(local.port_id, mac)))
