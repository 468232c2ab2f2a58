"""Admission: a packet enters br-int by a known port or not at all.

A VIF's port gives the packet its network and its sender; patch and tunnel ports lead to the tables of the apps that
know what comes through them.  A packet from any other port finds no flow and is dropped (the bridge is `secure`).
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from controller.core.app import App
from controller.core.derived import LocalPort, Switch, TunnelPort, Uplink
from controller.core.effects import EnsureBridge
from controller.core.flow import Flow
from controller.core.model import INT, Attachment, Host, Network, Port
from controller.core.pipeline import ADMIT, NET, PUNT, SRC, UNTAGGED, goto, load, onward, resubmit

app = App("admission")

ADMISSION = app.table(
    "admission",
    stage=ADMIT,
    reads=("in_port", "vlan_vid"),
    writes=(NET, SRC, PUNT),
    leads=("provider_in", "tunnel_in", "punt"),
    meaning="which network is the packet in, by the port it came from",
)


@app.flows(LocalPort)
def vif(net: Any, local: LocalPort) -> Iterable[Flow]:
    """An untagged packet from a VIF is in its port's network, unless the port or the network is down.

    Where it is to tell its sender's MAC address, the controller gets a copy.
    """
    port, network = net.get(Port, local.port_id), net.get(Network, local.network_id)
    if port is None or network is None or not (port.admin_state_up and network.admin_state_up):
        return
    tell = [load(PUNT, 1), resubmit("punt"), load(PUNT, 0)] if Attachment.wants_mac(net, port.id) else []
    actions = [load(NET, network.key), load(SRC, port.key), tell, onward(ADMISSION)]
    yield ADMISSION.flow(100, {"in_port": local.ofport, "vlan_vid": UNTAGGED}, actions)


@app.flows(Uplink)
def uplink(net: Any, uplink: Uplink) -> Iterable[Flow]:
    """What comes from a provider bridge goes to the table of provider networks."""
    switch = net.get(Switch, uplink.dpid)
    if switch is not None and switch.role == INT:
        yield ADMISSION.flow(90, {"in_port": uplink.ofport}, [goto("provider_in")])


@app.flows(TunnelPort)
def tunnel(net: Any, tunnel: TunnelPort) -> Iterable[Flow]:
    """What comes out of a tunnel goes to the table of tunnel networks."""
    yield ADMISSION.flow(90, {"in_port": tunnel.ofport}, [goto("tunnel_in")])


@app.ovsdb(Host)
def integration_bridge(net: Any, host: Host) -> Iterable[EnsureBridge]:
    """The integration bridge exists, forwards nothing by itself, and asks us."""
    yield EnsureBridge(
        host.integration_bridge,
        datapath_type=host.datapath_type,
        fail_mode="secure",
        protocols=("OpenFlow14",),
        controller=net.settings.openflow_target,
    )
