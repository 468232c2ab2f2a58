"""Ports that name their VIF: it is found by its iface-id, and brings a MAC address of its own."""

from __future__ import annotations

import itertools
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from apps.port_security import PortSecurity
from controller.core import probe
from controller.core.derived import LocalPort
from controller.core.events import PacketIn
from controller.core.model import Attachment, Binding, Port
from controller.core.observed import SeenMac
from controller.core.packet import BROADCAST, ethernet
from controller.core.pipeline import LAYOUT, PROBE, PUNT
from controller.core.plan import Refusal
from controller.core.plans import attachments
from controller.core.settings import Settings
from tests.apps.setup import flows
from tests.world.world import SETTINGS, World, desired, installed

FOO, BAR, OTHER = "02:00:00:00:00:01", "02:00:00:00:00:02", "02:00:00:00:00:03"


class Cloud:
    """Two ports of a network, without addresses and not protected; on two hosts are the VIFs `foo` and `bar`."""

    def __init__(self, settings: Settings = SETTINGS) -> None:
        self.world = World(settings)
        self.hosts = [self.world.host() for _ in range(2)]
        self.world.settle()
        self.network = self.world.network("vxlan")
        self.one, self.two = (self.world.port(self.network) for _ in range(2))
        for port, vif, host in zip((self.one, self.two), ("foo", "bar"), self.hosts, strict=True):
            self.world.write(lambda draft, port=port: draft.put(PortSecurity(port.id, False)))
            self.world.plug(port, host, f"vnet-{vif}", iface_id=vif)
        self.world.settle()

    def attach(self, port: Port, vif: str) -> None:
        self.world.write(attachments.plug, port.id, vif)
        self.world.settle()

    def tell(self, host: int, name: str, mac: str) -> None:
        """A host says which MAC address the guest behind an interface has."""
        hypervisor = self.hosts[host]
        hypervisor.interfaces[name] = hypervisor.interfaces[name]._replace(mac=mac)
        self.world.tell(hypervisor)
        self.world.settle()

    def send(self, port: Port, source: str, destination: str) -> list[str]:
        delivery = self.world.send(port, ethernet(source, destination))
        self.world.settle()
        return self.world.places(delivery)

    def mac(self, port: Port) -> str:
        current = self.world.current(port)
        assert current is not None
        return current.mac_address

    def known(self, port: Port) -> str:
        held = self.world.store.net.get(Attachment, port.id)
        assert held is not None
        return held.mac_address

    def told(self, host: int = 0) -> bool:
        """Whether the controller gets copies of what the host's VIFs send."""
        return "resubmit(,punt)" in "".join(flows(self.world, self.hosts[host], "admission.vif"))


@pytest.fixture(params=[False, True], ids=["reactive", "proactive"])
def cloud(request) -> Cloud:
    cloud = Cloud(Settings(**{**vars_of(SETTINGS), "proactive": request.param}))
    cloud.attach(cloud.one, "foo")
    cloud.attach(cloud.two, "bar")
    return cloud


def vars_of(settings: Settings) -> dict[str, object]:
    return {name: getattr(settings, name) for name in settings.__dataclass_fields__}


def test_a_vif_is_plugged_when_a_port_names_it():
    cloud = Cloud()
    assert not cloud.world.active(cloud.one)
    cloud.attach(cloud.one, "foo")
    assert cloud.world.active(cloud.one)
    cloud.world.write(attachments.unplug, cloud.one.id)
    cloud.world.settle()
    assert not cloud.world.active(cloud.one)
    assert flows(cloud.world, cloud.hosts[0], "admission.vif") == []


def test_a_vifs_mac_address_is_the_one_it_sends_by(cloud):
    assert cloud.told()
    assert cloud.send(cloud.one, FOO, BROADCAST) == [cloud.two.id]
    assert cloud.send(cloud.two, BAR, FOO) == [cloud.one.id]
    assert cloud.send(cloud.one, FOO, BAR) == [cloud.two.id]
    assert (cloud.mac(cloud.one), cloud.mac(cloud.two)) == (FOO, BAR)
    assert not cloud.told(0) and not cloud.told(1)
    assert cloud.world.machine.net.count(SeenMac) == 0


def test_a_vif_tells_its_mac_address_once(cloud):
    cloud.send(cloud.one, FOO, BROADCAST)
    revision = cloud.world.store.revision
    for number in range(5):
        cloud.send(cloud.one, f"02:00:00:00:01:{number:02x}", BROADCAST)
    assert cloud.world.store.revision == revision
    cloud.world.restart()
    for host in cloud.hosts:
        cloud.world.join(host)
    cloud.world.settle()
    assert (cloud.mac(cloud.one), cloud.told()) == (FOO, False)


def test_another_vif_has_another_mac_address(cloud):
    cloud.send(cloud.one, FOO, BROADCAST)
    cloud.world.write(attachments.unplug, cloud.one.id)
    cloud.attach(cloud.one, "foo")
    assert cloud.told()
    cloud.send(cloud.one, OTHER, BROADCAST)
    assert cloud.mac(cloud.one) == OTHER


