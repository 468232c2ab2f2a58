"""The tables of provider networks, and what their flows share: how a network's packets come and leave."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from controller.core.app import App
from controller.core.derived import NetworkOnHost, NetworkOnSwitch, Uplink
from controller.core.flow import Action, Output, PopVlan, PushVlan, SetField
from controller.core.model import ETH, Network, Segment
from controller.core.pipeline import ADMIT, LOOKUP, NET, REMOTE, UNTAGGED, load, onward, vlan
from controller.core.segments import segments_of

app = App("provider")

PROVIDER_IN = app.table(
    "provider_in",
    stage=ADMIT,
    slot=1,
    reads=("in_port", "vlan_vid", "eth_dst"),
    writes=(NET, REMOTE, "vlan_vid", "eth_dst"),
    meaning="which network is a packet from a provider bridge in, by its VLAN",
)
PROVIDER_OUT = app.table(
    "provider_out",
    stage=LOOKUP,
    slot=2,
    reads=(NET, "eth_dst"),
    writes=("vlan_vid", "eth_dst"),
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


class Carrier(NamedTuple):
    """The flat or VLAN segment that an integration or provider bridge carries a network on, the port that leads there,
    and the host's local VLAN for the network."""

    on: NetworkOnSwitch
    network: Network
    segment: Segment
    uplink: Uplink
    vid: int

    @property
    def flat(self) -> bool:
        return self.segment.network_type == "flat"

    @property
    def entering(self) -> Mapping[str, int]:
        """What packets of the network are like where they come to `br-int`, as a match."""
        vid = UNTAGGED if self.flat else vlan(self.segment.segmentation_id or 0)
        return {"in_port": self.uplink.ofport, "vlan_vid": vid}

    def enter(self) -> list[Any]:
        """They are in the network, and untagged, from now on."""
        into = [load(NET, self.network.key), load(REMOTE, 1)]
        if self.flat:
            return [*into, onward(PROVIDER_IN)]
        local = [] if self.uplink.trunk else [SetField("vlan_vid", vlan(self.vid))]
        return [*local, *into, PopVlan(), onward(PROVIDER_IN)]

    def leave(self) -> list[Action]:
        """From `br-int` to the provider bridge in the local VLAN, or to a trunk in the provider's (taken off again for
        what a flood set does next)."""
        vid = self.segment.segmentation_id if self.uplink.trunk else self.vid
        send = Output(self.uplink.ofport)
        return [PushVlan(), SetField("vlan_vid", vlan(vid)), send, PopVlan()] if vid else [send]


def carrier(net: Any, on: NetworkOnSwitch) -> Carrier | None:
    """How a network gets from a switch to the physical network, where it does: not before its first port on the host is
    bound, for until then it has no local VLAN there."""
    network, there = net.get(Network, on.network_id), net.get(NetworkOnHost, (on.host, on.network_id))
    if network is None or there is None or not network.admin_state_up:
        return None
    for segment in segments_of(net, on.network_id):
        if segment.network_type in ("flat", "vlan"):
            uplink = net.get(Uplink, (on.dpid, segment.physical_network))
            if uplink is not None:
                return Carrier(on, network, segment, uplink, there.vid)
    return None
