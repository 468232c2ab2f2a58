"""Law 3: the switches hold just what is desired, whatever happens to messages, connections and the controller."""

from __future__ import annotations

from hypothesis import assume, given
from hypothesis import strategies as st

from controller.core import effects as fx
from controller.core import events as e
from controller.core.derived import Switch
from controller.core.flow import Flow, Output
from controller.core.model import INT, Fault, Port
from tests import strategies as s
from tests.world.world import World, desired, installed, meters, name_of

FOREIGN = (0, 7, 0, "8000000400000009")


def assert_converged(world: World) -> None:
    assert installed(world) == desired(world.machine)
    wanted, have = meters(world)
    assert wanted == have
    assert all(ledger.settled for ledger in world.machine.ledgers.values())


def places(world: World, port: Port) -> list[str]:
    """The hypervisors that have a VIF which says, by its iface-id or its name, that it is the port's."""
    return [
        hypervisor.name
        for hypervisor in world.hypervisors.values()
        if hypervisor.vif(name_of(port)) or port.id in {row.iface_id for row in hypervisor.interfaces.values()}
    ]


@given(s.clouds(), s.bursts, s.outcomes)
def test_bundles_that_are_lost_or_not_acknowledged_are_made_good(cloud, bursts, outcomes):
    world = World(outcomes=outcomes)
    for managed in cloud[0]:
        world.host(managed)
    world.settle(lambda waiting: bursts.pop() if bursts else waiting)
    for action in cloud[1]:
        s.perform(world, action)
        world.settle(lambda waiting: bursts.pop() if bursts else waiting)
    assert_converged(world)


@given(s.clouds(), st.lists(s.few, max_size=6))
def test_a_message_that_comes_twice_changes_nothing(cloud, which):
    world = s.build(cloud)
    said = [event for step in world.steps for event in step]
    idempotent = [v for v in said if isinstance(v, (e.HostUp, e.SwitchUp, e.Acknowledged, e.OvsdbDone, e.Tick))]
    last = {type(v): v for v in idempotent if not isinstance(v, e.SwitchUp)}
    for mods in world.mods[-2:]:
        world.bridge(mods.dpid).switch.apply(mods)
    before = len(world.mods)
    for number in which:
        event = s.pick(list(last.values()), number)
        if isinstance(event, e.HostUp):
            event = world.hypervisors[event.name].up()
        world.events.append(event)
    for bridge in world.bridges:
        if bridge.dpid in world.connected():
            world.connect(bridge)
    world.settle()
    assert len(world.mods) == before
    assert_converged(world)


@given(s.clouds(), st.randoms(use_true_random=False))
def test_a_reconnect_with_nothing_changed_sends_nothing(cloud, random):
    world = s.build(cloud)
    bridges = [bridge for bridge in world.bridges if bridge.dpid in world.connected()]
    before = len(world.mods)
    for bridge in random.sample(bridges, len(bridges)):
        world.disconnect(bridge)
        world.settle()
    for bridge in random.sample(bridges, len(bridges)):
        world.connect(bridge)
    world.settle(lambda waiting: random.randint(1, waiting))
    assert world.mods[before:] == []
    assert_converged(world)


@given(s.clouds(), st.randoms(use_true_random=False))
def test_a_new_controller_sends_nothing_in_whatever_order_hosts_and_switches_come_back(cloud, random):
    world = s.build(cloud)
    # A VIF that is on two hosts (a live migration in flight) is taken where it is seen first.
    assume(all(len(places(world, port)) <= 1 for port in s.all_ports(world)))
    world.tick()  # what hosts are agents of is told at a tick
    world.settle()
    flows, stored = desired(world.machine), set(map(repr, world.store.rows()))
    connected = world.connected()
    world.restart()
    for hypervisor in world.hypervisors.values():
        if hypervisor.managed:
            world.join(hypervisor)
    for bridge in world.bridges:
        if bridge.dpid in connected:
            world.connect(bridge)
    random.shuffle(world.events)
    world.settle(lambda waiting: random.randint(1, waiting))
    world.tick()
    world.settle()
    assert world.mods == []
    assert desired(world.machine) == flows
    assert set(map(repr, world.store.rows())) == stored
    assert_converged(world)


@given(s.clouds(), s.few, s.few)
def test_what_others_do_to_flows_is_undone_on_br_int_and_their_own_stay_on_br_eth(cloud, deleted, changed):
    world = s.build(cloud)
    for bridge in world.bridges:
        if bridge.dpid not in world.connected():
            continue
        switch, flows = bridge.switch, bridge.switch.flows
        switch.foreign.add(FOREIGN)
        suspect = ()
        if flows:
            tampered = s.pick(flows, changed)
            other = Flow(*tampered.slot, [Output(77)], tampered.idle_timeout)
            other.cookie = tampered.cookie
            gone = s.pick(flows, deleted)
            switch.apply(fx.FlowMods(bridge.dpid, 0, add=(other,)))
            switch.apply(fx.FlowMods(bridge.dpid, 0, remove=((gone.table, gone.cookie),)))
            suspect = (other.cookie,)
        world.reread(bridge, suspect)
    world.settle()
    assert_converged(world)
    for bridge in world.bridges:
        assert all(Output(77) not in flow.actions for flow in bridge.switch.flows)
        known = world.machine.net.get(Switch, bridge.dpid)
        assert bridge.switch.foreign == (set() if known is None or known.role == INT else {FOREIGN})


@given(s.clouds(), s.few, s.bursts, st.booleans())
def test_a_refused_flow_costs_nothing_else_and_its_fault_is_over_when_it_is(cloud, which, bursts, early):
    world = s.build(cloud)
    world.refuse_early = early
    flows = sorted({flow.cookie for bridge in world.bridges for flow in bridge.switch.flows})
    if not flows:
        return
    refused = s.pick(flows, which * 7)
    world.refuse = lambda flow: "OFPBAC_BAD_OUT_PORT" if flow.cookie == refused else ""
    for bridge in world.bridges:
        bridge.switch.apply(fx.FlowMods(0, 0, remove=tuple((flow.table, flow.cookie) for flow in bridge.switch.flows)))
        if bridge.dpid in world.connected():
            world.bounce(bridge)
    world.settle(lambda waiting: bursts.pop() if bursts else waiting)
    wanted = {d: {k: c for k, c in flows.items() if c != refused} for d, flows in desired(world.machine).items()}
    assert installed(world) == {dpid: flows for dpid, flows in wanted.items() if flows}
    assert [fault.reason for fault in world.store.net.all(Fault) if "OFPBAC_BAD_OUT_PORT" in fault.reason]
    assert all(ledger.settled for ledger in world.machine.ledgers.values())

    world.refuse = lambda flow: ""
    for bridge in world.bridges:
        if bridge.dpid in world.connected():
            world.bounce(bridge)
    world.settle()
    assert_converged(world)
    assert [fault.reason for fault in world.store.net.all(Fault) if "OFPBAC_BAD_OUT_PORT" in fault.reason] == []
