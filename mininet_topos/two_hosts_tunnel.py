r"""Two hypervisors with VXLAN networks: s1 and s2 are their integration bridges, u1 and u2 carry the tunnels.

    h1, h2 - s1 ~ u1 --- u2 ~ s2 - h3, h4        h1 and h3 on blue (VNI 101), h2 and h4 on red (VNI 102)

From the project's directory, as root; Open vSwitch runs in userspace, so no kernel module is needed:

    /usr/share/openvswitch/scripts/ovs-ctl start --system-id=random
    python3 -m mininet_topos.ini two_hosts_tunnel > /tmp/two_hosts_tunnel.ini
    .venv/bin/patchbay serve --config /tmp/two_hosts_tunnel.ini --database sqlite:////tmp/two_hosts_tunnel.db &
    python3 -m mininet_topos.bind two_hosts_tunnel
    PYTHONPATH=. mn --custom mininet_topos/two_hosts_tunnel.py --topo two_hosts_tunnel \
        --switch ovs,datapath=user,protocols=OpenFlow14 --controller remote,ip=127.0.0.1,port=6653 --wait --test pingall

Expected: VMs of one network reach each other, and nobody else, although both networks are 10.0.0.0/24.

    h1 -> X h3 X
    h2 -> X X h4
    h3 -> h1 X X
    h4 -> X h2 X
    *** Results: 66% dropped (4/12 received)

The tunnel ports (vxlan-s1, vxlan-s2; remote_ip=flow) and the underlay bridges are made by the topology, since nobody
joined over OVSDB.  198.51.100.0/24 (RFC 5737) must not be in use on the machine.
"""

from __future__ import annotations

from mininet_topos.graph import Graph, Host, Network, Underlay, Vm

GRAPH = Graph(
    name="two_hosts_tunnel",
    hosts=(
        Host("node1", "s1", underlay=Underlay("u1", "198.51.100.1", "198.51.100.11", "02:00:00:00:00:01")),
        Host("node2", "s2", underlay=Underlay("u2", "198.51.100.2", "198.51.100.12", "02:00:00:00:00:02")),
    ),
    networks=(
        Network("blue", "vxlan", "10.0.0.0/24", segmentation_id=101, mtu=1450),
        Network("red", "vxlan", "10.0.0.0/24", segmentation_id=102, mtu=1450),
    ),
    vms=(
        Vm("h1", "s1", "blue", "fa:16:3e:00:00:01", "10.0.0.1"),
        Vm("h2", "s1", "red", "fa:16:3e:00:00:02", "10.0.0.2"),
        Vm("h3", "s2", "blue", "fa:16:3e:00:00:03", "10.0.0.3"),
        Vm("h4", "s2", "red", "fa:16:3e:00:00:04", "10.0.0.4"),
    ),
    cables=(("u1", "u2"),),
)

try:
    from mininet_topos.emulate import topology
except ImportError:  # no Mininet here: the graph alone
    topos = {}
else:
    topos = {GRAPH.name: topology(GRAPH)}
