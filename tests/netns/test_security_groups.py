"""Security groups with real packets: who reaches whom, and what a change ends."""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from typing import Any

from tests.netns.cloud import Cloud
from tests.netns.reach import Datagrams, Probe, Stream, address, matrix, serve
from tests.netns.testbed import Hypervisor, Vm, wait_until

PING, PING6 = Probe("ping"), Probe("ping", version=6)
SSH, HTTP, HTTP6, ALT, OFF = Probe("tcp", 22), Probe("tcp", 80), Probe("tcp", 80, 6), Probe("tcp", 81), Probe("tcp", 82)
DNS, DNS6 = Probe("udp", 53), Probe("udp", 53, 6)
PROBES = (PING, PING6, SSH, HTTP, HTTP6, ALT, OFF, DNS, DNS6)
EVERYTHING = frozenset(PROBES)

DEFAULT = ("a", "b")


class Groups:
    """A cloud of two hosts with a network; VMs by name, on either host in turn, and groups."""

    def __init__(self, cloud: Cloud, type: str) -> None:
        self.cloud, self.rest = cloud, cloud.controller
        self.network = cloud.network(type, "10.0.0.0/24", "fd00::/64")
        self.vms: dict[str, Vm] = {}

    def group(self, *rules: dict[str, Any], **values: Any) -> str:
        made = self.rest.post("security-groups", name="a group", **values)
        for rule in rules:
            self.rule(made["id"], **rule)
        return str(made["id"])

    def rule(
        self, group: str, protocol: str | None, low: int | None = None, high: int | None = None, **more: Any
    ) -> str:
        ports = {} if low is None else {"port_range_min": low, "port_range_max": high if high is not None else low}
        values = {"direction": "ingress", "security_group_id": group, "protocol": protocol, **ports, **more}
        return str(self.rest.post("security-group-rules", **values)["id"])

    def vm(self, name: str, group: str | None = None, **more: Any) -> Vm:
        host = self.cloud.hosts[len(self.vms) % 2]
        groups = {} if group is None else {"security_groups": [group]}
        vm = self.vms[name] = self.cloud.vm(self.network, host, **groups, **more)
        serve(vm, PROBES)
        return vm

    @property
    def default(self) -> str:
        (group,) = self.rest.get("security-groups", name="default")
        return str(group["id"])


def taken_in(host: Hypervisor, vm: Vm) -> int:
    """Packets of a VM that its switch has read.  One that has no processor for a while leaves some unread."""
    (number,) = re.findall(r"rx pkts=(\d+)", host.ofctl("dump-ports", "br-int", vm.tap))
    return int(number)


def cells(
    vms: dict[str, Vm], accepts: dict[str, Callable[[str, Probe], bool]], mute: str
) -> set[tuple[str, str, Probe]]:
    """What shall pass: what the target accepts of a source; the VMs in `mute` hear no answer."""
    return {
        (source, target, probe)
        for source in vms
        for target in vms
        for probe in PROBES
        if source != target and source not in mute and accepts[target](source, probe)
    }


