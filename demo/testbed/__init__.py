"""Simulated hypervisors on one machine: real Open vSwitch in network namespaces, VMs as namespaces behind veth pairs.

    with Testbed() as bed:
        hv1, hv2 = bed.hypervisor("hv1"), bed.hypervisor("hv2")
        controller = bed.controller({"ovs": {"network_vlan_ranges": "physnet1:1000:1999"}})
        hv1.join(), hv2.join()
        vm = hv1.plug(port)                     # a port as the REST API answers it
        assert vm.ping("10.0.0.2").lost == 0

Needs root, `ip`, Open vSwitch 3.1 or newer (userspace datapath: no kernel module), ethtool, ping and tcpdump.
Everything a bed makes is named after its number (`pb-0-...`), so any number of beds run side by side.
"""

from demo.testbed.bed import Testbed
from demo.testbed.hypervisor import Hypervisor
from demo.testbed.lease import sweep
from demo.testbed.ping import Ping
from demo.testbed.run import CommandFailed, run, wait_until
from demo.testbed.served import Answer, Controller, RestError
from demo.testbed.vm import Vm

__all__ = [
    "Answer",
    "CommandFailed",
    "Controller",
    "Hypervisor",
    "Ping",
    "RestError",
    "Testbed",
    "Vm",
    "run",
    "sweep",
    "wait_until",
]
