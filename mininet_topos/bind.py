"""Make a scenario's networks and ports over REST:  python3 -m mininet_topos.bind one_host [URL]

Each Mininet host becomes a port with the host's MAC and address, bound to its hypervisor (`binding:host_id`) and to
the name of the switch's interface (`binding:profile` {"interface": ...}).  What exists already by name is left alone,
so it can be run again.  The URL is http://127.0.0.1:9696 unless given.
"""

from __future__ import annotations

import json
import sys
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Mapping
from typing import Any

from mininet_topos.graph import Graph, Network, Vm
from mininet_topos.scenarios import from_arguments

_OPENER = urllib.request.build_opener(urllib.request.ProxyHandler({}))  # the controller is never behind a proxy


class Rest:
    """As much of the Neutron API as it takes to make things once."""

    def __init__(self, url: str) -> None:
        self._url = url.rstrip("/") + "/v2.0/"

    def ensure(self, kind: str, attributes: Mapping[str, Any]) -> dict[str, Any]:
        """The member of a kind (`network`) with that name, made with the attributes if there is none."""
        query = urllib.parse.urlencode({"name": attributes["name"]})
        found = self._call("GET", f"{kind}s?{query}")[f"{kind}s"]
        made: dict[str, Any] = found[0] if found else self._call("POST", f"{kind}s", {kind: attributes})[kind]
        return made

    def _call(self, method: str, path: str, body: Any = None) -> Any:
        data = None if body is None else json.dumps(body).encode()
        headers = {"Content-Type": "application/json"}
        request = urllib.request.Request(self._url + path, data=data, method=method, headers=headers)
        with _OPENER.open(request, timeout=30) as answer:
            return json.load(answer)


def bind(graph: Graph, url: str) -> dict[str, str]:
    """Make the scenario's networks, subnets and ports.  Returns {VM name: port id}."""
    rest = Rest(url)
    networks = {network.name: _network(rest, network) for network in graph.networks}
    return {vm.name: _port(rest, graph, vm, networks[vm.network]) for vm in graph.vms}


def _network(rest: Rest, network: Network) -> tuple[str, str]:
    provider = {
        "provider:network_type": network.network_type,
        "provider:physical_network": network.physical_network,
        "provider:segmentation_id": network.segmentation_id,
    }
    given = {name: value for name, value in provider.items() if value is not None}
    made = rest.ensure("network", {"name": network.name, **given})
    attributes = {"name": network.name, "network_id": made["id"], "cidr": network.cidr, "ip_version": 4}
    subnet = rest.ensure("subnet", {**attributes, "gateway_ip": None})
    return made["id"], subnet["id"]


def _port(rest: Rest, graph: Graph, vm: Vm, network: tuple[str, str]) -> str:
    network_id, subnet_id = network
    attributes = {
        "name": vm.name,
        "network_id": network_id,
        "mac_address": vm.mac,
        "fixed_ips": [{"subnet_id": subnet_id, "ip_address": vm.ip}],
        "binding:host_id": graph.host_of(vm).name,
        "binding:profile": {"interface": vm.interface},
    }
    return str(rest.ensure("port", attributes)["id"])


def main(arguments: list[str]) -> None:
    graph = from_arguments(arguments[:1])
    url = arguments[1] if len(arguments) > 1 else "http://127.0.0.1:9696"
    try:
        ports = bind(graph, url)
    except urllib.error.HTTPError as error:
        raise SystemExit(f"{error.url}: {error.code} {error.read().decode(errors='replace')}") from None
    except urllib.error.URLError as error:
        raise SystemExit(f"{url}: {error.reason}") from None
    for vm in graph.vms:
        print(
            f"{vm.name}  {vm.ip:<12} {vm.network:<6} {graph.host_of(vm).name}  {vm.interface:<8} port {ports[vm.name]}"
        )


if __name__ == "__main__":
    main(sys.argv[1:])
