r"""One hypervisor (bridge s1) with two networks of two VMs each: h1 and h2 on blue, h3 and h4 on red.

From the project's directory, as root; Open vSwitch runs in userspace, so no kernel module is needed:

    /usr/share/openvswitch/scripts/ovs-ctl start --system-id=random
    python3 -m mininet_topos.ini one_host > /tmp/one_host.ini
    .venv/bin/patchbay serve --config /tmp/one_host.ini --database sqlite:////tmp/one_host.db &
    python3 -m mininet_topos.bind one_host
    PYTHONPATH=. mn --custom mininet_topos/one_host.py --topo one_host \
        --switch ovs,datapath=user,protocols=OpenFlow14 --controller remote,ip=127.0.0.1,port=6653 --wait --test pingall

Expected: VMs of one network reach each other, and nobody else, although both networks are 10.0.0.0/24.

    h1 -> h2 X X
    h2 -> h1 X X
    h3 -> X X h4
    h4 -> X X h3
    *** Results: 66% dropped (4/12 received)
"""

from __future__ import annotations

from mininet_topos.graph import Graph, Host, Network, Vm

GRAPH = Graph(
    name="one_host",
    hosts=(Host("node1", "s1"),),
    networks=(Network("blue", "local", "10.0.0.0/24"), Network("red", "local", "10.0.0.0/24")),
    vms=(
        Vm("h1", "s1", "blue", "fa:16:3e:00:00:01", "10.0.0.1"),
        Vm("h2", "s1", "blue", "fa:16:3e:00:00:02", "10.0.0.2"),
        Vm("h3", "s1", "red", "fa:16:3e:00:00:03", "10.0.0.3"),
        Vm("h4", "s1", "red", "fa:16:3e:00:00:04", "10.0.0.4"),
    ),
)

try:
    from mininet_topos.emulate import topology
except ImportError:  # no Mininet here: the graph alone
    topos = {}
else:
    topos = {GRAPH.name: topology(GRAPH)}
