"""`patchbay quantum`: the commands of Quantum's first client, over API v1.1, with what it printed.

The names of the first release (`detail_net`) print as that did, and so do the ones that stayed (`create_net`); the
names that came with the second (`show_net`) print as that did.
"""

from __future__ import annotations

import argparse
import json
import logging
import os
import sys
import urllib.error
import urllib.request
from collections.abc import Iterable
from typing import Any
from urllib.parse import quote, urlencode

from controller import credentials

LOG = logging.getLogger("patchbay.quantum")
TIMEOUT = 30
"""Seconds to wait for an answer."""
NONE = "<none>"
"""What is printed of a port without an attachment."""


class Failed(Exception):
    """What was asked for was not done; the text is for the person who asked."""


class Client:
    """API v1.1 for one tenant.  Every method raises Failed."""

    def __init__(self, options: argparse.Namespace) -> None:
        self._base = f"http{'s' if options.ssl else ''}://{_in_url(options.host)}:{options.port}"
        self._tenant = options.tenant
        self._token = options.token

    def ask(self, method: str, *path: str, body: Any = None, query: Iterable[tuple[str, str]] = ()) -> Any:
        """The JSON object of the answer, or None."""
        parts = "/".join(quote(part, safe="") for part in ("v1.1", "tenants", self._tenant, "networks", *path))
        filters = urlencode(list(query))
        url = f"{self._base}/{parts}" + (f"?{filters}" if filters else "")
        data = None if body is None else json.dumps(body).encode()
        try:
            headers = {"X-Auth-Token": self._token} if self._token else credentials.headers()
            request = urllib.request.Request(url, data, {"Content-Type": "application/json", **headers}, method=method)
            with urllib.request.urlopen(request, timeout=TIMEOUT) as answer:
                text = answer.read()
                LOG.debug("%s %s %s: %d %s", method, url, body, answer.status, text.decode())
                return json.loads(text) if text else None
        except credentials.NoToken as error:
            raise Failed(str(error)) from None
        except urllib.error.HTTPError as error:
            raise Failed(_refused(error)) from None
        except (urllib.error.URLError, OSError, ValueError) as error:
            raise Failed(f"no controller answers at {self._base}: {getattr(error, 'reason', error)}") from None


def _in_url(host: str) -> str:
    return f"[{host}]" if ":" in host else host


def _refused(error: urllib.error.HTTPError) -> str:
    """The two lines that the second release's client prints."""
    text = error.read().decode(errors="replace")
    LOG.debug("%d %s", error.code, text)
    try:
        ((_, told),) = json.loads(text).items()
        text = told["message"]
    except (ValueError, KeyError, TypeError, AttributeError):
        text = str(error.reason)
    return f"Command failed with error code: {error.code}\nError message:{text}"


def run(options: argparse.Namespace) -> int:
    """Carry a command out: 0 done, 1 refused or not answered, 2 the log can't be written."""
    try:
        _log(options)
    except OSError as error:
        print(f"patchbay: {options.logfile}: {error.strerror}", file=sys.stderr)
        return 2
    options.token = options.token or os.environ.get("OS_TOKEN")
    try:
        print(VERBS[options.verb](Client(options), options))
    except Failed as error:
        print(error, file=sys.stderr)
        return 1
    return 0


def _log(options: argparse.Namespace) -> None:
    """With -v every question and answer is told, on standard error or in the log file."""
    if options.verbose or options.logfile:
        handler = logging.FileHandler(options.logfile) if options.logfile else logging.StreamHandler()
        logging.basicConfig(level=logging.DEBUG if options.verbose else logging.WARNING, handlers=[handler])


# -- networks ---------------------------------------------------------------------------------------------------------


def _list_nets(client: Client, options: argparse.Namespace) -> str:
    found = client.ask("GET", query=options.filters)["networks"]
    return "\n".join([f"Virtual Networks on Tenant:{options.tenant}\n", *(f"\tNetwork ID:{n['id']}\n" for n in found)])


def _list_nets_detail(client: Client, options: argparse.Namespace) -> str:
    found = client.ask("GET", "detail", query=options.filters)["networks"]
    head = f"Virtual Networks for Tenant {options.tenant}"
    return "\n".join([head, *(f"\tNetwork {network['name']} with ID: {network['id']}" for network in found)])


def _create_net(client: Client, options: argparse.Namespace) -> str:
    made = client.ask("POST", body={"network": {"name": options.name}})
    return f"Created a new Virtual Network with ID:{made['network']['id']}"


def _delete_net(client: Client, options: argparse.Namespace) -> str:
    client.ask("DELETE", options.network)
    return f"Deleted Virtual Network with ID:{options.network}"


def _detail_net(client: Client, options: argparse.Namespace) -> str:
    network = client.ask("GET", options.network, "detail")["network"]
    heads = [
        f"Network {network['name']} ({network['id']})",
        f"Remote Interfaces on Virtual Network:{network['id']}\n",
    ]
    plugged = (port["attachment"]["id"] for port in network["ports"] if "attachment" in port)
    return "\n".join([*heads, *(f"\tRemote interface:{vif}" for vif in plugged)])


def _rename_net(client: Client, options: argparse.Namespace) -> str:
    client.ask("PUT", options.network, body={"network": {"name": options.name}})
    return f"Renamed Virtual Network with ID:{options.network}"


