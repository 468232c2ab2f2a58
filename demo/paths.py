"""Show the way of a packet from one VM to another: every table of every bridge on both hosts."""

from __future__ import annotations

import re
import textwrap
from typing import TYPE_CHECKING

from controller.core import app
from controller.core.model import ETH, INT
from controller.core.pipeline import LAYOUT
from demo.screen import Screen
from demo.spell import named
from demo.trace import Hop, Trace, parse

if TYPE_CHECKING:
    from demo.story import Guest
    from demo.testbed import Hypervisor

WIDTH = 118
_PORT_LINE = re.compile(r"^ *(\d+)\(([^)]+)\):", re.MULTILINE)


def show(screen: Screen, source: Guest, target: Guest) -> None:
    """Trace an ICMP echo request out of the source's hypervisor, then into the target's."""
    app.load()  # the apps name the tables
    ends = [f"{guest.name} ({guest.vm.ip}, {guest.vm.tap} on {guest.hv.name})" for guest in (source, target)]
    screen.line()
    screen.line("  " + "  ->  ".join(ends))
    header = f"dl_src={source.vm.mac},dl_dst={target.vm.mac},nw_src={source.vm.ip},nw_dst={target.vm.ip},nw_ttl=64"
    # A trace asks no connection tracker: what that would say of the packet is told here.
    began = f"ct_nw_src={source.vm.ip},ct_nw_dst={target.vm.ip},ct_nw_proto=1,ct_tp_src=8,ct_tp_dst=0"
    header = f"{header},icmp_type=8,ct_state=trk|new,{began}"
    _print(screen, source.hv, _trace(source.hv, "br-int", f"icmp,in_port={source.vm.tap},{header}"))
    arrivals, words = _arrivals(source, target)
    screen.line(f"    ~~~ {words} ~~~")
    for bridge, arrival in arrivals:
        trace = _trace(target.hv, bridge, f"icmp,{arrival},{header}")
        # What a patch port leads to comes next, from its beginning: the connection's part of the packet ends there.
        trace.hops = [hop for hop in trace.hops if bridge == "br-int" or hop.bridge != "br-int"]
        _print(screen, target.hv, trace)


def _trace(hv: Hypervisor, bridge: str, flow: str) -> Trace:
    return parse(hv.appctl("ofproto/trace", bridge, flow))


def _arrivals(source: Guest, target: Guest) -> tuple[list[tuple[str, str]], str]:
    """Where the packet arrives on the target's host, as bridge and in_port with outer header each, and words for it."""
    kind, number = source.network["provider:network_type"], source.network["provider:segmentation_id"]
    if kind == "vlan":
        tagged = [("br-eth1", f"in_port=eth1,dl_vlan={number}"), ("br-int", f"in_port=int-br-eth1,dl_vlan={number}")]
        return tagged, f"the trunk of physnet1, VLAN {number}"
    port = target.hv.vsctl("--bare", "--columns=name", "find", "Interface", f"type={kind}").split()[0]
    outer = f"tun_id={number},tun_src={source.hv.local_ip},tun_dst={target.hv.local_ip}"
    words = f"{kind.upper()} {number} from {source.hv.local_ip} to {target.hv.local_ip}"
    return [("br-int", f"in_port={port},{outer}")], words


def _print(screen: Screen, hv: Hypervisor, trace: Trace) -> None:
    bridges = {hop.bridge for hop in trace.hops}
    ports = {bridge: {int(n): name for n, name in _PORT_LINE.findall(_ports(hv, bridge))} for bridge in bridges}
    for hop in trace.hops:
        role = INT if hop.bridge == "br-int" else ETH
        # Flows without a cookie are not ours: the operator's NORMAL on br-eth1 and br-phy.
        table = LAYOUT.name(role, hop.table) if hop.cookie else str(hop.table)
        head = f"    {hv.name} {hop.bridge:<8} {table:<13} "
        text = named(_what(hop), role, ports[hop.bridge])
        screen.line(textwrap.fill(text, WIDTH, initial_indent=head, subsequent_indent=" " * len(head)))


def _ports(hv: Hypervisor, bridge: str) -> str:
    return hv.run("ovs-ofctl", "-O", "OpenFlow10,OpenFlow14", "show", bridge)


def _what(hop: Hop) -> str:
    actions = [action for action in hop.actions if not action.startswith("->")]
    # Behind an action that sends it through the connection tracker, `drop` is said of what stays here: nothing.
    done = ", ".join(action for action in actions if action != "drop" or len(actions) == 1)
    return f"{hop.match or 'any packet'}  =>  {done or 'drop'}" if hop.matched else "no flow  =>  drop"