def test_what_a_host_tells_counts_before_and_after(cloud):
    cloud.tell(0, "vnet-foo", FOO.upper())
    assert (cloud.mac(cloud.one), cloud.told()) == (FOO, False)
    cloud.tell(0, "vnet-foo", OTHER)
    assert cloud.mac(cloud.one) == OTHER
    cloud.send(cloud.one, FOO, BROADCAST)
    assert cloud.mac(cloud.one) == OTHER


def test_what_a_host_told_first_counts_too():
    cloud = Cloud()
    cloud.tell(0, "vnet-foo", FOO)
    cloud.attach(cloud.one, "foo")
    assert (cloud.mac(cloud.one), cloud.told()) == (FOO, False)


@pytest.mark.parametrize("wrong", ["nonsense", "01:00:5e:00:00:01", "00:00:00:00:00:00", "02:00:00:00:00"])
def test_what_is_no_address_of_a_guest_counts_nothing(cloud, wrong):
    before = cloud.mac(cloud.one)
    cloud.tell(0, "vnet-foo", wrong)
    assert (cloud.mac(cloud.one), cloud.told()) == (before, True)
    cloud.send(cloud.one, FOO, BROADCAST)
    assert cloud.mac(cloud.one) == FOO


def test_a_multicast_source_is_no_address(cloud):
    cloud.send(cloud.one, "03:00:00:00:00:01", BROADCAST)
    assert cloud.told()
    cloud.send(cloud.one, FOO, BROADCAST)
    assert cloud.mac(cloud.one) == FOO


def test_a_probe_of_ours_tells_nothing(cloud):
    """It is in the name of the port, which has an address of our choice until its VIF's is known."""
    before = cloud.mac(cloud.one)
    (sent,) = probe.sent(cloud.world.machine.net, cloud.one.id, cloud.two.id, 1)
    fields = {"in_port": sent.in_port, "reg0": cloud.network.key, PROBE.wire: 1 << PROBE.offset | 1 << PUNT.offset}
    table = LAYOUT.by_name["punt"].id
    for own, told in ((fields, True), ({**fields, PROBE.wire: 1 << PUNT.offset}, False)):
        cloud.world.events.append(PacketIn(sent.dpid, table, tuple(own.items()), sent.data))
        cloud.world.settle()
        assert (cloud.mac(cloud.one), cloud.told()) == (before, told)


def test_an_address_that_another_port_has_stays_with_that(cloud):
    cloud.send(cloud.one, FOO, BROADCAST)
    before = cloud.mac(cloud.two)
    cloud.send(cloud.two, FOO, BROADCAST)
    assert (cloud.mac(cloud.one), cloud.mac(cloud.two)) == (FOO, before)
    assert cloud.known(cloud.two) == FOO
    assert not cloud.told(1)


def test_ports_that_name_no_vif_keep_their_mac_address():
    cloud = Cloud()
    before = cloud.mac(cloud.one)
    cloud.world.plug(cloud.one, cloud.hosts[0])
    cloud.world.settle()
    for mac, _ in itertools.product((FOO, OTHER), range(2)):
        cloud.send(cloud.one, mac, BROADCAST)
    cloud.tell(0, f"tap{cloud.one.id[:11]}", FOO)
    assert (cloud.mac(cloud.one), cloud.told()) == (before, False)


few = st.integers(0, 1)
actions = st.one_of(
    st.tuples(st.just("attach"), few, few),
    st.tuples(st.just("detach"), few, few),
    st.tuples(st.just("plug"), few, few),
    st.tuples(st.just("unplug"), few, few),
    st.tuples(st.just("tell"), few, few),
    st.tuples(st.just("send"), few, few),
    st.tuples(st.just("by_id"), few, few),
)


def perform(cloud: Cloud, name: str, one: int, two: int) -> None:
    """Something happens to a port (by number) and a VIF, or to a VIF and a host."""
    world, port, vif = cloud.world, (cloud.one, cloud.two)[one], ("foo", "bar")[two]
    host, name_of = cloud.hosts[two], f"vnet-{('foo', 'bar')[one]}"
    match name:
        case "attach":
            with suppress(Refusal):
                cloud.attach(port, vif)
        case "detach":
            world.write(attachments.unplug, port.id)
        case "plug":
            world.plug(port, host, name_of, iface_id=("foo", "bar")[one])
        case "unplug":
            world.unplug(port, host, name_of)
        case "tell" if name_of in host.interfaces:
            cloud.tell(two, name_of, (FOO, BAR)[one])
        case "send" if world.machine.net.get(LocalPort, port.id) is not None:
            cloud.send(port, (FOO, OTHER)[two], BROADCAST)
        case "by_id":
            world.plug(port, host)


@given(st.lists(actions, max_size=15))
def test_what_is_programmed_follows_from_what_is_there(happened):
    """However it came about: a new controller that finds the same rows and VIFs changes nothing."""
    cloud = Cloud()
    for action in happened:
        perform(cloud, *action)
    cloud.world.settle()
    wanted = desired(cloud.world.machine)
    assert installed(cloud.world) == wanted
    seen = {row.port_id for row in cloud.world.machine.net.all(LocalPort)}
    assert seen == {binding.port_id for binding in cloud.world.store.net.all(Binding)}
    cloud.world.restart()
    for host in cloud.hosts:
        cloud.world.join(host)
    cloud.world.settle()
    assert desired(cloud.world.machine) == wanted
    assert [mods for mods in cloud.world.mods if mods.add or mods.remove] == []
