"""The command line of `patchbay`: what can be said, and which function hears it."""

from __future__ import annotations

import argparse
import math
import os
from collections.abc import Callable
from importlib.metadata import PackageNotFoundError, version

from controller import cli_accounts, cli_quantum, look


def run(arguments: list[str]) -> int:
    """Parse and carry out; returns the exit code (0 done, 1 failed, 2 the command or the configuration is wrong)."""
    options = _parser().parse_args(arguments)
    function: Callable[[argparse.Namespace], int] = options.function
    return function(options)


def _serve(options: argparse.Namespace) -> int:
    # Imported late, and green first: it patches the standard library, which only the server wants.
    from controller import green  # noqa: F401
    from controller.serve import serve

    return serve(options)


def _api(options: argparse.Namespace) -> int:
    from controller.api import api

    return api(options)


def _database(options: argparse.Namespace) -> int:
    from controller.database import change

    return change(options)


def _import(options: argparse.Namespace) -> int:
    from controller.takeover.command import take_over

    return take_over(options)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="patchbay",
        description="Patchbay: a native OpenFlow controller for Open vSwitch with a Neutron-compatible API.",
    )
    parser.add_argument("--version", action="version", version=f"patchbay {_version()}")
    commands = parser.add_subparsers(metavar="COMMAND", required=True)

    serve = commands.add_parser("serve", help="run the controller")
    serve.add_argument("--config", metavar="FILE", help="INI file (see etc/patchbay.ini.sample)")
    serve.add_argument("--database", metavar="URL", help="SQLAlchemy URL, e.g. sqlite:////var/lib/patchbay/patchbay.db")
    serve.add_argument("--rest", metavar="HOST:PORT", help="where REST listens (default 127.0.0.1:9696)")
    serve.add_argument("--openflow", metavar="HOST:PORT", help="where bridges connect (default 127.0.0.1:6653)")
    serve.add_argument("--ovsdb", metavar="HOST:PORT", help="where hosts' OVSDB connects (default 127.0.0.1:6640)")
    serve.add_argument("--log-level", metavar="LEVEL", help="DEBUG, INFO, WARNING or ERROR")
    serve.add_argument("--record", metavar="FILE", help="write every event to a file that `patchbay replay` reads")
    serve.add_argument("--auth", metavar="STRATEGY", help="who asks: none, builtin or keystone (default none)")
    serve.add_argument(
        "--identity", metavar="HOST:PORT", help="where builtin identity listens (default 127.0.0.1:5000)"
    )
    serve.set_defaults(function=_serve)

    _add_api(commands)
    _add_database(commands)
    _add_import(commands)

    _look(commands, "hosts", look.hosts, "the hosts that joined, and their bridges")
    forget = _look(commands, "forget", look.forget, "forget a host that will not come back")
    forget.add_argument("host", metavar="HOST")
    _look(commands, "ports", look.ports, "the ports: where they are plugged, and their status")
    check = _look(commands, "check", look.check, "whether a port's path, or that between two ports, is ready")
    check.add_argument("port", metavar="PORT", help="its id, or its name")
    check.add_argument("other", metavar="PORT", nargs="?", help="another port of its network")
    trace = _look(commands, "trace", look.trace, "the way of a packet from one port to another, hop by hop")
    trace.add_argument("port", metavar="PORT", help="its id, or its name")
    trace.add_argument("other", metavar="PORT", help="where the packet goes")
    _look(commands, "faults", look.faults, "everything that is wrong, and why")
    _look(commands, "switches", look.switches, "the bridges that are programmed")
    flows = _look(commands, "flows", look.flows, "the flows of a switch, with table names")
    flows.add_argument("switch", metavar="SWITCH", help="host/bridge, a host, or a dpid")
    flows.add_argument("--openflow", action="store_true", help="in ovs-ofctl's own words, with table numbers")
    explain = _look(commands, "explain", look.explain, "why a flow is there: its app, function and rows")
    explain.add_argument("switch", metavar="SWITCH")
    explain.add_argument("flow", metavar="FLOW", help="its cookie, or a part of its text that only it has")
    wait = _look(commands, "wait", look.wait, "wait until all switches have acknowledged a revision")
    wait.add_argument("--revision", metavar="N", type=_revision, help="as a write's answer said (default: the newest)")
    wait.add_argument("--timeout", metavar="SECONDS", type=_seconds, default=60.0, help="how long (default 60)")
    wait.add_argument("--connected", action="store_true", help="leave switches that are away out of account")

    cli_accounts.add(commands)
    cli_quantum.add(commands)

    pipeline = commands.add_parser("pipeline", help="the reference of stages, tables and fields")
    pipeline.set_defaults(function=look.pipeline)
    replay = commands.add_parser("replay", help="step through a recorded run and show what came of it")
    replay.add_argument("file", metavar="FILE")
    replay.set_defaults(function=look.replay)
    return parser


