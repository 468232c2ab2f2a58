"""What the controller observed becomes rows, once."""

from __future__ import annotations

import pytest

from controller.core.model import Binding, Fault, Host, LocalVlan
from controller.core.net import Change
from controller.core.plan import Refusal
from controller.core.plans import wiring
from controller.core.settings import Settings
from tests.unit.planning import Cloud

LOCAL = Settings(tenant_network_types=("local",))


def test_a_seen_port_is_bound_and_its_network_has_a_local_vlan_there():
    cloud = Cloud()
    one, two = cloud.network(), cloud.network()
    seen = [(cloud.port(one).id, "h1"), (cloud.port(one).id, "h1"), (cloud.port(two).id, "h1"), ("unknown", "h1")]
    cloud.run(wiring.bind, seen)
    assert {b.port_id: (b.network_id, b.host, b.active) for b in cloud.net.all(Binding)} == {
        seen[0][0]: (one.id, "h1", False),
        seen[1][0]: (one.id, "h1", False),
        seen[2][0]: (two.id, "h1", False),
    }
    assert {(v.host, v.network_id): v.vid for v in cloud.net.all(LocalVlan)} == {("h1", one.id): 1, ("h1", two.id): 2}


def test_every_plan_told_the_same_twice_changes_nothing():
    cloud = Cloud()
    port = cloud.port(cloud.network())
    host = Host("h1", "192.0.2.1")
    told = [
        (wiring.bind, [(port.id, "h1")]),
        (wiring.activate, [port.id]),
        (wiring.bind, [(port.id, "h1")]),
        (wiring.describe_host, host),
    ]
    for plan, argument in told:
        cloud.run(plan, argument)
        draft = cloud.draft()
        plan(draft, argument)
        assert draft.changes() == ()
    assert cloud.net.get(Binding, port.id).active
    assert cloud.net.get(Host, "h1") == host


def test_a_port_that_moved_is_not_active_until_it_is_acknowledged_there():
    cloud = Cloud()
    port = cloud.port(cloud.network())
    cloud.run(wiring.bind, [(port.id, "h1")])
    cloud.run(wiring.activate, [port.id, "unknown"])
    cloud.run(wiring.bind, [(port.id, "h2")])
    assert cloud.net.get(Binding, port.id) == Binding(port.id, port.network_id, "h2", False)
    cloud.run(wiring.unbind, [(port.id, "h1")])  # late news of where it was
    assert cloud.net.get(Binding, port.id).host == "h2"


def test_a_gone_port_leaves_its_networks_local_vlan():
    cloud = Cloud()
    port = cloud.port(cloud.network())
    cloud.run(wiring.bind, [(port.id, "h1")])
    for _ in range(2):
        cloud.run(wiring.unbind, [(port.id, "h1"), ("unknown", "h1")])
    assert cloud.net.get(Binding, port.id) is None
    assert cloud.net.get(LocalVlan, ("h1", port.network_id)).vid == 1


def full_host():
    """A host whose 4094 local VLANs are taken by networks with a bound port each."""
    cloud = Cloud(LOCAL)
    for vid in range(1, 4095):
        cloud.net.apply(Change(None, LocalVlan("h1", f"n{vid}", vid)))
        cloud.net.apply(Change(None, Binding(f"p{vid}", f"n{vid}", "h1")))
    return cloud, cloud.port(cloud.network())


def test_the_local_vlan_of_a_network_that_left_the_host_is_taken_when_none_is_free():
    cloud, port = full_host()
    cloud.run(wiring.unbind, [("p3000", "h1")])
    cloud.run(wiring.bind, [(port.id, "h1")])
    assert cloud.net.get(LocalVlan, ("h1", port.network_id)).vid == 3000
    assert cloud.net.get(LocalVlan, ("h1", "n3000")) is None
    assert cloud.net.count(LocalVlan) == 4094


