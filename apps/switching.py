"""Switching: every MAC address of the model has its own flow; broadcast goes to the members of the network, no further.

Nothing is learnt and nothing is flooded for want of knowledge: a unicast packet either has a flow here, or leaves for
other hosts, where it has one or is dropped.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from controller.core import probe
from controller.core.address import mac
from controller.core.app import App
from controller.core.derived import ArrivingPort, FloodChunk, LocalPort, NetworkOnSwitch, Switch
from controller.core.effects import Observe
from controller.core.events import PacketIn
from controller.core.flow import Controller, Flow, Meter, Metered, OutputReg
from controller.core.model import INT, Binding, Network, Port
from controller.core.observed import Holder, NoMeters, Probe
from controller.core.pipeline import (
    CHUNK,
    LAYOUT,
    LOOKUP,
    MULTICAST,
    NET,
    OUT,
    OUTPUT,
    REMOTE,
    goto,
    load,
    onward,
    resubmit,
    resubmit_onward,
)

app = App("switching")

SWITCHING = app.table(
    "switching",
    stage=LOOKUP,
    slot=0,
    reads=(NET, REMOTE, "eth_dst"),
    writes=(OUT,),
    leads=("flood",),
    miss="provider_out",
    meaning="where is the destination MAC: on this switch, everywhere (broadcast), or on another host",
)
FLOOD = app.table(
    "flood",
    stage=LOOKUP,
    slot=1,
    reads=(NET, REMOTE, CHUNK),
    writes=(OUT, CHUNK),
    leads=("flood", "provider_out", "punt"),
    meaning="a copy for each member of the network: local ports in chunks, then other hosts, then the controller",
)
DELIVER = app.table(
    "deliver",
    stage=OUTPUT,
    slot=0,
    reads=(OUT, "eth_src", *probe.SIGN),
    meaning="out of the port that was decided on",
)
PROBES = 0xFF00
"""The meter of probes: its id is above all OpenFlow ports' numbers, which are the ids of the other meters."""


@app.flows(LocalPort)
def unicast(net: Any, local: LocalPort | ArrivingPort) -> Iterable[Flow]:
    """A local port's MAC addresses lead to its OpenFlow port; while its guest migrates, to the other host, too."""
    port, network = net.get(Port, local.port_id), net.get(Network, local.network_id)
    if port is None or network is None or not (port.admin_state_up and network.admin_state_up):
        return
    after = LAYOUT.next(SWITCHING)
    for hardware in _macs(net, port):
        match = {NET: network.key, "eth_dst": hardware}
        yield SWITCHING.flow(100, match, [load(OUT, local.ofport), onward(SWITCHING)])
        if after is not None and (isinstance(local, ArrivingPort) or net.has(Binding, "migrating", port.id)):
            both = [load(OUT, local.ofport), resubmit(after.name), load(OUT, 0), goto("provider_out")]
            yield SWITCHING.flow(110, {REMOTE: 0, **match}, both)


@app.flows(ArrivingPort)
def own_words(net: Any, coming: ArrivingPort) -> Iterable[Flow]:
    """What a guest tells all does not wait for itself at the VIF that it comes to."""
    port = net.get(Port, coming.port_id)
    if port is not None:
        yield DELIVER.flow(95, {OUT: coming.ofport, "eth_src": mac(port.mac_address)}, [])


def _macs(net: Any, port: Port) -> Iterable[int]:
    """A port's own MAC address, and those by which it holds addresses beside its own (VRRP's virtual routers)."""
    held = (mac(holder.mac) for holder in net.find(Holder, "port_id", port.id))
    return dict.fromkeys((mac(port.mac_address), *held))


@app.flows(Switch)
def rules(net: Any, switch: Switch) -> Iterable[Flow | Meter]:
    """What holds for every network: broadcast floods, and what came from another host never goes to one again."""
    if switch.role == INT:
        yield SWITCHING.flow(50, {"eth_dst": MULTICAST}, [goto("flood")])
        yield SWITCHING.flow(20, {REMOTE: 1}, [])
        yield DELIVER.flow(1, {}, [OutputReg(OUT.wire, OUT.offset, OUT.bits)])
        # No guest gets a probe, not even where the switch refuses the flow that catches it.
        yield DELIVER.flow(90, probe.SIGN, [])
        # Nor can one send it: where there are no meters, it needs no limit.
        if net.get(NoMeters, switch.dpid) is not None:
            yield DELIVER.flow(100, probe.SIGN, [Controller()])
            return
        yield Meter(PROBES, net.settings.punt_rate)
        yield DELIVER.flow(100, probe.SIGN, [Metered(PROBES), Controller()])


@app.packets(DELIVER)
def caught(net: Any, punted: PacketIn) -> Iterable[Observe]:
    """Note where a probe that somebody waits for was to be delivered."""
    nonce = probe.nonce_of(punted.data)
    asked = net.get(Probe, nonce) if nonce is not None else None
    if asked is not None:
        out = dict(punted.fields).get(OUT.wire, 0) >> OUT.offset & (1 << OUT.bits) - 1
        yield Observe(net.change(Probe(asked.nonce, asked.source, asked.target, (punted.dpid, out))))


@app.flows(FloodChunk)
def flood_chunk(net: Any, chunk: FloodChunk) -> Iterable[Flow]:
    """A copy for each local port of one chunk of a network's flood set (the sender's own port never gets one)."""
    network = net.get(Network, chunk.network_id)
    if network is None or not network.admin_state_up:
        return
    actions = []
    key = (chunk.dpid, chunk.network_id, chunk.chunk)
    for local in [*net.find(LocalPort, "chunk", key), *net.find(ArrivingPort, "chunk", key)]:
        port = net.get(Port, local.port_id)
        if port is not None and port.admin_state_up:
            actions += [load(OUT, local.ofport), resubmit_onward(FLOOD)]
    yield FLOOD.flow(100, {NET: network.key, CHUNK: chunk.chunk + 1}, actions)


@app.flows(NetworkOnSwitch)
def flood_set(net: Any, on: NetworkOnSwitch) -> Iterable[Flow]:
    """The head of a network's flood set: its chunks and, for a packet from here, the other hosts and the controller."""
    network = net.get(Network, on.network_id)
    if on.role != INT or network is None or not network.admin_state_up:
        return
    chunks = net.find(FloodChunk, "dpid+network_id", (on.dpid, on.network_id))
    local = [action for c in chunks for action in (load(CHUNK, c.chunk + 1), resubmit("flood"))]
    head = {NET: network.key, CHUNK: 0}
    yield FLOOD.flow(100, {**head, REMOTE: 1}, local)
    yield FLOOD.flow(100, {**head, REMOTE: 0}, [*local, load(CHUNK, 0), resubmit("provider_out"), resubmit("punt")])
