"""The flows of provider networks, and the patch ports.

A network whose physical network is at a trunk of `br-int` leaves there, in the provider's VLAN.  Otherwise `br-int` and
`br-eth*` are joined by a patch pair.  Between them a network has the host's local VLAN: `br-int` rewrites
provider to local on the way in, `br-eth*` local to provider on the way out.  On `br-eth*` everything but our patch port
stays NORMAL, as it was.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from apps.provider.tables import PROVIDER, PROVIDER_IN, PROVIDER_OUT, app, carrier
from controller.core.derived import NetworkOnSwitch, Switch, Uplink
from controller.core.effects import EnsureBridge, EnsurePatch, OvsdbOperation
from controller.core.flow import NORMAL, Flow, Output, PopVlan, SetField
from controller.core.model import ETH, INT, Host
from controller.core.observed import ForeignDefault
from controller.core.pipeline import NET, vlan
from controller.core.trunks import bridge_of, joined


@app.flows(NetworkOnSwitch)
def inward(net: Any, on: NetworkOnSwitch) -> Iterable[Flow]:
    """br-int: from the provider's VLAN (or untagged: flat) to the network."""
    if on.role == INT and (carried := carrier(net, on)) is not None:
        yield PROVIDER_IN.flow(100, carried.entering, carried.enter())


@app.flows(NetworkOnSwitch)
def outward(net: Any, on: NetworkOnSwitch) -> Iterable[Flow]:
    """br-int: to the physical network."""
    if on.role == INT and (carried := carrier(net, on)) is not None:
        yield PROVIDER_OUT.flow(100, {NET: carried.network.key}, carried.leave())


@app.flows(NetworkOnSwitch)
def translate(net: Any, on: NetworkOnSwitch) -> Iterable[Flow]:
    """br-eth*: from the local VLAN to the provider's (or untagged: flat)."""
    if on.role != ETH or (carried := carrier(net, on)) is None:
        return
    match = {"in_port": carried.uplink.ofport, "vlan_vid": vlan(carried.vid)}
    change = PopVlan() if carried.flat else SetField("vlan_vid", vlan(carried.segment.segmentation_id or 0))
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
