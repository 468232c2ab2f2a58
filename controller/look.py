"""The tools that look at a running network: they ask a controller over REST and print tables."""

from __future__ import annotations

import argparse
import json
import sys
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Sequence
from typing import Any

from controller import credentials


class Unanswered(Exception):
    """The controller did not answer, or refused; the text is for the person who asked."""


def ask(options: argparse.Namespace, *path: str, method: str = "GET") -> Any:
    """GET (or DELETE) /patchbay/v1/<path> of the controller at `options.url`; returns the JSON, or None.

    Raises Unanswered.  `options.token` goes along, or one for who the environment names.
    """
    return _ask(options, "/".join(["patchbay/v1", *(urllib.parse.quote(part, safe="") for part in path)]), method)


def _ask(options: argparse.Namespace, path: str, method: str = "GET") -> Any:
    url = options.url
    try:
        headers = {"X-Auth-Token": options.token} if options.token else credentials.headers()
        request = urllib.request.Request(f"{url.rstrip('/')}/{path}", method=method, headers=headers)
        with urllib.request.urlopen(request, timeout=30) as answer:
            text = answer.read()
            return json.loads(text) if text else None
    except credentials.NoToken as error:
        raise Unanswered(str(error)) from None
    except urllib.error.HTTPError as error:
        raise Unanswered(_message(error)) from None
    except (urllib.error.URLError, OSError, ValueError) as error:
        reason = getattr(error, "reason", error)
        raise Unanswered(f"no controller answers at {url}: {reason}") from None


def _message(error: urllib.error.HTTPError) -> str:
    if error.code == 401:
        return f"the controller asks who you are: {credentials.WANTED}"
    try:
        return str(json.load(error)["NeutronError"]["message"])
    except (ValueError, KeyError, TypeError):
        return f"HTTP {error.code} {error.reason}"


