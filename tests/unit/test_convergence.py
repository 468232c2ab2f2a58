"""Convergence: which revision each switch has acknowledged, in a model cloud whose acknowledgements can be held."""

from __future__ import annotations

from itertools import repeat

import pytest

from controller.core import events as e
from controller.core.effects import FlowMods
from controller.core.inspect import Inspector
from controller.core.ledger import HANDFUL, IN_FLIGHT
from controller.core.machine import Machine
from controller.core.plans import wiring
from tests.world.hypervisor import Bridge, Hypervisor
from tests.world.world import APPLIED, HELD, World


class Cloud:
    """Two hosts that have all their flows; from then on acknowledgements wait until `release`."""

    def __init__(self) -> None:
        self.world = World()
        self.hosts = self.world.host(), self.world.host()
        self.world.settle()
        self.inspector = Inspector(self.world.machine)
        self.world.outcomes = repeat(HELD)

    @property
    def revision(self) -> int:
        return self.world.store.revision

    def plugged(self, *hosts: Hypervisor) -> None:
        """A network with a port on each host; its flows are sent, and not acknowledged."""
        network = self.world.network("vxlan")
        for host in hosts:
            self.world.plug(self.world.port(network), host)
        self.world.settle()

    def release(self) -> None:
        held, self.world.held = self.world.held, []
        self.world.events += held
        self.world.settle()

    def ask(self, revision: int | None = None, connected: bool = False) -> dict:
        return self.inspector.convergence(self.revision if revision is None else revision, connected=connected)

    def states(self, revision: int | None = None) -> dict[str, str]:
        return {switch["name"]: switch["state"] for switch in self.ask(revision)["switches"]}


@pytest.fixture
def cloud() -> Cloud:
    return Cloud()


def test_a_revision_is_acknowledged_when_all_its_flows_are(cloud: Cloud) -> None:
    before = cloud.revision
    assert cloud.ask()["converged"]
    cloud.plugged(cloud.hosts[0])
    answer = cloud.ask()
    assert (answer["known"], answer["converged"]) == (True, False)
    assert answer["counts"] == {"done": 3, "pending": 1, "away": 0, "refused": 0}
    (switch,) = answer["switches"]
    assert (switch["name"], switch["dpid"], switch["state"]) == ("h1/br-int", "0000000000000102", "pending")
    assert before <= switch["acknowledged"] < cloud.revision
    assert cloud.ask(before)["converged"], "what was acknowledged before stays so"
    cloud.world.outcomes = repeat(APPLIED)
    cloud.release()
    assert cloud.ask() == {
        "revision": cloud.revision,
        "known": True,
        "converged": True,
        "counts": {"done": 4, "pending": 0, "away": 0, "refused": 0},
        "switches": [],
    }


def test_a_revision_that_the_machine_has_not_taken_in_is_acknowledged_by_nobody(cloud: Cloud) -> None:
    network = cloud.world.network("local")
    assert network is not None
    answer = cloud.ask()
    assert (answer["known"], answer["converged"], answer["counts"]["pending"]) == (False, False, 4)
    cloud.world.settle()
    assert (cloud.ask()["known"], cloud.ask()["converged"]) == (True, True), "it touches no switch"


def test_a_later_revision_waits_for_what_is_older_and_an_older_one_not_for_what_is_later(cloud: Cloud) -> None:
    before = cloud.revision
    cloud.plugged(cloud.hosts[0])
    first = cloud.revision
    cloud.world.network("local")
    cloud.world.settle()
    assert cloud.states() == {"h1/br-int": "pending"}, "the new network touches no switch, but older flows are due"
    assert (cloud.ask(before)["converged"], cloud.ask(first)["converged"]) == (True, False)
    for _ in range(4):
        cloud.release()
    assert cloud.ask()["converged"]
    done = cloud.revision
    cloud.plugged(cloud.hosts[0])
    assert (cloud.ask(done)["converged"], cloud.ask()["converged"]) == (True, False)


def test_what_is_kept_back_in_the_ledger_counts(cloud: Cloud) -> None:
    """All bundles that may are on their way and one waits: the revision is not acknowledged by the first ones."""
    network = cloud.world.network("vxlan")
    cloud.world.settle()
    for _ in range(IN_FLIGHT + 2):
        cloud.world.plug(cloud.world.port(network), cloud.hosts[0])
        cloud.world.settle()
    assert len(cloud.world.held) == IN_FLIGHT
    last = cloud.revision
    for _ in range(IN_FLIGHT + 4):
        assert cloud.ask(last)["converged"] == (not cloud.world.held)
        cloud.release()
    assert cloud.ask(last)["converged"]


def test_a_switch_that_is_away_does_not_count_until_it_is_back(cloud: Cloud) -> None:
    bridge = cloud.hosts[0].bridges["br-eth1"]
    cloud.world.disconnect(bridge)
    cloud.world.settle()
    answer = cloud.ask()
    assert (answer["converged"], cloud.states()) == (False, {"h1/br-eth1": "away"})
    assert cloud.ask(connected=True)["converged"], "unless nobody asks about it"
    before = cloud.revision
    cloud.world.network("local")
    cloud.world.settle()
    assert cloud.ask()["switches"][0]["acknowledged"] == before
    cloud.world.connect(bridge)
    cloud.world.settle()
    assert cloud.ask()["converged"]