def _add_api(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    command = commands.add_parser("api", help="answer REST in several processes, beside the controller")
    command.add_argument("--workers", metavar="N", type=_positive, default=os.cpu_count() or 1, help="how many (CPUs)")
    command.add_argument("--config", metavar="FILE", help="INI file, that of the controller")
    command.add_argument("--database", metavar="URL", help="SQLAlchemy URL, that of the controller")
    command.add_argument("--rest", metavar="HOST:PORT", help="where they listen (default 127.0.0.1:9697)")
    command.add_argument("--controller", metavar="HOST:PORT", help="the controller's REST (default 127.0.0.1:9696)")
    command.add_argument("--log-level", metavar="LEVEL", help="DEBUG, INFO, WARNING or ERROR")
    command.set_defaults(function=_api)


def _add_database(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    command = commands.add_parser("database", help="the schema of the database: upgrade, downgrade, revision")
    command.add_argument("verb", metavar="upgrade|downgrade|revision", choices=("upgrade", "downgrade", "revision"))
    command.add_argument("revision", metavar="REVISION", nargs="?", help="where downgrade goes back to")
    command.add_argument("--config", metavar="FILE", help="INI file")
    command.add_argument("--database", metavar="URL", help="SQLAlchemy URL")
    command.set_defaults(function=_database)


def _add_import(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    command = commands.add_parser("import", help="take over the database of a Neutron or a Quantum")
    command.add_argument("--from", dest="source", metavar="URL", help="SQLAlchemy URL of it (default: the own one)")
    command.add_argument("--apply", action="store_true", help="do it; without, only what would be done is shown")
    command.add_argument("--physical-network", metavar="NAME", default="", help="where VLANs of Quantum v1 are")
    command.add_argument("--config", metavar="FILE", help="INI file, ours or that of Quantum's Open vSwitch plugin")
    text = "INI file of Neutron's; may be given again.  Told is what it means here, and it counts without --config"
    command.add_argument("--neutron-config", metavar="FILE", action="append", default=[], help=text)
    command.add_argument("--database", metavar="URL", help="SQLAlchemy URL of Patchbay's own database")
    command.set_defaults(function=_import)


def _look(
    commands: argparse._SubParsersAction[argparse.ArgumentParser],
    name: str,
    function: Callable[[argparse.Namespace], int],
    help: str,
) -> argparse.ArgumentParser:
    """A command that asks a running controller."""
    command = commands.add_parser(name, help=help)
    command.add_argument("--url", default="http://127.0.0.1:9696", help="the controller's REST address")
    token = os.environ.get("OS_TOKEN")
    command.add_argument("--token", default=token, help="sent as X-Auth-Token (default: $OS_TOKEN)")
    command.add_argument("--json", action="store_true", help="print JSON instead of a table")
    command.set_defaults(function=function)
    return command


def _positive(text: str) -> int:
    if not (text.isascii() and text.isdecimal() and 1 <= int(text) <= 1000):
        raise argparse.ArgumentTypeError(f"{text!r} is not an integer from 1 to 1000")
    return int(text)


def _revision(text: str) -> int:
    if not (text.isascii() and text.isdecimal()):
        raise argparse.ArgumentTypeError(f"{text!r} is not an integer of 0 or more")
    return int(text)


def _seconds(text: str) -> float:
    try:
        seconds = float(text)
    except ValueError:
        seconds = math.nan
    if not 0 <= seconds < math.inf:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number of seconds of 0 or more")
    return seconds


def _version() -> str:
    try:
        return version("patchbay")
    except PackageNotFoundError:
        return "(not installed)"