def table(heads: Sequence[str], rows: Sequence[Sequence[Any]]) -> str:
    """Columns as wide as they need be."""
    text = [[str("" if cell is None else cell) for cell in row] for row in (heads, *rows)]
    widths = [max(len(row[n]) for row in text) for n in range(len(heads))]
    lines = ("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)) for row in text)
    return "\n".join(line.rstrip() for line in lines)


def _show(options: argparse.Namespace, answer: Any, text: str) -> int:
    print(json.dumps(answer, indent=2) if options.json else text)
    return 0


def _asking(function: Any) -> Any:
    def command(options: argparse.Namespace) -> int:
        try:
            return int(function(options))
        except Unanswered as error:
            print(f"patchbay: {error}", file=sys.stderr)
            return 1

    command.__doc__ = function.__doc__
    return command


@_asking
def hosts(options: argparse.Namespace) -> int:
    """Print the hosts."""
    found = ask(options, "hosts")
    rows = []
    for host in found:
        bridges = " ".join(f"{b['name']}{'' if b['connected'] else ' (away)'}" for b in host["bridges"])
        mappings = " ".join(f"{physnet}:{bridge}" for physnet, bridge in host["bridge_mappings"].items())
        joined = host["joined_by"] + ("" if host["ovsdb"] or host["joined_by"] == "controller" else " (away)")
        counts = host["networks"], host["ports"]
        rows.append([host["name"], joined, host["local_ip"], mappings, bridges, *counts, host["fault"], host["note"]])
    heads = ["HOST", "JOINED BY", "TUNNEL IP", "MAPPINGS", "BRIDGES", "NETWORKS", "PORTS", "FAULT", "NOTE"]
    return _show(options, found, table(heads, rows))


@_asking
def forget(options: argparse.Namespace) -> int:
    """Have the controller forget a host."""
    ask(options, "hosts", options.host, method="DELETE")
    return _show(options, None, f"host {options.host} is forgotten")


@_asking
def ports(options: argparse.Namespace) -> int:
    """Print the ports."""
    found = ask(options, "ports")
    rows = [
        [
            *(port["id"], port["name"], port["network"], port["type"], port["mac_address"]),
            *(" ".join(port["addresses"]), port["host"], port["interface"], port["status"]),
            *(port.get("spoofed"), port["fault"], port["note"]),
        ]
        for port in found
    ]
    heads = ["PORT", "NAME", "NETWORK", "TYPE", "MAC", "ADDRESSES", "HOST", "INTERFACE", "STATUS"]
    heads += ["SPOOFED", "FAULT", "NOTE"]
    return _show(options, found, table(heads, rows))


@_asking
def check(options: argparse.Namespace) -> int:
    """Print whether a path is ready, or where it ends and why; the exit code is 1 when it is not."""
    found = ask(options, "ports", options.port, "check", *([options.other] if options.other else []))
    where = f"{found['switch']}, table {found['table']}: " if found["table"] else ""
    text = "ready" if found["ready"] else f"not ready: port {found['port']}: {where}{found['reason']}"
    _show(options, found, text)
    return 0 if found["ready"] else 1


@_asking
def trace(options: argparse.Namespace) -> int:
    """Print the way of a packet from one port to another, hop by hop; the exit code is 1 when it does not arrive."""
    found = ask(options, "ports", options.port, "trace", options.other)
    rows = [
        [hop["switch"], hop["in_port"], hop["arrives"], " ".join(_tables(hop)), hop["out_port"], hop["leaves"]]
        for hop in found["hops"]
    ]
    end = "delivered" if found["delivered"] else f"not delivered: {found['reason']}"
    heads = ["SWITCH", "FROM PORT", "AS", "TABLES", "TO PORT", "AS"]
    _show(options, found, f"{table(heads, rows)}\n{end}")
    return 0 if found["delivered"] else 1


def _tables(hop: Any) -> list[str]:
    """The tables of a bridge in which a packet was looked up, each once."""
    return list(dict.fromkeys(lookup["table"] for lookup in hop["lookups"]))


@_asking
def faults(options: argparse.Namespace) -> int:
    """Print everything that is wrong; the exit code is 1 when something is."""
    found = ask(options, "faults")
    rows = [[fault["kind"], fault["id"], fault["name"], fault["reason"]] for fault in found]
    _show(options, found, table(["OBJECT", "ID", "NAME", "REASON"], rows) if rows else "nothing is wrong")
    return 1 if found else 0


@_asking
def switches(options: argparse.Namespace) -> int:
    """Print the programmed bridges."""
    found = ask(options, "switches")
    rows = [
        [s["name"], s["dpid"], s["role"], s["physical_network"], "yes" if s["connected"] else "no", s["flows"]]
        for s in found
    ]
    return _show(options, found, table(["SWITCH", "DPID", "ROLE", "PHYSICAL NETWORK", "CONNECTED", "FLOWS"], rows))


@_asking
def flows(options: argparse.Namespace) -> int:
    """Print a switch's flows."""
    found = ask(options, "switches", options.switch, "flows")
    word = "openflow" if options.openflow else "flow"
    text = "\n".join(f"cookie={flow['cookie']}, {flow[word]}" for flow in found)
    return _show(options, found, text)


@_asking
def explain(options: argparse.Namespace) -> int:
    """Print why a flow is there."""
    why = ask(options, "switches", options.switch, "flows", options.flow, "explain")
    lines = [
        f"flow      {why['flow']}",
        f"app       {why['app']}",
        f"function  {why['function']}  ({why['source']})",
        f"          {why['doc']}",
        f"row       {why['row']}",
        "read      " + "\n          ".join(why["reads"]),
    ]
    return _show(options, why, "\n".join(lines))


# ---------------------------------------------------------------------------------------------------------------------
# To wait

HELD = 10.0
"""Seconds that the controller holds one answer back; a longer wait asks again."""
PAUSE = 0.5
"""Seconds until it is asked again when it did not hold the answer back."""
NAMED = 5
"""Switches that a line of progress names at most."""


@_asking
def wait(options: argparse.Namespace) -> int:
    """Wait until all switches have acknowledged a revision; the exit code is 1 when the time is over first."""
    revision, end = options.revision, time.monotonic() + options.timeout
    told = ""
    while True:
        asked = time.monotonic()
        found = _convergence(options, revision, min(HELD, max(0.0, end - asked)))
        revision = found["revision"]  # the newest, where none was given: it is this one from now on
        if found["converged"] or time.monotonic() >= end:
            break
        if sys.stderr.isatty() and (line := _progress(found)) != told:
            told = line
            print(line, file=sys.stderr)
        if time.monotonic() - asked < PAUSE:
            time.sleep(min(PAUSE, max(0.0, end - time.monotonic())))
    _show(options, found, "\n".join([_progress(found), *_reasons(found)]))
    return 0 if found["converged"] else 1


def _convergence(options: argparse.Namespace, revision: int | None, seconds: float) -> Any:
    asked: dict[str, Any] = {"wait": f"{seconds:.3f}"}
    if revision is not None:
        asked["revision"] = revision
    if options.connected:
        asked["connected"] = "true"
    return _ask(options, f"v2.0/convergence?{urllib.parse.urlencode(asked)}")


def _progress(found: Any) -> str:
    """How far a revision has come, in one line."""
    counts = found["counts"]
    line = f"revision {found['revision']}: {counts['done'] + counts['refused']} of {sum(counts.values())} switches"
    behind = [switch["name"] for switch in found.get("switches", ()) if switch["state"] in ("pending", "away")]
    if behind:
        more = f" and {len(behind) - NAMED} more" if len(behind) > NAMED else ""
        line += f"; not {', '.join(behind[:NAMED])}{more}"
    return line


def _reasons(found: Any) -> list[str]:
    """What is the matter with each switch that is not done."""
    because = {
        "pending": "pending: it has acknowledged {}",
        "away": "away: it is not connected (last it had acknowledged {})",
        "refused": "refused flows: see `patchbay faults`",
    }
    unknown = [] if found["known"] else ["the controller has yet to take the revision in"]
    return unknown + [f"{s['name']} {because[s['state']].format(s['acknowledged'])}" for s in found.get("switches", ())]


def pipeline(options: argparse.Namespace) -> int:
    """Print the generated reference of the pipeline."""
    from controller.core.app import load
    from controller.core.pipeline import LAYOUT
    from controller.core.reference import pipeline_reference

    load()
    print(pipeline_reference(LAYOUT), end="")
    return 0


def replay(options: argparse.Namespace) -> int:
    """Step a machine through a recording, and print what came of every step."""
    from controller.core.record import RecordError
    from controller.core.replay import replayed

    try:
        with open(options.file, encoding="utf-8") as file:
            for line in replayed(file):
                print(line)
    except (OSError, RecordError) as error:
        print(f"patchbay: {options.file}: {error}", file=sys.stderr)
        return 2
    return 0
