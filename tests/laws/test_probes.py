"""Law: a probe reaches no guest and comes from none, whatever cloud it is in; where a path is whole it is ready."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from controller.core import probe
from controller.core.address import mac
from controller.core.inspect import Inspector
from controller.core.observed import Probe
from tests import strategies as s
from tests.laws.test_isolation import build, crowded, joined, plugged


@given(crowded(), s.few, s.few, st.booleans())
def test_a_probe_reaches_no_guest_and_a_path_is_ready_where_packets_pass(cloud, which, whom, guarded):
    world = build(cloud)
    ports = plugged(world)
    if not ports:
        return
    one, other = s.pick(ports, which), s.pick(ports, whom)
    if guarded:
        s.perform(world, ("protected", which, True))
        world.settle()
    found = Inspector(world.machine, edges=world.edges()).check(one.id, other.id)
    assert not [arrival for delivery in world.probed for arrival in delivery.reached]
    world.settle()
    assert not list(world.machine.net.all(Probe))
    ready = one.network_id == other.network_id and joined(world, one, other)
    reachable = all(world.active(port) for port in (one, other))
    if ready and reachable:
        assert found["ready"], found
    if not ready:
        assert not found["ready"]
        assert found["reason"]


@given(crowded(), s.few, st.sampled_from(s.MACS), st.sampled_from(s.MACS), st.booleans())
def test_no_guest_sends_what_looks_like_a_probe(cloud, which, source, target, guarded):
    world = build(cloud)
    ports = plugged(world)
    if not ports:
        return
    port = s.pick(ports, which)
    if guarded:
        s.perform(world, ("protected", which, True))
        world.settle()
    delivery = world.send(port, probe.packet(mac(source), mac(target), 1))
    assert (delivery.reached, delivery.punted, delivery.lost) == ((), (), ())
