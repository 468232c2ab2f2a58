"""To look inside a running machine: hosts, switches, ports, flows, and why a flow is there.  Plain values for people.

Every method returns JSON-able data; an unknown name raises LookupError with a message that says what is there.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from typing import Any

from controller.core import mtu
from controller.core.app import FLOWS
from controller.core.check import Checker, Edges, Verdict
from controller.core.derived import LocalPort, NetworkOnHost, PortOnSwitch, Switch
from controller.core.flow import Flow
from controller.core.machine import Machine
from controller.core.model import INT, Binding, Fault, Host, Network, Port
from controller.core.observed import NoMeters, OfPort, Presence, Session
from controller.core.pipeline import LAYOUT
from controller.core.segments import segments_of
from controller.core.text import format_flow
from controller.core.trace import trace

Wait = Callable[[Callable[[], bool], float], None]
"""`wait(reached, seconds)` returns when `reached()` is true, or the time is over."""
ANSWER = 2.0
"""Seconds that switches have to tell their counters."""
UNLIMITED = "DHCP, answers to router solicitations, and what else guests could flood the controller by"
"""What a switch without meters goes without (see engine)."""
DONE, PENDING, AWAY, REFUSED = "done", "pending", "away", "refused"
"""How it stands with a switch and a revision: it has all its flows; some are under way, or wait for what is; it is not
connected, so what it holds is not known; it has all its flows but some that it refuses (`faults` says which)."""


class Inspector:
    """Reads a machine; never changes it.  `wait` is how to let others work meanwhile; without it nothing waits.
    `edges` is how to ask switches: without it their counters are not known, and nothing can be probed."""

    def __init__(self, machine: Machine, wait: Wait | None = None, edges: Edges | None = None) -> None:
        self._machine = machine
        self._wait = wait
        self._edges = edges

    def status(self) -> dict[str, Any]:
        machine = self._machine
        return {
            "revision": machine.revision,
            "hosts": machine.net.count(Host),
            "switches": machine.net.count(Switch),
            "connected": sum(1 for session in machine.net.all(Session) if session.connected),
            "ports": machine.net.count(Port),
            "plugged": machine.net.count(LocalPort),
            "flows": sum(len(ledger.desired) for ledger in machine.ledgers.values()),
            "renders": machine.engine.renders,
            "settled": all(ledger.settled for ledger in machine.ledgers.values()),
        }

    def hosts(self) -> list[dict[str, Any]]:
        """Every host that ever joined, whether it can be reached, and what is wrong with it or odd (`note`)."""
        net = self._machine.net
        return [
            {
                "name": host.name,
                "local_ip": host.local_ip,
                "bridge_mappings": dict(host.bridge_mappings),
                "joined_by": "manager" if host.managed else "controller",
                "ovsdb": (here := net.get(Presence, host.name)) is not None and here.connected,
                "bridges": [self._bridge(name, dpid) for name, dpid in host.bridges],
                "networks": len(net.find(NetworkOnHost, "host", host.name)),
                "ports": len(net.find(Binding, "host", host.name)),
                "fault": self._fault("Host", host.name),
                "note": "; ".join(self._notes(host)),
            }
            for host in sorted(net.all(Host), key=lambda host: host.name)
        ]

    def _notes(self, host: Host) -> Iterator[str]:
        """What is odd with a host."""
        for switch in self._machine.net.find(Switch, "host+role", (host.name, INT)):
            if self._machine.net.get(NoMeters, switch.dpid) is not None:
                yield f"{switch.bridge} has no meters: {UNLIMITED} are not offered"
        note = mtu.host_note(self._machine.net, self._machine.settings, host)
        if note:
            yield note

    def _bridge(self, name: str, dpid: int) -> dict[str, Any]:
        session, switch = self._machine.net.get(Session, dpid), self._machine.net.get(Switch, dpid)
        return {
            "name": name,
            "dpid": f"{dpid:016x}",
            "role": switch.role if switch else "",
            "connected": session is not None and session.connected,
        }

    def switches(self) -> list[dict[str, Any]]:
        """Every bridge that is programmed."""
        found = []
        for switch in sorted(self._machine.net.all(Switch), key=lambda switch: (switch.host, switch.bridge)):
            ledger = self._machine.ledgers.get(switch.dpid)
            session = self._machine.net.get(Session, switch.dpid)
            found.append(
                {
                    "name": f"{switch.host}/{switch.bridge}",
                    "dpid": f"{switch.dpid:016x}",
                    "role": switch.role,
                    "physical_network": switch.physical_network,
                    "connected": session is not None and session.connected,
                    "flows": len(ledger.desired) if ledger else 0,
                    "settled": bool(ledger and ledger.open and ledger.settled),
                }
            )
        return found

    def convergence(self, revision: int, wait: float = 0.0, connected: bool = False) -> dict[str, Any]:
        """Whether all switches (or those that are connected) have acknowledged a revision of the store, and those of
        them that have not (DONE ones are only counted).  Waits for it, `wait` seconds at most.

        `known` tells whether the controller has taken the revision in.  A refused flow keeps nobody waiting.
        """
        convergence = self._machine.convergence
        if wait and self._wait is not None:
            self._wait(lambda: convergence.converged(revision, connected), wait)
        found = list(self._acknowledgements(revision))
        counts = Counter(switch["state"] for switch in found)
        return {
            "revision": revision,
            "known": revision <= convergence.revision,
            "converged": convergence.converged(revision, connected),
            "counts": {state: counts[state] for state in (DONE, PENDING, AWAY, REFUSED)},
            "switches": [switch for switch in found if switch["state"] != DONE],
        }

    def _acknowledgements(self, revision: int) -> Iterator[dict[str, Any]]:
        for host in sorted(self._machine.net.all(Host), key=lambda host: host.name):
            for name, dpid in host.bridges:
                yield {
                    "name": f"{host.name}/{name}",
                    "dpid": f"{dpid:016x}",
                    "acknowledged": self._machine.convergence.acknowledged(dpid),
                    "state": self._state(dpid, revision),
                }

    def _state(self, dpid: int, revision: int) -> str:
        convergence, ledger = self._machine.convergence, self._machine.ledgers.get(dpid)
        if convergence.away(dpid):
            return AWAY
        if convergence.acknowledged(dpid) < revision:
            return PENDING
        return REFUSED if ledger is not None and ledger.refused else DONE

    def ports(self) -> list[dict[str, Any]]:
        """Every port: where it was found, and what is wrong with it or odd (`note`) if anything is."""
        net = self._machine.net
        found = []
        counts = self._counts()
        for port in sorted(net.all(Port), key=lambda port: port.id):
            binding, local = net.get(Binding, port.id), net.get(LocalPort, port.id)
            ofport = net.get(OfPort, (local.dpid, local.ofport)) if local else None
            network = net.get(Network, port.network_id)
            found.append(
                {
                    "id": port.id,
                    "name": port.name,
                    "network": network.name or network.id if network else port.network_id,
                    "type": self._type(port.network_id),
                    "mac_address": port.mac_address,
                    "addresses": [fixed.ip_address for fixed in port.fixed_ips],
                    "host": binding.host if binding else "",
                    "wanted_on": port.host_id,
                    "interface": ofport.name if ofport else "",
                    "ofport": local.ofport if local else None,
                    "status": self._status(port, binding),
                    "fault": self._fault("Port", port.id),
                    "note": mtu.port_note(net, local) if local else "",
                    **{name: packets.get(port.id) for name, packets in counts.items()},
                }
            )
        return found

    def counters(self, port_id: str) -> dict[str, int] | None:
        """What its switch counts of a port that is plugged in: `rx` is what the VIF has sent.  None: the switch does
        not say."""
        local = self._machine.net.get(LocalPort, port_id)
        if local is None:
            raise LookupError(f"port {port_id} is not plugged in")
        found = None if self._edges is None else self._edges.counters(local.dpid, local.ofport, ANSWER)
        return None if found is None else found._asdict()

    def _counts(self) -> dict[str, dict[str, int]]:
        """What tables count (Table.counts), by port: packets that its flows there have met since they are there.

        The switches are asked now; ports of one that does not answer are not in it.
        """
        net, tables = self._machine.net, {t.id: t for t in LAYOUT.tables(INT) if t.counts}
        counts: dict[str, dict[str, int]] = {table.counts: {} for table in tables.values()}
        owners = {table.owner for table in tables.values()}
        renderers = [r for app in self._machine.apps if app.name in owners for r in app.renderers if r.face == FLOWS]
        asked = {switch.dpid: [(id, 0) for id in tables] for switch in net.all(Switch) if switch.role == INT}
        heard = self._edges.counts(asked, ANSWER) if self._edges is not None else {}
        for dpid, packets in heard.items():
            for local in net.find(LocalPort, "dpid", dpid):
                keys = {LocalPort: local.port_id, PortOnSwitch: (local.port_id, dpid)}
                for unit in (self._machine.engine.units.get((r, keys.get(r.scope))) for r in renderers):
                    for flow in unit.items if unit is not None else ():
                        if isinstance(flow, Flow) and flow.table in tables:
                            of = counts[tables[flow.table].counts]
                            of[local.port_id] = of.get(local.port_id, 0) + packets.get(flow.cookie, 0)
        return counts

    def check(self, name: str, other: str = "") -> dict[str, Any]:
        """Whether a port's path is ready, or the way between two ports, there and back: see core.check."""
        if self._edges is None:
            raise LookupError("there is nothing here that could send a probe")
        ports = [self._port(one) for one in (name, other) if one]
        checker = Checker(self._machine, self._edges)
        for about in ports:
            if (verdict := checker.port(about)) is not None:
                break
        else:
            for about, target in dict.fromkeys(((ports[0], ports[-1]), (ports[-1], ports[0]))):
                if (verdict := checker.path(about, target)) is not None:
                    break
        said = verdict or Verdict("")
        return {"ready": verdict is None, "port": about.id, **said._asdict()}

    def _port(self, name: str) -> Port:
        """A port by its id, or by its name where only one has that."""
        port = self._machine.net.get(Port, name)
        found = [port] if port is not None else [port for port in self._machine.net.all(Port) if port.name == name]
        if len(found) != 1:
            raise LookupError(f"{name!r} names {'several ports' if found else 'no port'}")
        return found[0]

    def trace(self, source: str, target: str) -> dict[str, Any]:
        """Where a packet from one port to another would go: see core.trace."""
        return trace(self._machine, self._port(source), self._port(target))

    def _type(self, network_id: str) -> str:
        segments = segments_of(self._machine.net, network_id)
        return " ".join(
            ":".join(str(part) for part in (s.network_type, s.physical_network, s.segmentation_id) if part is not None)
            for s in segments
        )

    def _status(self, port: Port, binding: Binding | None) -> str:
        if self._machine.net.get(Fault, ("Port", port.id)) is not None:
            return "ERROR"
        return "ACTIVE" if binding is not None and binding.active and port.admin_state_up else "DOWN"

    def _fault(self, kind: str, id: str) -> str:
        fault = self._machine.net.get(Fault, (kind, id))
        return fault.reason if fault else ""

    def faults(self) -> list[dict[str, Any]]:
        """Everything that is wrong: the object, its name, and why."""
        found = []
        for fault in sorted(self._machine.net.all(Fault), key=lambda fault: (fault.kind, fault.id)):
            about = self._machine.net.get({"Port": Port, "Network": Network, "Host": Host}[fault.kind], fault.id)
            found.append(
                {"kind": fault.kind, "id": fault.id, "name": about.name if about else "", "reason": fault.reason}
            )
        return found

    # -- flows --------------------------------------------------------------------------------------------------------

    def _switch(self, name: str) -> Switch:
        """A switch by "host/bridge", by dpid, or by the host or bridge name alone where that is one."""
        switches = list(self._machine.net.all(Switch))
        for switch in switches:
            if name in (f"{switch.host}/{switch.bridge}", f"{switch.dpid:016x}", f"{switch.dpid:#x}"):
                return switch
        found = [switch for switch in switches if name in (switch.host, switch.bridge)]
        if len(found) > 1:
            found = [switch for switch in found if switch.role == "INT"]
        if len(found) == 1:
            return found[0]
        names = ", ".join(sorted(f"{switch.host}/{switch.bridge}" for switch in switches)) or "none"
        raise LookupError(f"{name!r} names {'several switches' if found else 'no switch'}; there are: {names}")

    def flows(self, name: str) -> list[dict[str, Any]]:
        """The flows that a switch shall have, with table names, in table order and by falling priority."""
        switch = self._switch(name)
        ledger = self._machine.ledgers.get(switch.dpid)
        flows = ledger.desired.values() if ledger else ()
        in_order = sorted(flows, key=lambda flow: (flow.table, -flow.priority, repr(flow.match)))
        return [self._flow(switch, flow) for flow in in_order]

    def _flow(self, switch: Switch, flow: Flow) -> dict[str, Any]:
        unit = self._machine.unit(switch.dpid, flow)
        return {
            "cookie": f"{flow.cookie:#x}",
            "table": LAYOUT.name(switch.role, flow.table),
            "flow": format_flow(flow, lambda table: LAYOUT.name(switch.role, table)),
            "openflow": format_flow(flow),
            "unit": unit.renderer.name if unit else "",
        }

    def explain(self, name: str, wanted: str) -> dict[str, Any]:
        """Why a flow is there: its app, function, the row it is for, and all rows read.

        `wanted` is a cookie, or words that the flow's text contains.
        """
        switch = self._switch(name)
        found = [flow for flow in self.flows(name) if wanted == flow["cookie"]]
        found = found or [f for f in self.flows(name) if wanted in f["flow"] or wanted in f["openflow"]]
        if len(found) != 1:
            raise LookupError(f"{len(found)} flows of {name} match {wanted!r}; name one by its cookie")
        cookie = int(found[0]["cookie"], 16)
        flow = next(f for f in self._machine.ledgers[switch.dpid].desired.values() if f.cookie == cookie)
        unit = self._machine.unit(switch.dpid, flow)
        assert unit is not None
        renderer, key = unit.id
        function = renderer.function
        row = () if renderer.shared else ((renderer.scope, key),)
        return {
            **found[0],
            "app": renderer.name.split(".")[0],
            "function": renderer.name,
            "doc": (function.__doc__ or "").strip(),
            "source": f"{function.__module__}:{function.__code__.co_firstlineno}",
            "row": f"{renderer.scope.__name__} {key!r}",
            "reads": sorted(self._read(read) for read in (*row, *unit.reads)),
        }

    def _read(self, read: tuple[Any, ...]) -> str:
        if len(read) == 2:
            row_type, key = read
            return repr(self._machine.net.get(row_type, key) or f"no {row_type.__name__} {key!r}")
        row_type, index, value = read
        return f"{row_type.__name__} by {index} = {value!r}: {len(self._machine.net.find(row_type, index, value))} rows"
