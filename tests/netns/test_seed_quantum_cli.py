"""The session that came with Quantum's first Open vSwitch plugin, typed literally, and packets at its end.

VIFs say their `iface-id`, as its agent wanted, and nothing else about themselves.  What the plugin's pages have around
the session (database, INI file, hosts) is in test_seed_quantum_plugin.py.
"""

from __future__ import annotations

import pytest

from tests.netns.cloud import CONFIG, Cloud
from tests.netns.quantum_session import SESSION, Shell, again, boot
from tests.netns.testbed import Vm, wait_until


@pytest.mark.parametrize("hosts", [1, 2])
def test_the_session_ends_with_packets_between_the_interfaces_it_plugs(bed, hosts):
    cloud = Cloud(bed, hosts, CONFIG)
    foo = boot(cloud.hosts[0], "foo", "02:00:00:00:00:01", "10.0.0.1")
    bar = boot(cloud.hosts[-1], "bar", "02:00:00:00:00:02", "10.0.0.2")
    assert foo.ping(bar.ip, count=1, timeout=1).received == 0
    shell = Shell(cloud.controller.address)
    shell.play(SESSION)
    shell.play(again(SESSION, "bar"))
    ports = {port["id"]: port for port in cloud.controller.get("ports")}
    assert set(ports) <= set(shell.ids.values())
    cloud.controller.wait_active(*ports)
    wait_until(lambda: foo.ping(bar.ip, count=1, timeout=1).ok, 15, "the VIFs are known by their MAC addresses")
    for one, other in ((foo, bar), (bar, foo)):
        assert one.ping(other.ip, count=5).ok
    macs = {port["mac_address"] for port in cloud.controller.get("ports")}
    assert macs == {foo.mac, bar.mac}
    counted(cloud, shell, foo, bar)
    shell.play("$ python bin/cli unplug_iface $TENANT $NETWORK $PORT\n" + unplugged(shell))
    assert foo.ping(bar.ip, count=2, timeout=1).received == 0


def unplugged(shell: Shell) -> str:
    port, network = shell.environment["PORT"], shell.environment["NETWORK"]
    shell.ids |= {port: port, network: network}
    return f"Unplugged interface from port:{port} on network:{network}\n"


def counted(cloud: Cloud, shell: Shell, foo: Vm, bar: Vm) -> None:
    """The switch's own counters go up by what is sent."""
    network, port = shell.environment["NETWORK"], shell.environment["PORT"]
    path = f"/v1.0/extensions/ovs/tenants/t1/networks/{network}/ports/{port}/stats"
    ask = lambda: cloud.controller.request("GET", path).body["stats"]  # noqa: E731
    before = ask()
    assert bar.ping(foo.ip, count=10, size=1000).ok
    after = ask()
    for way in ("rx", "tx"):
        assert after[f"{way}_packets"] - before[f"{way}_packets"] >= 10
        assert after[f"{way}_bytes"] - before[f"{way}_bytes"] >= 10 * 1028
        assert after[f"{way}_errors"] == 0
