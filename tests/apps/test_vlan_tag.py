"""The `tag` column shows a port's local VLAN; it is written late, together, and only where it differs."""

from __future__ import annotations

from controller.core.effects import OvsdbOps, SetTag
from controller.core.events import Tick
from controller.core.model import LocalVlan
from tests.apps.setup import small
from tests.world.world import name_of


def tags(effects):
    return [o for e in effects if isinstance(e, OvsdbOps) for o in e.operations if isinstance(o, SetTag)]


def test_tags_are_written_at_the_next_tick_in_one_transaction():
    cloud = small("vlan")
    world = cloud.world
    other = world.port(world.network("local"))
    world.plug(other, cloud.here)
    world.settle()
    assert all(row.tag is None for row in cloud.here.interfaces.values())
    effects = world.machine.step([Tick(9.0)])
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
    world.tick()
    world.settle()
    assert cloud.here.interfaces[name_of(cloud.one)].tag == 1
    world.join(cloud.here)
    world.settle()
    assert tags(world.machine.step([Tick(99.0)])) == []
    row = cloud.here.interfaces[name_of(cloud.one)]
    cloud.here.interfaces[name_of(cloud.one)] = row._replace(tag=7)
    world.join(cloud.here)
    world.settle()
    assert tags(world.machine.step([Tick(199.0)])) == [SetTag("br-int", name_of(cloud.one), 1)]


def test_a_vif_that_went_before_the_tick_gets_no_tag():
    cloud = small("vlan")
    world = cloud.world
    world.unplug(cloud.one, cloud.here)
    world.settle()
    assert [tag.port for tag in tags(world.machine.step([Tick(9.0)]))] == [name_of(cloud.two)]
