"""The engine: renders what a change touches, and nothing else."""

from __future__ import annotations

import pytest

from controller.core.app import FLOWS, OVSDB, Renderer
from controller.core.derived import LocalPort, NetworkOnHost, RemoteAddress, RemotePort, Switch
from controller.core.effects import SetTag
from controller.core.engine import Engine, Unit, subject
from controller.core.flow import Flow, match
from controller.core.model import Host, Port
from controller.core.net import Change, Net
from controller.core.settings import Settings


def flow(number: int) -> Flow:
    return Flow(0, number, match({}), [])


def per_port(net, local):
    """One flow per local port, whose priority is its port's key; another if its MAC is the network's only one."""
    port = net.get(Port, local.port_id)
    if port is None:
        return
    if port.key < 0:
        raise ValueError("negative")
    yield flow(port.key)
    if len(net.find(Port, "network_id", port.network_id)) == 1:
        yield flow(1000)
    if net.has(Port, "device_id", "router"):
        yield flow(2000)


def shared(net, port_id):
    port = net.get(Port, port_id)
    yield flow(port.key if port else 0)


PER_PORT = Renderer("toy.per_port", FLOWS, LocalPort, per_port)
SHARED = Renderer("toy.shared", FLOWS, RemotePort, shared, "port_id")
TAGS = Renderer("toy.tags", OVSDB, LocalPort, lambda net, local: [SetTag("br-int", local.port_id, local.ofport)])
HOSTS = Renderer("toy.hosts", OVSDB, Host, lambda net, host: [SetTag(host.name, "", None)])
LOCAL = LocalPort("p", 1, 5, "n", "h1")


class Engined:
    """A Net with an engine behind it.  `put` and `remove` return {(renderer, target): (old, new)} of what changed."""

    def __init__(self, *renderers: Renderer) -> None:
        self.net, self.engine = Net(), Engine(renderers, Settings())
        self.faults: list[str] = []

    def change(self, *changes: Change):
        for change in changes:
            self.net.apply(change)
        deltas, faulty = self.engine.update(self.net, changes)
        self.faults = [unit.fault for unit in faulty]
        return {(d.unit.renderer.name, d.target): (_numbers(d.old), _numbers(d.new)) for d in deltas}

    def put(self, *rows):
        return self.change(*(self.net.change(row) for row in rows))

    def remove(self, row):
        return self.change(Change(row, None))


def _numbers(items):
    return [item.priority if isinstance(item, Flow) else item for item in items]


def test_a_unit_is_rendered_again_when_a_row_that_it_read_changes_and_only_then():
    cloud = Engined(PER_PORT)
    assert cloud.put(LOCAL) == {}
    assert cloud.put(Port("p", "n", key=3)) == {("toy.per_port", 1): ([], [3, 1000])}
    assert cloud.put(Port("p", "n", key=4)) == {("toy.per_port", 1): ([3, 1000], [4, 1000])}
    renders = cloud.engine.renders
    assert cloud.put(Port("q", "other", key=9)) == {}
    assert cloud.put(Port("p", "n", key=4, name="quiet")) == {}
    assert cloud.engine.renders == renders


def test_a_unit_is_rendered_again_when_an_index_that_it_read_has_other_rows():
    cloud = Engined(PER_PORT)
    cloud.put(LOCAL, Port("p", "n", key=3))
    assert cloud.put(Port("q", "n", key=9)) == {("toy.per_port", 1): ([3, 1000], [3])}
    assert cloud.put(Port("q", "n", key=9, device_id="router")) == {}  # a quiet field: it must not be in an index read
    assert cloud.remove(Port("q", "n", key=9, device_id="router")) == {("toy.per_port", 1): ([3], [3, 1000])}


