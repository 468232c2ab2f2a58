"""oVirt's engine as a client: the requests of its network provider, in its order and with its bodies.

What it asks is read in its BaseNetworkProviderProxy and in the SDK that it uses: null attributes are left out of bodies
(but for `gateway_ip`, and for `security_groups` of an update), lists are never filtered, and pages never asked for.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

OWNER = "oVirt"
DEFAULT: Sequence[str] | None = None
"""A profile that names no security groups; () is one that names none of them."""


class ProviderFailure(Exception):
    """What the engine shows of any answer that is no success."""

    def __init__(self, status: int, body: Any) -> None:
        super().__init__(f"{status}: {body}")
        self.status = status


class Nic(NamedTuple):
    """A vNIC as the engine knows it."""

    id: str
    name: str
    mac: str


class Engine:
    """`ask(method, path, body, token)` gives a status and the JSON; `sign_in()` gives a token (None: none is sent).

    `calls` are the requests so far, with the ids of objects in them.
    """

    def __init__(
        self, ask: Callable[..., tuple[int, Any]], sign_in: Callable[[], str] | None = None, url: str = ""
    ) -> None:
        self._ask, self._sign_in = ask, sign_in
        self._base = url + "/v2.0"
        self._token: str | None = None
        self.calls: list[str] = []

    def request(self, method: str, path: str, body: Any = None) -> Any:
        """One request; a 401 makes it get another token, once."""
        for last in (False, True):
            if self._sign_in is not None and self._token is None:
                self._token = self._sign_in()
            self.calls.append(f"{method} {path}")
            status, answer = self._ask(method, self._base + path, body, self._token)
            if status == 401 and not last and self._sign_in is not None:
                self._token = None
                continue
            break
        if not 200 <= status < 300:
            raise ProviderFailure(status, answer)
        return answer

    # -- the provider and its networks --------------------------------------------------------------------------------

    def test_connection(self) -> None:
        self.request("GET", "/")

    def networks(self) -> dict[str, dict[str, Any]]:
        """Discovery, and each round of synchronization: what the engine keeps of each network, by id."""
        return {found["id"]: _kept(found) for found in self.request("GET", "/networks")["networks"]}

    def add_network(
        self, name: str, mtu: int | None = None, physnet: str | None = None, vlan: int | None = None, **more: Any
    ) -> str:
        """The new network's id.  `more`: port_security_enabled, where the administrator chose."""
        body: dict[str, Any] = {"admin_state_up": True, "name": name, **more}
        if mtu is not None:
            body["mtu"] = mtu
        if physnet is not None:
            body |= {"provider:physical_network": physnet, "provider:network_type": "flat" if vlan is None else "vlan"}
            body |= {} if vlan is None else {"provider:segmentation_id": vlan}
        if self._sign_in is None:
            body["tenant_id"] = OWNER
        return str(self.request("POST", "/networks", {"network": body})["network"]["id"])

    def network(self, network_id: str) -> dict[str, Any]:
        found: dict[str, Any] = self.request("GET", f"/networks/{network_id}")["network"]
        return found

    def remove_network(self, network_id: str) -> None:
        self.request("DELETE", f"/networks/{network_id}")

    def subnets(self, network_id: str) -> list[dict[str, Any]]:
        found = self.request("GET", "/subnets")["subnets"]
        kept = ("id", "cidr", "ip_version", "name", "gateway_ip", "dns_nameservers")
        return [{name: one[name] for name in kept} for one in found if one["network_id"] == network_id]

    def add_subnet(
        self, network_id: str, cidr: str, name: str, gateway: str | None = None, dns: Sequence[str] = ()
    ) -> None:
        network = self.network(network_id)
        body = {
            "cidr": cidr,
            "ip_version": 6 if ":" in cidr else 4,
            "name": name,
            "network_id": network["id"],
            "enable_dhcp": True,
            "gateway_ip": gateway,
            "dns_nameservers": list(dns),
            "tenant_id": network["tenant_id"],
        }
        self.request("POST", "/subnets", {"subnet": body})

    def remove_subnet(self, subnet_id: str) -> None:
        self.request("DELETE", f"/subnets/{subnet_id}")

    # -- vNICs --------------------------------------------------------------------------------------------------------

    def allocate(self, network_id: str, nic: Nic, groups: Sequence[str] | None, host: str) -> dict[str, Any]:
        """A VM starts, or a vNIC is plugged: its port, made or brought up to date."""
        port = self._locate(nic)
        if port is None:
            return self._new_port(self.network(network_id), nic, groups, host)
        body: dict[str, Any] = {}
        if _differ(port["security_groups"], groups):
            body["security_groups"] = None if groups is None else list(groups)
        if port["binding:host_id"] != host:
            body |= {"binding:host_id": host, "mac_address": nic.mac}
        if body:
            port = self.request("PUT", f"/ports/{port['id']}", {"port": body})["port"]
        return port

    def deallocate(self, nic: Nic) -> None:
        """The vNIC is no longer in the network."""
        port = self._locate(nic)
        if port is not None:
            self.request("DELETE", f"/ports/{port['id']}")

    def _locate(self, nic: Nic) -> dict[str, Any] | None:
        for port in self.request("GET", "/ports")["ports"]:
            if (port["device_owner"], port["device_id"]) == (OWNER, nic.id):
                return dict(port)
        return None

    def _new_port(self, network: dict[str, Any], nic: Nic, groups: Sequence[str] | None, host: str) -> dict[str, Any]:
        body = {
            "admin_state_up": True,
            "name": nic.name,
            "mac_address": nic.mac,
            "network_id": network["id"],
            "device_owner": OWNER,
            "device_id": nic.id,
            "binding:host_id": host,
            "tenant_id": network["tenant_id"],
        }
        if groups is not None:
            body["security_groups"] = list(groups)
        return dict(self.request("POST", "/ports", {"port": body})["port"])


def _kept(network: dict[str, Any]) -> dict[str, Any]:
    """What the engine keeps of a network."""
    type = network["provider:network_type"]
    return {
        "name": network["name"],
        "mtu": network["mtu"],
        "physical_network": network["provider:physical_network"],
        "vlan": network["provider:segmentation_id"] if type == "vlan" else None,
        "port_security_enabled": network["port_security_enabled"],
    }


def _differ(has: Sequence[str], wanted: Sequence[str] | None) -> bool:
    """Whether the engine asks for other groups."""
    return not has if wanted is None else sorted(has) != sorted(wanted)
