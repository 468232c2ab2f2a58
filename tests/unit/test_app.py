"""Apps: what they declare is checked when it is declared, and all of them are found."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from controller.core import app as registry
from controller.core.app import FLOWS, OVSDB, App, load, renderers
from controller.core.derived import ArrivingPort, LocalPort, RemotePort, Switch
from controller.core.model import ETH, INT, Host
from controller.core.net import Net
from controller.core.pipeline import ADMIT, LAYOUT, OUTPUT, LayoutError

NAMES = ("admission", "demand", "neighbours", "provider", "switching", "tunnel", "vlan_tag")


@pytest.fixture
def toy() -> Iterator[App]:
    """An app of its own with a table, both gone after the test."""
    made = App("toy")
    yield made
    del registry.APPS["toy"]
    for table in [table for table in LAYOUT.by_name.values() if table.owner == "toy"]:
        del LAYOUT.by_name[table.name], LAYOUT.by_id[table.role, table.id]


def test_all_apps_are_loaded_in_the_order_of_their_names():
    assert [app.name for app in load()][: len(NAMES)] == sorted(app.name for app in load())[: len(NAMES)]
    assert set(NAMES) <= {app.name for app in load()}


def test_an_app_is_declared_once(toy):
    with pytest.raises(LayoutError, match="app toy is declared twice"):
        App("toy")


def test_renderers_are_named_by_app_and_function(toy):
    @toy.flows(LocalPort)
    def one(net, local):
        return ()

    @toy.flows(RemotePort, shared="port_id")
    def two(net, port_id):
        return ()

    @toy.ovsdb(Host)
    def three(net, host):
        return ()

    found = [(r.name, r.face, r.scope, r.function, r.shared) for r in renderers([toy])]
    assert found == [
        ("toy.one", FLOWS, LocalPort, one, ""),
        ("toy.one (arriving)", FLOWS, ArrivingPort, one, ""),
        ("toy.two", FLOWS, RemotePort, two, "port_id"),
        ("toy.three", OVSDB, Host, three, ""),
    ]
    assert repr(renderers([toy])[0]) == "toy.one"


def test_the_misses_of_an_apps_tables_are_rendered_on_switches_of_their_role(toy):
    toy.table("toy_a", stage=ADMIT, slot=7, miss="NEXT")
    toy.table("toy_b", stage=OUTPUT, slot=7)
    toy.table("toy_c", on=ETH, stage=ADMIT, slot=7)
    toy.table("toy_d", on=ETH, stage=ADMIT, slot=6, miss="toy_c")
    misses = renderers([toy])[0]
    assert (misses.name, misses.scope) == ("toy.misses", Switch)
    tables = {role: [f.table for f in misses.function(Net(), Switch(1, "h", "b", role))] for role in (INT, ETH)}
    assert tables == {INT: [7], ETH: [6]}


def test_a_table_has_one_owner_and_one_handler(toy):
    mine = toy.table("toy_a", stage=OUTPUT, slot=7)

    @toy.packets(mine)
    def handle(net, packet):
        return ()

    @toy.restore(mine)
    def restore(net, dpid, fields):
        return ()

    assert toy.packet_handlers == {(INT, mine.id): handle}
    assert toy.restorers == {(INT, mine.id): restore}
    with pytest.raises(LayoutError, match="table toy_a has one owner and one handler, toy"):
        toy.packets(mine)(handle)
    with pytest.raises(LayoutError, match="table switching has one owner and one handler, switching"):
        toy.packets(LAYOUT.by_name["switching"])(handle)