def _show_net(client: Client, options: argparse.Namespace) -> str:
    network = client.ask("GET", options.network)["network"]
    lines = [f"Network ID: {network['id']}", f"network Name: {network['name']}"]
    return "\n".join([*lines, f"operational Status: {network['op-status']}"])


def _show_net_detail(client: Client, options: argparse.Namespace) -> str:
    network = client.ask("GET", options.network, "detail")["network"]
    lines = [f"Network ID: {network['id']}", f"Network Name: {network['name']}"]
    nothing = {"id": NONE, "state": NONE}
    ports = (
        f"\tID: {port['id']}\n\t\tadministrative state: {port['state']}\n\t\tinterface: {_vif(port)}"
        for port in network["ports"] or [nothing]
    )
    return "\n".join([*lines, f"operational Status: {network['op-status']}", "Ports: " + "\n".join(ports)])


def _update_net(client: Client, options: argparse.Namespace) -> str:
    client.ask("PUT", options.network, body={"network": options.values})
    return f"Updated Virtual Network with ID: {options.network}\nfor Tenant: {options.tenant}\n"


# -- ports ------------------------------------------------------------------------------------------------------------


def _list_ports(client: Client, options: argparse.Namespace) -> str:
    found = client.ask("GET", options.network, "ports", query=options.filters)["ports"]
    head = f"Ports on Virtual Network:{options.network}\n"
    return "\n".join([head, *(f"\tVirtual Port:{port['id']}" for port in found)])


def _list_ports_detail(client: Client, options: argparse.Namespace) -> str:
    found = client.ask("GET", options.network, "ports", "detail", query=options.filters)["ports"]
    heads = [f"Ports on Virtual Network: {options.network}", f"for Tenant: {options.tenant}"]
    lines = (f"\tLogical Port: {port['id']}\n\t\tadministrative State: {port['state']}" for port in found)
    return "\n".join([*heads, *lines])


def _create_port(client: Client, options: argparse.Namespace) -> str:
    """It is ACTIVE: the first client had no way to make it so, and packets flowed."""
    made = client.ask("POST", options.network, "ports", body={"port": {"state": "ACTIVE"}})
    return f"Created Virtual Port:{made['port']['id']} on Virtual Network:{options.network}"


def _delete_port(client: Client, options: argparse.Namespace) -> str:
    client.ask("DELETE", options.network, "ports", options.port_id)
    return f"Deleted Virtual Port:{options.port_id} on Virtual Network:{options.network}"


def _detail_port(client: Client, options: argparse.Namespace) -> str:
    port = client.ask("GET", options.network, "ports", options.port_id, "detail")["port"]
    head = f"Virtual Port:{options.port_id} on Virtual Network:{options.network}"
    return f"{head} contains remote interface:{_vif(port)}"


def _show_port(client: Client, options: argparse.Namespace, *details: str) -> str:
    port = client.ask("GET", options.network, "ports", options.port_id, *details)["port"]
    lines = [f"Logical Port ID: {port['id']}", f"administrative State: {port['state']}"]
    lines += [f"operational status: {port['op-status']}", *([f"interface: {_vif(port)}"] if details else [])]
    return "\n".join([*lines, _where(options)])


def _show_port_detail(client: Client, options: argparse.Namespace) -> str:
    return _show_port(client, options, "detail")


def _update_port(client: Client, options: argparse.Namespace) -> str:
    client.ask("PUT", options.network, "ports", options.port_id, body={"port": options.values})
    where = f"on Virtual Network: {options.network}\nfor tenant: {options.tenant}"
    return f"Updated Logical Port with ID: {options.port_id}\n{where}"


def _plug_iface(client: Client, options: argparse.Namespace) -> str:
    path = (options.network, "ports", options.port_id, "attachment")
    client.ask("PUT", *path, body={"attachment": {"id": options.vif}})
    return f'Plugged interface "{options.vif}" to port:{options.port_id} on network:{options.network}'


def _unplug_iface(client: Client, options: argparse.Namespace) -> str:
    client.ask("DELETE", options.network, "ports", options.port_id, "attachment")
    return f"Unplugged interface from port:{options.port_id} on network:{options.network}"


def _show_iface(client: Client, options: argparse.Namespace) -> str:
    found = client.ask("GET", options.network, "ports", options.port_id, "attachment")["attachment"]
    return f"interface: {found.get('id', NONE)}\nplugged in Logical Port ID: {options.port_id}\n{_where(options)}"


def _vif(port: dict[str, Any]) -> str:
    return str(port.get("attachment", {}).get("id", NONE))


def _where(options: argparse.Namespace) -> str:
    return f"on Virtual Network: {options.network}\nfor Tenant: {options.tenant}"


VERBS = {
    "list_nets": _list_nets,
    "list_nets_detail": _list_nets_detail,
    "create_net": _create_net,
    "delete_net": _delete_net,
    "detail_net": _detail_net,
    "rename_net": _rename_net,
    "show_net": _show_net,
    "show_net_detail": _show_net_detail,
    "update_net": _update_net,
    "list_ports": _list_ports,
    "list_ports_detail": _list_ports_detail,
    "create_port": _create_port,
    "delete_port": _delete_port,
    "detail_port": _detail_port,
    "show_port": _show_port,
    "show_port_detail": _show_port_detail,
    "update_port": _update_port,
    "plug_iface": _plug_iface,
    "unplug_iface": _unplug_iface,
    "show_iface": _show_iface,
}
