"""Print the controller's configuration for a scenario:  python3 -m mininet_topos.ini one_host > one_host.ini"""

from __future__ import annotations

import sys

from mininet_topos.graph import Graph
from mininet_topos.scenarios import from_arguments


def text(graph: Graph) -> str:
    """An INI file with one `[host:NAME]` section per hypervisor."""
    physnets = sorted({physnet for host in graph.hosts for physnet, _ in host.providers})
    lines = ["[ovs]", f"network_vlan_ranges = {','.join(physnets)}"] if physnets else []
    for host in graph.hosts:
        bridges = [host.bridge, *(bridge for _, bridge in host.providers)]
        lines += [f"[host:{host.name}]", f"dpids = {','.join(hex(graph.switches[bridge]) for bridge in bridges)}"]
        if host.underlay is not None:
            lines.append(f"local_ip = {host.underlay.address}")
        if host.providers:
            lines.append(f"bridge_mappings = {','.join(f'{physnet}:{bridge}' for physnet, bridge in host.providers)}")
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    print(text(from_arguments(sys.argv[1:])), end="")
