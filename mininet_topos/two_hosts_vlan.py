r"""Two hypervisors with VLAN networks: s1 and s2 are their integration bridges, e1 and e2 hold the cable between them.

    h1, h2 - s1 = e1 --- e2 = s2 - h3, h4        h1 and h3 on blue (VLAN 101), h2 and h4 on red (VLAN 102)

From the project's directory, as root; Open vSwitch runs in userspace, so no kernel module is needed:

    /usr/share/openvswitch/scripts/ovs-ctl start --system-id=random
    python3 -m mininet_topos.ini two_hosts_vlan > /tmp/two_hosts_vlan.ini
    .venv/bin/patchbay serve --config /tmp/two_hosts_vlan.ini --database sqlite:////tmp/two_hosts_vlan.db &
    python3 -m mininet_topos.bind two_hosts_vlan
    PYTHONPATH=. mn --custom mininet_topos/two_hosts_vlan.py --topo two_hosts_vlan \
        --switch ovs,datapath=user,protocols=OpenFlow14 --controller remote,ip=127.0.0.1,port=6653 --wait --test pingall

Expected: VMs of one network reach each other, and nobody else, although both networks are 10.0.0.0/24.

    h1 -> X h3 X
    h2 -> X X h4
    h3 -> h1 X X
    h4 -> X h2 X
    *** Results: 66% dropped (4/12 received)
"""

from __future__ import annotations

from mininet_topos.graph import Graph, Host, Network, Vm

GRAPH = Graph(
    name="two_hosts_vlan",
    hosts=(Host("node1", "s1", providers=(("physnet1", "e1"),)), Host("node2", "s2", providers=(("physnet1", "e2"),))),
    networks=(
        Network("blue", "vlan", "10.0.0.0/24", "physnet1", 101),
        Network("red", "vlan", "10.0.0.0/24", "physnet1", 102),
    ),
    vms=(
        Vm("h1", "s1", "blue", "fa:16:3e:00:00:01", "10.0.0.1"),
        Vm("h2", "s1", "red", "fa:16:3e:00:00:02", "10.0.0.2"),
        Vm("h3", "s2", "blue", "fa:16:3e:00:00:03", "10.0.0.3"),
        Vm("h4", "s2", "red", "fa:16:3e:00:00:04", "10.0.0.4"),
    ),
    cables=(("e1", "e2"),),
)

try:
    from mininet_topos.emulate import topology
except ImportError:  # no Mininet here: the graph alone
    topos = {}
else:
    topos = {GRAPH.name: topology(GRAPH)}
