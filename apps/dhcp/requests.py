"""Requests: a table that takes them from local ports, and what becomes of them at the controller."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from apps.dhcp import datagram, v4, v6
from apps.dhcp.datagram import Datagram
from apps.dhcp.subnets import Guest, hostname, served
from apps.dhcp_options import DhcpOptions
from controller.core.address import mac
from controller.core.app import App
from controller.core.derived import LocalPort
from controller.core.effects import PacketOut
from controller.core.events import PacketIn
from controller.core.flow import Flow, Meter, Output
from controller.core.model import Network, Port
from controller.core.pipeline import RESPOND
from controller.core.punts import to_controller

app = App("dhcp")

DHCP = app.table(
    "dhcp",
    stage=RESPOND,
    slot=6,
    in_turn=True,
    reads=("in_port", "eth_type", "ip_proto", "udp_src", "udp_dst"),
    miss="NEXT",
    meaning="DHCP requests of local ports go to the controller, and to nobody else",
)

REQUESTS: dict[int, dict[Any, Any]] = {
    4: {"eth_type": 0x0800, "ip_proto": datagram.UDP, "udp_src": v4.CLIENT, "udp_dst": v4.SERVER},
    6: {"eth_type": 0x86DD, "ip_proto": datagram.UDP, "udp_dst": v6.SERVER},
}
"""What a request is, by IP version.  A DHCPv6 client may send from any port (RFC 8415, 7.2)."""
ANSWERS = {4: v4.answer, 6: v6.answer}


@app.flows(LocalPort)
def punt(net: Any, local: LocalPort) -> Iterable[Flow | Meter]:
    """A port with an address in a subnet where DHCP is spoken asks the controller."""
    port = net.get(Port, local.port_id)
    for version, request in REQUESTS.items() if port is not None else ():
        if served(net, port, version):
            yield from to_controller(net, local, DHCP, request)


@app.packets(DHCP)
def answer(net: Any, punted: PacketIn) -> Iterable[PacketOut]:
    """Answer a request, straight to its port."""
    asked, in_port = datagram.parse(punted.data), dict(punted.fields).get("in_port", 0)
    if asked is None:
        return
    for local in net.find(LocalPort, "ofport", (punted.dpid, in_port)):
        said = _answer(net, local, asked)
        if said is not None:
            yield PacketOut(punted.dpid, datagram.build(said), (Output(in_port),))


def _answer(net: Any, local: LocalPort, asked: Datagram) -> Datagram | None:
    """What is said to a port that asks.  Only its own MAC address is its guest's."""
    port, network = net.get(Port, local.port_id), net.get(Network, local.network_id)
    if port is None or network is None or asked.eth_src != mac(port.mac_address):
        return None
    addresses = served(net, port, asked.version)
    if not addresses:
        return None
    held = net.get(DhcpOptions, port.id)
    options = (option for option in (held.extra_dhcp_opts if held else ()) if option.ip_version == asked.version)
    extra = tuple((option.opt_name, option.opt_value or "") for option in options)
    name = hostname(net, port, addresses[0][0], net.settings)
    return ANSWERS[asked.version](Guest(port, network, addresses, extra, name, net.settings), asked)
