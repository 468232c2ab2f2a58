"""Provider networks: VLAN and flat networks leave by the bridge of their physical network.

A network whose physical network is at a trunk of `br-int` leaves there, in the provider's VLAN.  Otherwise `br-int` and
`br-eth*` are joined by a patch pair.  Between them a network has the host's local VLAN: `br-int` rewrites
provider to local on the way in, `br-eth*` local to provider on the way out.  On `br-eth*` everything but our patch port
stays NORMAL, as it was.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from controller.core.app import App
from controller.core.effects import EnsureBridge, EnsurePatch, OvsdbOperation
from controller.core.flow import NORMAL, Flow, Output, PopVlan, PushVlan, SetField
from controller.core.model import (
    ETH,
    INT,
    ForeignDefault,
    Host,
    Network,
    NetworkOnSwitch,
    Segment,
    Switch,
    Uplink,
)
from controller.core.pipeline import ADMIT, LOOKUP, NET, REMOTE, UNTAGGED, load, onward, vlan
from controller.core.segments import segments_of
from controller.core.trunks import bridge_of, joined

app = App("provider")

PROVIDER_IN = app.table(
    "provider_in",
    stage=ADMIT,
    slot=1,
    reads=("in_port", "vlan_vid"),
    writes=(NET, REMOTE, "vlan_vid"),
    meaning="which network is a packet from a provider bridge in, by its VLAN",
)
PROVIDER_OUT = app.table(
    "provider_out",
    stage=LOOKUP,
    slot=2,
    reads=(NET,),
    writes=("vlan_vid",),
    miss="tunnel_out",
    meaning="out to the provider bridge, in the network's local VLAN",
)
PROVIDER = app.table(
    "provider",
    on=ETH,
    stage=ADMIT,
    reads=("in_port", "vlan_vid"),
    writes=("vlan_vid",),
    meaning="local VLAN to provider VLAN for what comes from br-int; NORMAL for all else",
)


def _carrier(net: Any, on: NetworkOnSwitch) -> tuple[Network, Segment, Uplink] | None:
    """The network, the flat or VLAN segment that this switch carries it on, and the port that leads there."""
    network = net.get(Network, on.network_id)
    if network is None or not network.admin_state_up:
        return None
    for segment in segments_of(net, on.network_id):
        if segment.network_type in ("flat", "vlan"):
            uplink = net.get(Uplink, (on.dpid, segment.physical_network))
            if uplink is not None:
                return network, segment, uplink
    return None


@app.flows(NetworkOnSwitch)
def inward(net: Any, on: NetworkOnSwitch) -> Iterable[Flow]:
    """br-int: from the provider's VLAN (or untagged: flat) to the network."""
    if on.role != INT or (carrier := _carrier(net, on)) is None:
        return
    network, segment, uplink = carrier
    enter = [load(NET, network.key), load(REMOTE, 1)]
    if segment.network_type == "flat":
        yield PROVIDER_IN.flow(100, {"in_port": uplink.ofport, "vlan_vid": UNTAGGED}, [*enter, onward(PROVIDER_IN)])
        return
    local = [] if uplink.trunk else [SetField("vlan_vid", vlan(on.vid))]
    match = {"in_port": uplink.ofport, "vlan_vid": vlan(segment.segmentation_id or 0)}
    yield PROVIDER_IN.flow(100, match, [*local, *enter, PopVlan(), onward(PROVIDER_IN)])


@app.flows(NetworkOnSwitch)
def outward(net: Any, on: NetworkOnSwitch) -> Iterable[Flow]:
    """br-int: to the provider bridge in the local VLAN, or to a trunk in the provider's (taken off again for what a
    flood set does next)."""
    if on.role != INT or (carrier := _carrier(net, on)) is None:
        return
    network, segment, uplink = carrier
    vid = segment.segmentation_id if uplink.trunk else on.vid
    send = Output(uplink.ofport)
    tagged = [PushVlan(), SetField("vlan_vid", vlan(vid)), send, PopVlan()] if vid else [send]
    yield PROVIDER_OUT.flow(100, {NET: network.key}, tagged)


@app.flows(NetworkOnSwitch)
def translate(net: Any, on: NetworkOnSwitch) -> Iterable[Flow]:
    """br-eth*: from the local VLAN to the provider's (or untagged: flat)."""
    if on.role != ETH or (carrier := _carrier(net, on)) is None:
        return
    _, segment, uplink = carrier
    match = {"in_port": uplink.ofport, "vlan_vid": vlan(on.vid)}
    flat = segment.network_type == "flat"
    change = PopVlan() if flat else SetField("vlan_vid", vlan(segment.segmentation_id or 0))
    yield PROVIDER.flow(4, match, [change, Output(NORMAL)])


@app.flows(Uplink)
def closed(net: Any, uplink: Uplink) -> Iterable[Flow]:
    """br-eth*: nothing else from br-int gets out."""
    switch = net.get(Switch, uplink.dpid)
    if switch is not None and switch.role == ETH:
        yield PROVIDER.flow(2, {"in_port": uplink.ofport}, [])


@app.flows(Switch)
def normal(net: Any, switch: Switch) -> Iterable[Flow]:
    """br-eth*: what is not ours is switched as before, by a flow of ours only where nobody has one."""
    if switch.role == ETH and net.get(ForeignDefault, switch.dpid) is None:
        yield PROVIDER.flow(0, {}, [Output(NORMAL)])


@app.ovsdb(Host)
def patches(net: Any, host: Host) -> Iterable[OvsdbOperation]:
    """Each mapped bridge that the host has is programmed by us and joined to the integration bridge: unless its
    operator has joined it."""
    there = {name for name, _ in host.bridges}
    for bridge in (bridge_of(mapped) for _, mapped in host.bridge_mappings):
        if bridge not in there or bridge == host.integration_bridge:
            continue
        if not joined(net, host.name, host.integration_bridge, bridge):
            yield EnsureBridge(
                bridge,
                protocols=("OpenFlow14",),
                controller=net.settings.openflow_target,
                controller_type="service",
            )
            if host.integration_bridge in there:
                yield EnsurePatch(host.integration_bridge, f"int-{bridge}", bridge, f"phy-{bridge}")
