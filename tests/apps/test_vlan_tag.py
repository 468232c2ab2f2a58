"""The `tag` column shows a port's local VLAN; it is written late, together, and only where it differs."""

from __future__ import annotations

from controller.core.effects import OvsdbOps, SetTag
from controller.core.events import Tick
from controller.core.model import LocalVlan
from tests.apps.setup import small
from tests.world.world import name_of


def tags(effects):
    return [o for e in effects if isinstance(e, OvsdbOps) for o in e.operations if isinstance(o, SetTag)]


def after_a_quiet_tick(world, now):
    """What the second tick after the last change brings; the first one brings no tag."""
    assert tags(world.machine.step([Tick(now - 1.0)])) == []
    return world.machine.step([Tick(now)])


def test_tags_are_written_after_a_quiet_tick_in_one_transaction():
    cloud = small("vlan")
    world = cloud.world
    other = world.port(world.network("local"))
    world.plug(other, cloud.here)
    world.settle()
    assert all(row.tag is None for row in cloud.here.interfaces.values())
    effects = after_a_quiet_tick(world, 9.0)
    (here,) = [e for e in effects if isinstance(e, OvsdbOps) and e.host == cloud.here.name]
    vlan = world.store.net.get(LocalVlan, (cloud.here.name, other.network_id)).vid
    assert set(here.operations) == {
        SetTag("br-int", name_of(cloud.one), 1),
        SetTag("br-int", name_of(other), vlan),
    }
    assert tags(world.machine.step([Tick(10.0)])) == []


def test_a_tag_that_is_there_is_not_written_again():
    cloud = small("vlan")
    world = cloud.world
    for _ in range(2):
        world.tick()
        world.settle()
    assert cloud.here.interfaces[name_of(cloud.one)].tag == 1
    world.join(cloud.here)
    world.settle()
    assert tags(after_a_quiet_tick(world, 99.0)) == []
    row = cloud.here.interfaces[name_of(cloud.one)]
    cloud.here.interfaces[name_of(cloud.one)] = row._replace(tag=7)
    world.join(cloud.here)
    world.settle()
    assert tags(after_a_quiet_tick(world, 199.0)) == [SetTag("br-int", name_of(cloud.one), 1)]


def test_a_vif_that_went_before_the_tick_gets_no_tag():
    cloud = small("vlan")
    world = cloud.world
    world.unplug(cloud.one, cloud.here)
    world.settle()
    assert [tag.port for tag in tags(after_a_quiet_tick(world, 9.0))] == [name_of(cloud.two)]