def test_each_vm_reaches_what_the_rules_say_and_nothing_else(bed):
    """a, b: the default group.  web: ports of TCP from anywhere.  ping: ICMP.  remote: TCP from a group, UDP from the
    addresses of an address group, IPv6 from a prefix.  less: stateless.  off: not protected."""
    cloud = Cloud(bed)
    groups = Groups(cloud, "vxlan")
    for name in DEFAULT:
        groups.vm(name)
    six = {"ethertype": "IPv6"}
    web = groups.group({"protocol": "tcp", "low": 80, "high": 81}, {"protocol": "tcp", "low": 80, **six})
    groups.vm("web", web)
    ping = groups.group({"protocol": "icmp"}, {"protocol": "ipv6-icmp", "low": 128, "high": 0, **six})
    groups.vm("ping", ping)
    blocks = groups.rest.post("address-groups", addresses=[groups.vms["web"].ip + "/32"])["id"]
    only = address(groups.vms["ping"], 6) + "/128"
    remote = groups.group(
        {"protocol": "tcp", "low": 22, "remote_group_id": groups.default},
        {"protocol": "udp", "low": 53, "remote_address_group_id": blocks},
        {"protocol": "udp", "remote_ip_prefix": only, **six},
    )
    groups.vm("remote", remote)
    less = groups.group({"protocol": "tcp", "low": 80}, {"protocol": "icmp", "low": 8, "high": 0}, stateful=False)
    groups.vm("less", less)
    groups.vm("off", port_security_enabled=False)
    accepts: dict[str, Callable[[str, Probe], bool]] = {
        "a": lambda source, probe: source in DEFAULT,
        "b": lambda source, probe: source in DEFAULT,
        "web": lambda source, probe: probe in (HTTP, ALT, HTTP6),
        "ping": lambda source, probe: probe in (PING, PING6),
        "remote": lambda source, probe: (source, probe) in {("a", SSH), ("b", SSH), ("web", DNS), ("ping", DNS6)},
        "less": lambda source, probe: probe in (HTTP, PING),
        "off": lambda source, probe: True,
    }
    wanted = cells(groups.vms, accepts, mute="less")
    assert matrix(groups.vms, PROBES) == wanted
    # Stateless rules have to let answers in by themselves.
    groups.rule(less, "tcp", 1024, 65535)
    groups.rule(less, "icmp", 0, 0)
    replies = {
        ("less", target, probe)
        for target in groups.vms
        for probe in (SSH, HTTP, ALT, OFF, PING)
        if target != "less" and accepts[target]("less", probe)
    }
    # A new rule of a group, and a member that leaves its default group.
    groups.rule(ping, "tcp", 22, remote_group_id=web)
    groups.rest.put("ports", groups.vms["b"].port["id"], security_groups=[web])
    gone = {(s, t, p) for s, t, p in wanted if "b" in (s, t) and {s, t} & {"a", "remote"} or t == "b"}
    new = {("web", "ping", SSH), ("b", "ping", SSH)}
    new |= {(source, "b", probe) for source in groups.vms if source != "b" for probe in (HTTP, ALT, HTTP6)}
    new -= {("less", "b", HTTP6)}
    assert matrix(groups.vms, PROBES) == (wanted - gone) | new | replies


def test_a_change_ends_what_it_forbids_and_nothing_else(bed, tmp_path):
    cloud = Cloud(bed)
    groups = Groups(cloud, "vlan")
    a, b = groups.vm("a"), groups.vm("b")
    web = groups.group()
    wide = groups.rule(web, "tcp", 80, 81)
    groups.rule(web, "icmp")
    groups.rule(web, "tcp", 22, remote_group_id=groups.default)
    server = groups.vm("web", web)
    other = groups.group()
    streams = {name: Stream(a, server, port, tmp_path) for name, port in (("80", 80), ("81", 81), ("22", 22))}
    streams["b"] = Stream(b, server, 22, tmp_path)
    ping = a.start_ping(server.ip)
    assert all(stream.moves(0.3) for stream in streams.values())

    groups.rule(web, "tcp", 80)
    groups.rest.delete("security-group-rules", wide)
    wait_until(lambda: not streams["81"].moves(0.5), 5, "what only the removed rule allowed ends")
    assert not streams["81"].moves() and all(streams[name].moves() for name in ("80", "22", "b"))

    groups.rest.put("ports", b.port["id"], security_groups=[other])
    wait_until(lambda: not streams["b"].moves(0.5), 5, "what the removed member had begun ends")
    assert not streams["b"].moves() and all(streams[name].moves() for name in ("80", "22"))

    groups.rule(web, "tcp", 81)
    wait_until(lambda: streams["81"].moves(2.0), 20, "it goes on when it may again")
    for host in cloud.hosts:
        host.appctl("dpctl/flush-conntrack")
    assert streams["80"].moves(2.0), "a connection that was forgotten goes on with a packet that may begin one"
    cloud.controller.kill9()
    assert streams["80"].moves()
    cloud.controller.start()
    cloud.wait_programmed(60)
    assert streams["80"].moves() and streams["22"].moves()
    result = ping.stop()
    assert result.lost == 0, result.output[-500:]
    for stream in streams.values():
        stream.stop()