def test_no_local_vlan_left_is_the_ports_fault_until_there_is_one():
    cloud, port = full_host()
    cloud.run(wiring.bind, [(port.id, "h1")])
    assert cloud.net.get(Binding, port.id) is None
    assert cloud.net.get(Fault, ("Port", port.id)).reason == "no local VLAN is left on host h1"
    cloud.run(wiring.unbind, [("p7", "h1")])
    cloud.run(wiring.bind, [(port.id, "h1")])
    assert cloud.net.get(Binding, port.id).host == "h1"
    assert cloud.net.get(Fault, ("Port", port.id)) is None


def test_a_guest_arrives_only_where_a_local_vlan_is_left():
    cloud, port = full_host()
    cloud.run(wiring.bind, [(port.id, "h2")])
    for free, hosts in ((False, ("h2",)), (True, ("h2", "h1"))):
        if free:
            cloud.run(wiring.unbind, [("p7", "h1")])
        cloud.run(wiring.arrive, [(port.id, "h1")])
        assert cloud.net.get(Binding, port.id).hosts == hosts
        fault = cloud.net.get(Fault, ("Port", port.id))
        assert (fault.reason if fault else "") == ("" if free else "no local VLAN is left on host h1")


def test_a_host_that_is_forgotten_amid_a_migration_leaves_the_other_one():
    for forgotten, left in (("h1", None), ("h2", Binding("p", "n", "h1", active=True))):
        cloud = Cloud()
        rows = (Host("h1"), Host("h2"), Binding("p", "n", "h1", active=True, arriving="h2", wired=True))
        for row in rows:
            cloud.net.apply(Change(None, row))
        cloud.run(wiring.forget_host, forgotten)
        assert cloud.net.get(Binding, "p") == left


def test_binding_leaves_other_faults_alone():
    cloud = Cloud()
    port = cloud.port(cloud.network())
    cloud.run(wiring.set_fault, "Port", port.id, "the switch refused a flow")
    cloud.run(wiring.bind, [(port.id, "h1")])
    assert cloud.net.get(Fault, ("Port", port.id)).reason == "the switch refused a flow"
    for _ in range(2):
        cloud.run(wiring.clear_fault, "Port", port.id)
    assert cloud.net.get(Fault, ("Port", port.id)) is None


def test_a_bridge_has_one_host_and_a_host_that_lost_all_its_bridges_goes():
    cloud = Cloud()
    port = cloud.port(cloud.network())
    cloud.run(wiring.describe_host, Host("10.0.0.1", bridges=(("br-int", 1), ("br-eth1", 2))))
    cloud.run(wiring.bind, [(port.id, "10.0.0.1")])
    cloud.run(wiring.describe_host, Host("compute1", bridges=(("br-int", 1),), managed=True))
    assert cloud.net.get(Host, "10.0.0.1").bridges == (("br-eth1", 2),)
    assert cloud.net.get(Binding, port.id).host == "10.0.0.1"
    cloud.run(wiring.describe_host, Host("compute1", bridges=(("br-eth1", 2), ("br-int", 1)), managed=True))
    assert [host.name for host in cloud.net.all(Host)] == ["compute1"]
    assert not list(cloud.net.all(Binding)) and not list(cloud.net.all(LocalVlan))


def test_a_forgotten_host_takes_its_bindings_along_and_an_unknown_one_is_refused():
    cloud = Cloud()
    port = cloud.port(cloud.network())
    cloud.run(wiring.describe_host, Host("h1", bridges=(("br-int", 1),), managed=True))
    cloud.run(wiring.bind, [(port.id, "h1")])
    cloud.run(lambda draft, fault: wiring.set_fault(draft, *fault), ("Host", "h1", "it burns"))
    cloud.run(wiring.forget_host, "h1")
    assert not [row for kind in (Host, Binding, LocalVlan, Fault) for row in cloud.net.all(kind)]
    with pytest.raises(Refusal, match="Host h1 could not be found") as refused:
        cloud.run(wiring.forget_host, "h1")
    assert refused.value.status == 404
