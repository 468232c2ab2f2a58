"""The commands of `patchbay quantum`: their arguments, in the order of Quantum's own client."""

from __future__ import annotations

import argparse
from functools import partial
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    Commands = argparse._SubParsersAction[argparse.ArgumentParser]

NETWORK = ("network", "NET_ID")
PORT = (NETWORK, ("port_id", "PORT_ID"))
ARGUMENTS: dict[str, tuple[tuple[tuple[str, str], ...], str]] = {
    "list_nets": ((), "list a tenant's networks"),
    "list_nets_detail": ((), "list them with their names"),
    "create_net": ((("name", "NAME"),), "make a network"),
    "delete_net": ((NETWORK,), "remove a network, and its ports that nothing is plugged into"),
    "detail_net": ((NETWORK,), "the interfaces that are plugged into a network"),
    "rename_net": ((NETWORK, ("name", "NAME")), "give a network another name"),
    "show_net": ((NETWORK,), "show a network"),
    "show_net_detail": ((NETWORK,), "show a network with its ports"),
    "update_net": ((NETWORK, ("values", "KEY=VALUE,...")), "change a network: name=NAME"),
    "list_ports": ((NETWORK,), "list a network's ports"),
    "list_ports_detail": ((NETWORK,), "list them with their states"),
    "create_port": ((NETWORK,), "make a port, which is ACTIVE"),
    "delete_port": (PORT, "remove a port that nothing is plugged into"),
    "detail_port": (PORT, "the interface that is plugged into a port"),
    "show_port": (PORT, "show a port"),
    "show_port_detail": (PORT, "show a port with its interface"),
    "update_port": ((*PORT, ("values", "KEY=VALUE,...")), "change a port: state=ACTIVE or state=DOWN"),
    "plug_iface": ((*PORT, ("vif", "IFACE_ID")), "plug in the interface with this external_ids:iface-id"),
    "unplug_iface": (PORT, "unplug a port's interface"),
    "show_iface": (PORT, "show a port's interface"),
}
"""What each command takes behind the tenant's id, and what it does."""


def add(commands: Commands) -> None:
    """Add them to the command line."""
    text = "networks, ports and interfaces with the commands of Quantum's client"
    command = commands.add_parser("quantum", help=text)
    _add_options(command, {"host": "127.0.0.1", "port": 9696, "ssl": False, "verbose": False})
    command.set_defaults(function=partial(_help, command))
    verbs = command.add_subparsers(metavar="VERB", dest="verb")
    for name, (arguments, help) in ARGUMENTS.items():
        verb = verbs.add_parser(name, help=help)
        _add_options(verb)
        verb.add_argument("tenant", metavar="TENANT_ID")
        for field, metavar in arguments:
            verb.add_argument(field, metavar=metavar, type=_pairs if field == "values" else str)
        if name.startswith("list_"):
            verb.add_argument("filters", metavar="FILTER=VALUE", nargs="*", type=_pair, help="only those: name=blue")
        verb.set_defaults(function=_run)


def _help(command: argparse.ArgumentParser, options: argparse.Namespace) -> int:
    """Without a command they are all shown, as Quantum's client did."""
    command.print_help()
    return 1


def _add_options(parser: argparse.ArgumentParser, defaults: dict[str, Any] | None = None) -> None:
    """The client's options, which may stand before a command and behind it."""

    def otherwise(name: str) -> Any:
        return argparse.SUPPRESS if defaults is None else defaults.get(name)

    parser.add_argument("-H", "--host", default=otherwise("host"), help="where the API is (default 127.0.0.1)")
    parser.add_argument("-p", "--port", type=int, default=otherwise("port"), help="its port (default 9696)")
    parser.add_argument("-s", "--ssl", action="store_true", default=otherwise("ssl"), help="speak TLS")
    text = "tell every question and its answer, on standard error"
    parser.add_argument("-v", "--verbose", action="store_true", default=otherwise("verbose"), help=text)
    text = "where it is told instead"
    parser.add_argument("-f", "--logfile", metavar="FILE", default=otherwise("logfile"), help=text)
    text = "sent as X-Auth-Token (default: $OS_TOKEN)"
    parser.add_argument("-t", "--token", default=otherwise("token"), help=text)


def _pair(text: str) -> tuple[str, str]:
    name, equals, value = text.partition("=")
    if not equals or not name:
        raise argparse.ArgumentTypeError(f"{text!r} is not NAME=VALUE")
    return name, value


def _pairs(text: str) -> dict[str, str]:
    return dict(_pair(part) for part in text.split(","))


def _run(options: argparse.Namespace) -> int:
    from controller import quantum

    return quantum.run(options)