def test_a_port_that_changes_groups_opens_no_window(bed, tmp_path):
    """In `out` it may send to all, and `closed` lets it not in; in `let_in` it is let in, and may send to `open` alone.

    So nothing may ever pass to `closed`, and all to `open`, also while one host has yet to hear of the change.
    """
    cloud = Cloud(bed)
    groups = Groups(cloud, "vxlan")
    open_ = groups.vm("open", groups.group({"protocol": "udp"}))
    out, let_in = groups.group(), groups.group()
    sender = groups.vm("sender", out)
    closed = groups.vm("closed", groups.group({"protocol": "udp", "remote_group_id": let_in}))
    assert sender.host_namespace != closed.host_namespace == open_.host_namespace
    for rule in cloud.controller.get("security-group-rules", security_group_id=let_in):
        cloud.controller.delete("security-group-rules", rule["id"])
    groups.rule(let_in, "udp", direction="egress", remote_ip_prefix=open_.ip)
    before = taken_in(cloud.hosts[1], sender)
    datagrams = Datagrams(sender, [closed, open_], 9, tmp_path)
    wait_until(lambda: datagrams.heard(open_), 10, "datagrams arrive")

    def change(group: str) -> None:
        cloud.controller.put("ports", sender.port["id"], security_groups=[group])

    for _ in range(5):
        for group in (let_in, out):
            change(group)
            assert cloud.controller.request("GET", "/v2.0/convergence?wait=10").body["converged"]
    for host in cloud.hosts:
        for group in (let_in, out):
            host.set_link("ctl0", False)
            change(group)
            time.sleep(0.7)
            host.set_link("ctl0", True)
            assert cloud.controller.request("GET", "/v2.0/convergence?wait=20").body["converged"]
    assert not datagrams.heard(closed)
    sent = datagrams.stop()
    never_there = max(0, 2 * sent - (taken_in(cloud.hosts[1], sender) - before))
    assert len(datagrams.heard(open_)) >= sent - never_there - 5, "those that were sent before it could be reached"
    groups.rule(let_in, "udp", direction="egress")
    change(let_in)
    datagrams = Datagrams(sender, [closed], 10, tmp_path)
    wait_until(lambda: datagrams.heard(closed), 10, "it is let in, and may send")
    datagrams.stop()


def test_a_port_that_is_plugged_again_has_no_connection_of_the_one_before(bed, tmp_path):
    """The VIF of another port gets the same OpenFlow port, and so the zone."""
    cloud = Cloud(bed)
    groups = Groups(cloud, "vxlan")
    client = groups.vm("client")
    web = groups.group({"protocol": "tcp", "low": 80})
    server = groups.vm("server", web)
    stream = Stream(client, server, 80, tmp_path)
    host = cloud.hosts[1]
    number = host.vsctl("get", "Interface", server.tap, "ofport").strip()
    zone = lambda: [line for line in host.appctl("dpctl/dump-conntrack").splitlines() if f"zone={number}" in line]  # noqa: E731
    assert zone()
    stream.stop()
    host.unplug(server)
    cloud.controller.wait_active(server.port["id"], status="DOWN")
    port = cloud.port(groups.network, host, security_groups=[web])
    assert zone(), "nobody ends connections before the zone is taken again"
    ids = f'external_ids:iface-id="{port["id"]}"'
    settings = ["type=internal", f"ofport_request={number}", ids]
    host.vsctl("add-port", "br-int", "again", "--", "set", "Interface", "again", *settings)
    cloud.controller.wait_active(port["id"])
    assert host.vsctl("get", "Interface", "again", "ofport").strip() == number
    assert not zone()
