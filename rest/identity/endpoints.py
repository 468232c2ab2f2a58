"""The catalogue: where the network and the identity service are found, as the client itself would reach them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from webob import Request

INTERFACES = ("public", "internal", "admin")


@dataclass(frozen=True, slots=True)
class Endpoints:
    """`network` and `identity` are URLs for all clients, without a version; None: made from the name by which the
    client reached us, and the port of REST (`network_port`).  `network_scheme` is that of REST."""

    region: str = "RegionOne"
    network: str | None = None
    identity: str | None = None
    network_port: int = 9696
    network_scheme: str = "http"

    def network_url(self, request: Request) -> str:
        """Without a version: clients append it (tempest `/v2.0`, gophercloud `v2.0/`)."""
        if self.network is not None:
            return self.network.rstrip("/")
        if request.script_name:  # under REST's own port
            return str(request.host_url)
        return f"{self.network_scheme}://{_without_port(request.host)}:{self.network_port}"

    def identity_url(self, request: Request) -> str:
        return (self.identity or request.application_url).rstrip("/")

    def services(self, request: Request) -> list[tuple[str, str, str]]:
        """(type, name, URL) of each service."""
        return [
            ("network", "neutron", self.network_url(request)),
            ("identity", "keystone", f"{self.identity_url(request)}/v3"),
        ]

    def catalog(self, request: Request) -> list[dict[str, Any]]:
        """As in a v3 token."""
        return [
            {"id": kind, "type": kind, "name": name, "endpoints": [self._endpoint(kind, i, url) for i in INTERFACES]}
            for kind, name, url in self.services(request)
        ]

    def _endpoint(self, kind: str, interface: str, url: str) -> dict[str, Any]:
        place = {"region": self.region, "region_id": self.region}
        return {"id": f"{kind}-{interface}", "interface": interface, "url": url, **place}

    def catalog_v2(self, request: Request) -> list[dict[str, Any]]:
        """As in a v2.0 token."""
        found = []
        for kind, name, url in self.services(request):
            url = url.removesuffix("/v3") + "/v2.0" if kind == "identity" else url
            urls = {f"{interface}URL": url for interface in INTERFACES}
            endpoint = {"id": kind, "region": self.region, **urls}
            found.append({"type": kind, "name": name, "endpoints": [endpoint], "endpoints_links": []})
        return found


def _without_port(host: str) -> str:
    """The name or address in a Host header; an IPv6 address keeps its brackets."""
    if host.startswith("["):
        return host.partition("]")[0] + "]"
    return host.partition(":")[0]
