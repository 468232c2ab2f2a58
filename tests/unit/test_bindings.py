"""Bindings: which acknowledgements a port waits for before it is ACTIVE."""

from __future__ import annotations

from controller.core.bindings import Bindings
from controller.core.derived import LocalPort, Switch
from controller.core.effects import Propose
from controller.core.faults import Faults
from controller.core.flow import Flow
from controller.core.ledger import Ledger
from controller.core.model import INT, Binding, Fault, Network, Port
from controller.core.net import Change, Net

LOCAL, BOUND = LocalPort("p", 1, 5, "n", "h1"), Binding("p", "n", "h1")
ROWS = (Network("n"), Port("p", "n"), Switch(1, "h1", "br-int", INT), Switch(2, "h2", "br-int", INT))
ACTIVE = [Propose("activate", ("p",))]


class Bound:
    """Bindings over a Net, with a ledger for each of two switches: 1 on the port's host, 2 on another."""

    def __init__(self, *rows) -> None:
        self.net, self.faults = Net(ROWS), Faults()
        self.bindings = Bindings(self.faults)
        self.ledgers = {dpid: Ledger(dpid) for dpid in (1, 2)}
        for ledger in self.ledgers.values():
            ledger.read(())
        for row in rows:
            self.net.apply(Change(None, row))

    def send(self, dpid: int) -> int:
        """A bundle goes out to a switch; returns its serial."""
        ledger = self.ledgers[dpid]
        ledger.change(("unit", ledger.sent), (), (Flow(0, ledger.sent, (), []),))
        return ledger.flush().serial

    def acknowledge(self, dpid: int, serial: int) -> list[Propose]:
        self.ledgers[dpid].acknowledge(serial)
        self.bindings.acknowledged(dpid, serial)
        return self.follow()

    def follow(self, *changes: Change) -> list[Propose]:
        busy = [dpid for dpid, ledger in self.ledgers.items() if not ledger.settled]
        return self.bindings.follow(self.net, changes, self.ledgers, busy)

    def put(self, *rows) -> list[Propose]:
        changes = [self.net.change(row) for row in rows]
        for change in changes:
            self.net.apply(change)
        return self.follow(*changes)

    def remove(self, row) -> list[Propose]:
        self.net.apply(Change(row, None))
        return self.follow(Change(row, None))


def test_a_port_that_is_found_is_bound_and_one_that_is_gone_unbound():
    bound = Bound()
    assert bound.put(LOCAL) == [Propose("bind", (("p", "h1"),))]
    bound.net.apply(Change(None, BOUND))
    assert bound.put(LocalPort("p", 2, 5, "n", "h2")) == [Propose("bind", (("p", "h2"),))]
    assert bound.remove(LocalPort("p", 2, 5, "n", "h2")) == [Propose("unbind", (("p", "h1"),))]


def test_a_port_of_a_host_that_was_not_heard_of_yet_stays_bound():
    bound = Bound(BOUND)
    bound.net.apply(Change(ROWS[2], None))
    assert bound.follow(Change(None, BOUND)) == []
    assert bound.put(ROWS[2]) == [Propose("unbind", (("p", "h1"),))]


def test_a_port_without_anything_to_wait_for_is_active_at_once():
    assert Bound(LOCAL).put(BOUND) == ACTIVE


def test_a_port_waits_for_all_that_was_sent_when_it_was_bound_and_for_nothing_later():
    bound = Bound(LOCAL)
    serials = {dpid: bound.send(dpid) for dpid in (1, 2)}
    assert bound.put(BOUND) == []
    later = bound.send(2)
    assert bound.acknowledge(1, serials[1]) == []
    assert bound.acknowledge(2, serials[2]) == ACTIVE
    assert bound.acknowledge(2, later) == []


def test_a_later_acknowledgement_covers_earlier_bundles():
    bound = Bound(LOCAL)
    bound.send(1)
    assert bound.put(BOUND) == []
    assert bound.acknowledge(1, bound.send(1)) == ACTIVE


def test_what_a_switch_refused_is_waited_for_until_it_came_again():
    bound = Bound(LOCAL)
    refused = bound.send(1)
    assert bound.put(BOUND) == []
    later = bound.send(1)
    bound.ledgers[1].refuse(refused, 0)
    bound.bindings.refused(1)
    assert bound.acknowledge(1, later) == [], "the later bundle does not hold what was refused"
    again = bound.ledgers[1].flush().serial
    assert bound.acknowledge(1, again) == ACTIVE


def test_a_switch_that_is_lost_is_waited_for_on_the_ports_own_host_only():
    bound = Bound(LOCAL)
    serials = {dpid: bound.send(dpid) for dpid in (1, 2)}
    assert bound.put(BOUND) == []
    for dpid in (1, 2):
        bound.ledgers[dpid].close()
        bound.bindings.lost(bound.net, dpid)
    assert bound.follow() == []
    assert bound.acknowledge(1, serials[1]) == ACTIVE


def test_a_port_whose_switch_is_away_waits_for_what_it_is_sent_when_it_is_back():
    bound = Bound(LOCAL)
    bound.ledgers[1].close()
    assert bound.put(BOUND) == []
    bound.ledgers[1].read(())
    assert bound.acknowledge(1, bound.send(1)) == ACTIVE


def test_a_switch_that_has_everything_is_not_waited_for():
    bound = Bound(LOCAL)
    bound.ledgers[1].close()
    assert bound.put(BOUND) == []
    bound.bindings.settled(1)
    assert bound.follow() == ACTIVE


def test_a_port_that_is_down_or_gone_again_is_not_active():
    for change in (lambda b: b.put(Port("p", "n", admin_state_up=False)), lambda b: b.remove(LOCAL)):
        bound = Bound(LOCAL)
        serial = bound.send(1)
        bound.put(BOUND)
        change(bound)
        assert ACTIVE[0] not in bound.acknowledge(1, serial)


def test_a_port_with_a_live_fault_is_active_when_that_is_over():
    bound = Bound(LOCAL)
    list(bound.faults.begin("cause", ("Port", "p"), "wrong"))
    assert bound.put(BOUND) == []
    list(bound.faults.end("cause"))
    assert bound.follow() == ACTIVE


def test_a_fault_that_is_only_stored_is_over_when_all_is_acknowledged():
    bound = Bound(LOCAL, Binding("p", "n", "h1", active=True))
    assert bound.put(Fault("Port", "p", "from before")) == [Propose("clear_fault", ("Port", "p")), *ACTIVE]


def test_faults_show_one_cause_at_a_time_and_end_with_the_last():
    faults, about = Faults(), ("Port", "p")
    assert list(faults.begin("a", about, "A")) == [Propose("set_fault", (*about, "A"))]
    assert list(faults.begin("b", about, "B")) == [Propose("set_fault", (*about, "B"))]
    assert list(faults.end("b")) == [Propose("set_fault", (*about, "A"))]
    assert faults.has(about)
    moved = list(faults.begin("a", ("Port", "q"), "A"))
    assert moved == [Propose("clear_fault", about), Propose("set_fault", ("Port", "q", "A"))]
    assert list(faults.end("a")) == [Propose("clear_fault", ("Port", "q"))]
    assert list(faults.end("a")) == []
    assert not faults.has(about)
