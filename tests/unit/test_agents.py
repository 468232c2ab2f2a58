"""Agents: hosts that come and go are written at the next tick, together, and only when that changed."""

from __future__ import annotations

import pytest

from controller.core import events as e
from controller.core.agents import GRACE
from controller.core.model import Agent, Host
from controller.core.plans import wiring
from tests.unit.planning import Cloud
from tests.world.world import World


def agents(world: World) -> dict[str, bool]:
    return {agent.host: agent.alive for agent in world.store.net.all(Agent)}


def told(world: World) -> list[tuple]:
    """What was proposed since the last call."""
    found = [p.argument for p in world.proposals if p.plan == "tell_agents"]
    world.proposals.clear()
    return found


def tick(world: World) -> World:
    world.tick()
    return world.settle()


def leave(world: World, hypervisor) -> None:
    if hypervisor.managed:
        world.events.append(e.HostDown(hypervisor.name))
    for bridge in hypervisor.bridges.values():
        world.disconnect(bridge)


def after_start(world: World) -> World:
    """Let the time pass that hosts have to come back in."""
    for _ in range(round(GRACE / 3) + 1):
        tick(world)
    return world


def test_a_host_that_joins_is_an_agent_at_the_next_tick():
    world = World()
    one, two = world.host(), world.host()
    world.settle()
    assert agents(world) == {}
    tick(world)
    assert agents(world) == {one.name: True, two.name: True}
    assert told(world) == [((one.name, True), (two.name, True))]
    tick(world)
    assert told(world) == []


@pytest.mark.parametrize("managed", [True, False])
def test_a_host_is_gone_when_nothing_of_it_is_connected(managed):
    world = World()
    host = world.host(managed)
    world.settle()
    after_start(world)
    told(world)
    name = next(iter(agents(world)))
    bridges = list(host.bridges.values())
    world.disconnect(bridges[0])
    tick(world)
    assert told(world) == []
    leave(world, host)
    tick(world)
    assert told(world) == [((name, False),)]
    assert agents(world) == {name: False}
    before = next(iter(world.store.net.all(Agent)))
    world.join(host)
    tick(world)
    assert agents(world) == {name: True}
    assert next(iter(world.store.net.all(Agent))).id == before.id


def test_one_that_is_back_before_the_tick_writes_nothing():
    world = World()
    host = world.host()
    world.settle()
    after_start(world)
    told(world)
    leave(world, host)
    world.settle()
    world.join(host)
    world.settle()
    tick(world)
    assert told(world) == []


def test_many_that_come_back_together_are_one_proposal():
    world = World()
    hosts = [world.host() for _ in range(20)]
    world.settle()
    after_start(world)
    for host in hosts:
        leave(world, host)
    tick(world)
    told(world)
    for host in hosts:
        world.join(host)
    world.settle(lambda waiting: 1)
    tick(world)
    assert [len(argument) for argument in told(world)] == [20]


def test_a_start_takes_nobody_for_gone_before_they_had_time_to_come():
    world = World()
    one, two = world.host(), world.host()
    world.settle()
    tick(world)
    told(world)
    world.restart()
    world.join(one)
    for _ in range(round(GRACE / 3)):
        tick(world)
    assert told(world) == []
    tick(world)
    assert told(world) == [((two.name, False),)]
    assert agents(world) == {one.name: True, two.name: False}


def test_a_forgotten_host_has_no_agent_and_a_removed_agent_is_back_while_its_host_is_there():
    world = World()
    one, two = world.host(), world.host()
    world.settle()
    after_start(world)
    world.write(lambda draft: draft.remove(next(iter(draft.find(Agent, "host", one.name)))))
    world.settle()
    assert agents(world) == {two.name: True}
    tick(world)
    assert agents(world) == {one.name: True, two.name: True}
    leave(world, two)
    tick(world)
    world.write(wiring.forget_host, two.name)
    tick(world)
    assert agents(world) == {one.name: True}


def test_times_are_those_of_coming_and_going():
    """The plan's own times: created once, started when it comes, heartbeat whenever it comes or goes."""
    cloud = Cloud()
    cloud.run(wiring.describe_host, Host("h1"))
    seen = []
    for minute, alive in enumerate((True, True, False, True)):
        cloud.now = f"2026-11-20T10:0{minute}:00Z"
        cloud.run(wiring.tell_agents, [("h1", alive)])
        (agent,) = cloud.net.all(Agent)
        seen.append((agent.created_at[14:], agent.started_at[14:], agent.heartbeat_timestamp[14:], agent.alive))
    assert agent.created_at == "2026-11-20 10:00:00"
    assert seen == [
        ("00:00", "00:00", "00:00", True),
        ("00:00", "00:00", "00:00", True),
        ("00:00", "00:00", "02:00", False),
        ("00:00", "03:00", "03:00", True),
    ]
    cloud.run(wiring.tell_agents, [("nobody", True)])
    assert cloud.net.count(Agent) == 1
