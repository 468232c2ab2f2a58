"""Laws 1, 2, 4 and 5: flows depend on the present rows and on nothing else.  Drawn over all registered apps."""

from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from controller.core.derived import (
    FloodChunk,
    LocalPort,
    NetworkOnHost,
    NetworkOnSwitch,
    PortOnSwitch,
    RemoteAddress,
    RemotePort,
    Switch,
    TunnelPort,
    Uplink,
)
from controller.core.events import Changed
from controller.core.flow import Goto, Load, Resubmit
from controller.core.machine import Machine
from controller.core.model import INT
from controller.core.net import Change
from controller.core.observed import (
    ForeignDefault,
    Interface,
    NoMeters,
    OfPort,
    Presence,
    Session,
    WantedAddress,
    WantedMac,
)
from controller.core.pipeline import FIELDS, LAYOUT
from controller.core.prerequisites import refusal
from controller.core.settings import Settings
from tests import strategies as s
from tests.world.store import STORED
from tests.world.world import APPS, SETTINGS, World, desired

OBSERVED = (Session, Presence, ForeignDefault, NoMeters, OfPort, Interface)
WANTED = (WantedMac, WantedAddress)
DERIVED = (
    *(Switch, Uplink, TunnelPort, LocalPort, PortOnSwitch, FloodChunk),
    *(NetworkOnHost, NetworkOnSwitch, RemotePort, RemoteAddress),
    *(layer.row_type for app in APPS for layer in app.layers),
)
PROACTIVE = Settings(vlan_ranges=SETTINGS.vlan_ranges, bridge_mappings=SETTINGS.bridge_mappings, proactive=True)


def rows(machine: Machine, *kinds: type) -> list[Any]:
    return sorted((row for kind in kinds for row in machine.net.all(kind)), key=repr)


def units(machine: Machine) -> dict[Any, Any]:
    return {
        (unit.renderer.name, repr(unit.id[1])): (set(unit.items), unit.targets, unit.fault)
        for unit in machine.engine.units.values()
    }


def loaded(world: World) -> Machine:
    """A new machine that is told, in one step, the rows that the world's machine has now."""
    machine = Machine(APPS, world.settings, rows(world.machine, *STORED))
    machine.step([Changed(1, tuple(Change(None, row) for row in rows(world.machine, *OBSERVED)))])
    machine.step([Changed(1, tuple(Change(None, row) for row in rows(world.machine, *WANTED)))])
    return machine


@given(s.clouds(), st.randoms(use_true_random=False), s.bursts, st.sampled_from((SETTINGS, PROACTIVE)))
def test_law_1_the_path_to_a_model_leaves_no_trace_in_its_flows(cloud, random, bursts, settings):
    world = s.build(cloud, World(settings))
    told = rows(world.machine, *STORED, *OBSERVED)
    random.shuffle(told)
    # What is wanted is only noted for destinations that are known, so it is told last.
    told += random.sample(wanted := rows(world.machine, *WANTED), len(wanted))
    machine = Machine(APPS, settings)
    while told:
        size = bursts.pop() if bursts else 1
        burst, told = told[:size], told[size:]
        machine.step([Changed(1, (Change(None, row),)) for row in burst])
    assert desired(machine) == desired(world.machine)
    assert rows(machine, *DERIVED) == rows(world.machine, *DERIVED)


@given(s.clouds(), s.bursts, st.sampled_from((SETTINGS, PROACTIVE)))
def test_law_2_what_was_kept_up_to_date_is_what_a_full_computation_gives(cloud, bursts, settings):
    world = World(settings)
    for managed in cloud[0]:
        world.host(managed)
    world.settle()
    for action in cloud[1]:
        s.perform(world, action)
        world.settle(lambda waiting: bursts.pop() if bursts else waiting)
    machine = loaded(world)
    assert rows(world.machine, *DERIVED) == rows(machine, *DERIVED)
    assert units(world.machine) == units(machine)
    assert desired(world.machine) == desired(machine)


@given(s.clouds(), st.sampled_from((SETTINGS, PROACTIVE)))
def test_law_4_every_flow_keeps_to_its_tables_contract_and_no_slot_is_wanted_twice(cloud, settings):
    world = s.build(cloud, World(settings))
    assert not [unit.fault for unit in world.machine.engine.units.values() if unit.fault]
    for dpid, ledger in world.machine.ledgers.items():
        assert not ledger.claims.contested
        role = switch.role if (switch := world.machine.net.get(Switch, dpid)) else INT
        for flow in ledger.desired.values():
            assert refusal(flow) is None
            _check_contract(role, flow)


def _check_contract(role, flow):
    table = LAYOUT.by_id[role, flow.table]
    declared = {field.wire: 0 for field in FIELDS.values()}
    for field in FIELDS.values():
        if field.name in table.reads:
            declared[field.wire] |= ((1 << field.bits) - 1) << field.offset
    for name, _, mask in flow.match:
        if name in declared:
            assert (mask if mask is not None else 0xFFFFFFFF) & ~declared[name] == 0
        else:
            assert name in table.reads
    for action in flow.actions:
        match action:
            case Goto(target) | Resubmit(target):
                assert (role, target) in LAYOUT.by_id
                assert target in LAYOUT.reachable(table)
            case Load(name, offset, bits, _):
                written = [f for f in FIELDS.values() if (f.wire, f.offset, f.bits) == (name, offset, bits)]
                assert [f for f in written if f.name in table.writes and f.first <= table.stage <= f.last]


@given(s.clouds(), s.actions.filter(bool), st.randoms(use_true_random=False))
def test_law_5_undoing_a_list_of_changes_restores_the_tables(cloud, actions, random):
    world = s.build(cloud)
    machine, flows = world.machine, desired(world.machine)
    before = keyed(machine, *STORED, *OBSERVED), keyed(machine, *WANTED)
    for action in actions:
        s.perform(world, action)
    world.settle()
    # What is wanted is taken back while its destination is gone, if only for a moment, so it comes last.
    for kinds, wanted in zip(((*STORED, *OBSERVED), WANTED), before, strict=True):
        now = keyed(machine, *kinds)
        undo = [Change(now.get(key), wanted.get(key)) for key in now | wanted if now.get(key) != wanted.get(key)]
        random.shuffle(undo)
        for change in undo:
            machine.step([Changed(1, (change,))])
    assert (keyed(machine, *STORED, *OBSERVED), keyed(machine, *WANTED)) == before
    assert desired(machine) == flows


def keyed(machine: Machine, *kinds: type) -> dict[Any, Any]:
    return {(kind, kind.ROW.key(row)): row for kind in kinds for row in machine.net.all(kind)}
