"""The two pages of Quantum's Open vSwitch plugin, its README of 2011 and "OVS Quantum Plugin Documentation" for Essex,
from the first command to packets.

A database is made, the INI file is edited, a KVM host gets its NIC on br-int, and a XenServer host a patch from xapi1
to xenbr0; the client's session is typed, and the two interfaces that it plugs, one on each host, reach each other.
What the pages have on hosts besides (an agent, its tarball, database clients) is not there any more: hosts join.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Iterator

import pytest

from tests.db.servers import MariaDB
from tests.netns.cloud import Cloud, identities
from tests.netns.plugin_file import Plugin
from tests.netns.quantum_session import SESSION, Shell, again, boot
from tests.netns.testbed import Hypervisor, Testbed, wait_until

pytestmark = pytest.mark.skipif(not shutil.which("mariadb-install-db"), reason="needs MariaDB (make setup)")

INI = """\
[DATABASE]
# This line MUST be changed to actually run the plugin.
sql_connection = mysql://root@127.0.0.1:{port}/ovs_quantum
[OVS]
integration-bridge = br-int
"""
DATABASE = """\
mysql -u root -e "create database ovs_quantum"
mysql -u root -e "GRANT USAGE ON *.* to root@'yourremotehost' IDENTIFIED BY 'newpassword'"
mysql -u root -e "FLUSH PRIVILEGES"
"""
KVM = """\
ovs-vsctl add-br br-int
ovs-vsctl add-port br-int eth1
"""
XENSERVER = """\
ovs-vsctl add-port xenbr0 patch-outside -- set Interface patch-outside type=patch options:peer=patch-inside
ovs-vsctl add-port xapi1 patch-inside -- set Interface patch-outside type=patch options:peer=patch-outside
"""
MEANT = """\
ovs-vsctl set Interface patch-inside type=patch options:peer=patch-outside
ovs-vsctl set Interface patch-outside options:peer=patch-inside
"""
"""The second of those names the wrong interface; with these it is as it was meant."""
NETDEV = "datapath_type=netdev"
"""There is no kernel datapath on the testbed."""


def type_on(host: Hypervisor, lines: str) -> None:
    for line in lines.splitlines():
        program, *words = line.split()
        assert program == "ovs-vsctl"
        host.vsctl(*words)


@pytest.fixture
def server() -> Iterator[MariaDB]:
    made = MariaDB()
    yield made
    made.remove()


class Pages(Cloud):
    """What the pages make, up to "Getting quantum up and running"."""

    def __init__(self, bed: Testbed, server: MariaDB) -> None:
        self.bed = bed
        there = f"mysql -h 127.0.0.1 -P {server.port} "
        for line in DATABASE.splitlines():
            subprocess.run(line.replace("mysql ", there, 1), shell=True, check=True)
        self.controller = Plugin(bed, INI.format(port=server.port))
        self.controller.start()
        self.kvm, self.xen = self.hosts = [bed.hypervisor("kvm"), bed.hypervisor("xen")]
        for host in self.hosts:
            host.vsctl("del-br", "br-eth1")
        type_on(self.kvm, KVM)
        self.kvm.vsctl("set", "Bridge", "br-int", NETDEV)
        for bridge in ("xapi1", "xenbr0"):  # XAPI's: they are there before
            self.xen.vsctl("add-br", bridge, "--", "set", "Bridge", bridge, NETDEV)
        self.xen.vsctl("add-port", "xenbr0", "eth1")
        type_on(self.xen, f"{XENSERVER}{MEANT}")
        self.kvm.join(bridge_mappings="")  # the INI file's mapping is for it
        self.xen.join(integration_bridge="xapi1", bridge_mappings="physnet1:xapi1")
        wait_until(lambda: self.connected() == 2, 30, "both integration bridges are programmed")


def test_from_create_database_to_packets_between_kvm_and_xenserver(bed, server):
    cloud = Pages(bed, server)
    assert "ovs_quantum_plugin.ini: [DATABASE] sql_connection: taken as [database] connection\n" in cloud.controller.log
    assert [host["fault"] for host in cloud.look("hosts")] == ["", ""]
    theirs = identities(cloud.xen, "xenbr0")
    foo = boot(cloud.kvm, "foo", "02:00:00:00:00:01", "10.0.0.1")
    bar = boot(cloud.xen, "bar", "02:00:00:00:00:02", "10.0.0.2", "xapi1")
    shell = Shell(cloud.controller.address)
    shell.play(SESSION)
    shell.play(again(SESSION, "bar"))
    cloud.controller.wait_active(*(port["id"] for port in cloud.controller.get("ports")))
    with cloud.kvm.capture("eth1", "icmp or vlan") as wire:
        wait_until(lambda: foo.ping(bar.ip, count=1, timeout=1).ok, 15, "the VIFs are known by their MAC addresses")
        for one, other in ((foo, bar), (bar, foo)):
            assert one.ping(other.ip, count=5).ok
    (network,) = cloud.controller.get("networks")
    assert network["provider:network_type"] == "vlan"
    carried = [packet for packet in wire.packets if "ICMP echo request" in packet]
    assert carried and all(f"vlan {network['provider:segmentation_id']}," in packet for packet in carried)
    assert identities(cloud.xen, "xenbr0") == theirs, "the operator's bridge is as it was"


def test_the_pages_database_is_a_database_of_ours_afterwards(bed, server):
    """It was made empty, and what the session made is there when the controller starts again."""
    cloud = Pages(bed, server)
    Shell(cloud.controller.address).play(SESSION)
    made = cloud.controller.get("ports")
    cloud.controller.stop()
    cloud.controller.start()
    assert [(port["id"], port["network_id"]) for port in cloud.controller.get("ports")] == [
        (port["id"], port["network_id"]) for port in made
    ]
    command = [sys.executable, "-m", "controller", "quantum", "-H", cloud.controller.address]
    done = subprocess.run([*command, "detail_port", "t1", made[0]["network_id"], made[0]["id"]], capture_output=True)
    assert done.stdout.decode().endswith("contains remote interface:foo\n")