def test_what_is_no_longer_read_is_no_longer_followed():
    cloud = Engined(PER_PORT)
    cloud.put(LOCAL, Port("p", "n", key=3))
    cloud.remove(Port("p", "n", key=3))
    renders = cloud.engine.renders
    cloud.put(Port("q", "n", key=9))
    assert cloud.engine.renders == renders
    assert cloud.remove(LOCAL) == {}
    assert cloud.engine.units == {}
    cloud.put(Port("p", "n", key=3))
    assert cloud.engine.renders == renders


def test_a_row_that_moves_to_another_switch_takes_its_flows_along():
    cloud = Engined(PER_PORT)
    cloud.put(LOCAL, Port("p", "n", key=3))
    moved = cloud.put(LocalPort("p", 2, 5, "n", "h2"))
    assert moved == {("toy.per_port", 1): ([3, 1000], []), ("toy.per_port", 2): ([], [3, 1000])}
    assert cloud.remove(LocalPort("p", 2, 5, "n", "h2")) == {("toy.per_port", 2): ([3, 1000], [])}


def test_a_shared_function_is_rendered_once_for_all_switches():
    cloud = Engined(SHARED)
    cloud.put(Port("p", "n", key=3))
    assert cloud.put(RemotePort(1, "p", "n"), RemotePort(2, "p", "n")) == {
        ("toy.shared", 1): ([], [3]),
        ("toy.shared", 2): ([], [3]),
    }
    assert cloud.engine.renders == 1
    assert cloud.put(RemotePort(3, "p", "n")) == {("toy.shared", 3): ([], [3])}
    assert cloud.engine.renders == 1
    assert cloud.remove(RemotePort(1, "p", "n")) == {("toy.shared", 1): ([3], [])}
    assert cloud.put(Port("p", "n", key=4)) == {("toy.shared", 2): ([3], [4]), ("toy.shared", 3): ([3], [4])}
    cloud.remove(RemotePort(2, "p", "n"))
    cloud.remove(RemotePort(3, "p", "n"))
    assert cloud.engine.units == {}


def test_ovsdb_operations_are_for_the_rows_host():
    cloud = Engined(TAGS, HOSTS)
    assert cloud.put(LOCAL, Host("h2")) == {
        ("toy.tags", "h1"): ([], [SetTag("br-int", "p", 5)]),
        ("toy.hosts", "h2"): ([], [SetTag("h2", "", None)]),
    }


def test_a_function_that_raises_gives_nothing_and_a_fault_until_it_does_not():
    cloud = Engined(PER_PORT)
    cloud.put(LOCAL, LocalPort("q", 1, 6, "n", "h1"), Port("p", "n", key=3), Port("q", "n", key=7))
    assert cloud.put(Port("p", "n", key=-1)) == {("toy.per_port", 1): ([3], [])}
    assert cloud.faults == ["toy.per_port: ValueError: negative"]
    assert cloud.put(Port("q", "n", key=8)) == {("toy.per_port", 1): ([7], [8])}
    assert cloud.faults == []
    assert cloud.put(Port("p", "n", key=5)) == {("toy.per_port", 1): ([], [5])}
    assert cloud.faults == [""]


def test_a_fault_ends_with_its_row():
    cloud = Engined(PER_PORT)
    cloud.put(LOCAL, Port("p", "n", key=-1))
    assert cloud.faults == ["toy.per_port: ValueError: negative"]
    cloud.remove(LOCAL)
    assert cloud.faults == [""]


@pytest.mark.parametrize(
    ("scope", "shared", "key", "wanted"),
    [
        (LocalPort, "", "p", ("Port", "p")),
        (RemotePort, "port_id", "p", ("Port", "p")),
        (NetworkOnHost, "", ("h", "n"), ("Network", "n")),
        (Host, "", "h", ("Host", "h")),
        (Switch, "", 7, None),
        (RemoteAddress, "address", ("n", "10.0.0.1"), None),
    ],
)
def test_a_unit_speaks_for_the_object_that_its_key_names(scope, shared, key, wanted):
    assert subject(Unit((Renderer("toy.any", FLOWS, scope, lambda net, row: (), shared), key))) == wanted