def test_bundles_lost_with_their_connection_are_not_acknowledged(cloud: Cloud) -> None:
    cloud.plugged(cloud.hosts[0])
    bridge = cloud.hosts[0].bridges["br-int"]
    cloud.world.held = []
    cloud.world.disconnect(bridge)
    cloud.world.settle()
    assert cloud.states() == {"h1/br-int": "away"}
    cloud.world.connect(bridge)
    cloud.world.settle()
    assert cloud.ask()["converged"], "they were carried out: it is read, and lacks nothing"


def test_a_switch_that_comes_back_empty_has_acknowledged_nothing(cloud: Cloud) -> None:
    bridge = cloud.hosts[0].bridges["br-int"]
    old = cloud.revision
    cloud.world.disconnect(bridge)
    bridge.switch.apply(_emptied(bridge))
    cloud.world.connect(bridge)
    cloud.world.settle()
    assert cloud.states(old) == {"h1/br-int": "pending"}
    cloud.release()
    assert cloud.ask(old)["converged"]


def _emptied(bridge: Bridge) -> FlowMods:
    return FlowMods(bridge.dpid, 0, remove=tuple((flow.table, flow.cookie) for flow in bridge.switch.flows))


def test_a_refused_flow_keeps_nobody_waiting(cloud: Cloud) -> None:
    cloud.world.outcomes = repeat(APPLIED)
    cloud.world.refuse = lambda flow: "OFPBAC_BAD_OUT_PORT" if flow.table == 56 else ""
    cloud.plugged(*cloud.hosts)
    answer = cloud.ask()
    assert answer["converged"]
    assert answer["counts"] == {"done": 2, "pending": 0, "away": 0, "refused": 2}
    assert cloud.states() == {"h1/br-int": "refused", "h2/br-int": "refused"}
    cloud.world.refuse = lambda flow: ""
    for host in cloud.hosts:
        cloud.world.bounce(host.bridges["br-int"])
    cloud.world.settle()
    assert cloud.ask()["switches"] == []


def test_the_rest_of_a_refused_bundle_is_waited_for_in_the_later_one(cloud: Cloud) -> None:
    """The acknowledgement of a bundle sent before the refusal was known does not stand for the refused one."""
    world, dpid = cloud.world, cloud.hosts[0].bridges["br-int"].dpid
    network = world.network("vxlan")
    world.settle()
    world.plug(world.port(network), cloud.hosts[0])
    world.settle()
    revision = cloud.revision
    world.plug(world.port(network), cloud.hosts[0])
    world.settle()
    first, second = world.held
    assert (first.dpid, second.dpid) == (dpid, dpid)
    refused = next(mods for mods in world.mods if mods.serial == first.serial and mods.dpid == dpid)
    cookie = refused.add[0].cookie
    world.held = []
    world.events += [e.SwitchError(dpid, first.serial, cookie, "OFPBAC_BAD_OUT_PORT"), second]
    world.settle()
    assert cloud.states(revision) == {"h1/br-int": "pending"}
    for _ in range(4):
        cloud.release()
    assert cloud.states(revision) == {"h1/br-int": "refused"}
    assert cloud.ask(revision)["converged"]


def test_many_refusals_end_too(cloud: Cloud) -> None:
    """Then the other flows of the table follow in many small bundles, and nobody knows how many."""
    world = cloud.world
    network = world.network("vxlan")
    ports = [world.port(network) for _ in range(4 * HANDFUL)]
    world.settle()
    bad = {port.mac_address for port in ports[: 2 * HANDFUL]}
    world.outcomes = repeat(APPLIED)
    world.refuse = lambda flow: "X" if flow.table == 56 and any(mac in repr(flow) for mac in bad) else ""
    for port in ports:
        world.plug(port, cloud.hosts[0])
    world.settle()
    assert cloud.ask()["converged"]


def test_a_forgotten_host_is_waited_for_no_more(cloud: Cloud) -> None:
    world, host = cloud.world, cloud.hosts[1]
    for bridge in host.bridges.values():
        world.disconnect(bridge)
    world.settle()
    assert not cloud.ask()["converged"]
    world.write(wiring.forget_host, host.name)
    world.settle()
    cloud.release()
    answer = cloud.ask()
    assert (answer["converged"], sum(answer["counts"].values())) == (True, 2)


def test_a_new_controller_knows_the_revision_and_waits_for_the_hosts_of_old(cloud: Cloud) -> None:
    world = cloud.world
    machine = Machine(world.apps, world.settings, world.store.rows(), revision=cloud.revision)
    answer = Inspector(machine).convergence(cloud.revision)
    assert (answer["known"], answer["converged"]) == (True, False)
    assert {(switch["state"], switch["acknowledged"]) for switch in answer["switches"]} == {("away", 0)}
    assert answer["counts"]["away"] == 4


def test_without_a_switch_there_is_nothing_to_wait_for() -> None:
    world = World()
    world.network("vxlan")
    world.settle()
    assert Inspector(world.machine).convergence(world.store.revision)["converged"]


def test_a_step_looks_at_the_switches_that_it_touched_only() -> None:
    """Counted: what one more port costs does not depend on how many switches there are."""
    counts = []
    for hosts in (2, 20):
        world = World()
        made = [world.host() for _ in range(hosts)]
        world.settle()
        network = world.network("vxlan")
        for host in made[:2]:
            world.plug(world.port(network), host)
        world.settle()
        looked: list[int] = []
        count = world.machine.convergence._count

        def counted(net, dpid, *more, count=count, looked=looked):
            looked.append(dpid)
            count(net, dpid, *more)

        world.machine.convergence._count = counted  # type: ignore[method-assign]
        world.plug(world.port(network), made[0])
        world.settle()
        counts.append(len(looked))
        assert world.machine.convergence.converged(world.store.revision)
    assert counts[0] == counts[1] > 0
