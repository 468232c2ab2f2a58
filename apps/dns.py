"""DNS integration: the names of ports, and the domain of a network or a port.

Every address of a port has a name in `[DEFAULT] dns_domain`: the port's `dns_name`, else one made from the address.
`dns_domain` of a network and of a port are kept for whoever publishes names elsewhere.
"""

from __future__ import annotations

import re
from functools import partial
from typing import Any

from controller.core.app import App
from controller.core.model import Network, Port
from controller.core.plans.parse import Invalid, printable
from controller.core.plans.refusals import bad_request, invalid_input
from controller.core.resource import Computed
from controller.core.resources import read_only
from controller.core.row import Check, attr
from controller.core.settings import Settings

app = App("dns")
app.extension("dns-integration", "DNS Integration", "Ports and networks have DNS names.", "2015-08-15T18:00:00-00:00")
app.extension(
    "dns-domain-ports", "dns_domain for ports", "A port has a DNS domain of its own.", "2017-04-24T10:00:00-00:00"
)

LONGEST = 255
"""Characters of a domain name (RFC 1035, 2.3.4)."""
LONGEST_LABEL = 63

KEYWORDS = ("<project_id>", "<project_name>", "<user_name>", "<user_id>")
"""Labels that stand for who owns a port (Neutron's)."""
_LABEL = re.compile(rf"[a-z0-9-]{{1,{LONGEST_LABEL}}}|" + "|".join(KEYWORDS))


def _checked(domain: bool, value: Any) -> str:
    """A name in lower case, '' for none.  A domain ends with a dot and leaves room for a name before it."""
    if not isinstance(value, str):
        raise invalid_input(f"Input value {printable(value)} must be string type")
    name = value.lower()
    if domain and name and not name.endswith("."):
        raise Invalid(f"'{printable(name)}' is not a FQDN")
    reason = _fault(name.removesuffix(".")) if name else ""
    if reason:
        raise Invalid(f"'{printable(name)}' not a valid PQDN or FQDN. Reason: {reason}")
    if domain and len(name) > LONGEST - 2:
        raise Invalid(
            f"'{name}' contains {len(name)} characters. Adding a sub-domain will cause it to exceed the maximum length "
            f"of a FQDN of '{LONGEST}'"
        )
    return name


def _fault(name: str) -> str:
    """Which rule of RFC 952 and RFC 1123, 2.1 a name breaks ('': none)."""
    if len(name) > LONGEST:
        return f"'{name}' exceeds the {LONGEST} character FQDN limit"
    labels = name.split(".")
    for label in labels:
        if not label:
            return "Encountered an empty component"
        if label.startswith("-") or label.endswith("-"):
            return f"Name '{printable(label)}' must not start or end with a hyphen"
        if not _LABEL.fullmatch(label):
            return (
                f"Name '{printable(label)}' must be 1-63 characters long, each of which can only be alphanumeric or a "
                "hyphen"
            )
    if len(labels) > 1 and re.fullmatch("[0-9]+", labels[-1]):
        return f"TLD '{labels[-1]}' must not be all numeric"
    return ""


_SCHEMA = {"type": "string", "maxLength": LONGEST}
NAME, DOMAIN = Check(partial(_checked, False), _SCHEMA), Check(partial(_checked, True), _SCHEMA)


@app.row(key="network_id", extends=Network)
class NetworkDns:
    """The DNS domain of a network's ports."""

    network_id: str
    dns_domain: str = attr(default="", initial="", check=DOMAIN, filter=False, quiet=True)


@app.row(key="port_id", extends=Port)
class PortDns:
    """What a port is called."""

    port_id: str
    dns_name: str = attr(default="", initial="", check=NAME, filter=False, quiet=True)
    dns_domain: str = attr(default="", initial="", check=DOMAIN, filter=False, quiet=True)

    @staticmethod
    def hostname(net: Any, port_id: str, address: str, domain: str) -> str:
        """What a port is called at one of its addresses, without the operator's domain."""
        side = net.get(PortDns, port_id)
        return _named(address, side.dns_name if side else "", domain)["hostname"]


@app.prepare(Port)
def fits_the_domain(draft: Any, old: Any, values: dict[str, Any]) -> None:
    """A name is below the operator's domain, or completed by it to one that is not too long."""
    name, domain = values.get("dns_name") or "", draft.settings.dns_domain
    reason = _misfit(name, domain) if name and domain else ""
    if reason:
        raise bad_request(f"Invalid input for dns_name. Reason: {reason}.")


def _misfit(name: str, domain: str) -> str:
    higher = f".{domain}"
    if not name.endswith("."):
        if len(name) + len(higher) <= LONGEST:
            return ""
        return (
            f"The dns_name passed is a PQDN and its size is '{len(name)}'. The dns_domain option in neutron.conf is "
            f"set to {domain}, with a length of '{len(higher)}'. When the two are concatenated to form a FQDN (with a "
            f"'.' at the end), the resulting length exceeds the maximum size of '{LONGEST}'"
        )
    if len(name) > len(higher) and name.endswith(higher):
        return ""
    return (
        "The dns_name passed is a FQDN. Its higher level labels must be equal to the dns_domain option in "
        f"neutron.conf, that has been set to '{domain}'. It must also include one or more valid DNS labels to the "
        f"left of '{domain}'"
    )


def _assignment(settings: Settings) -> tuple[Computed, ...]:
    def read(net: Any, port: Port) -> list[dict[str, str]]:
        """The name of each address."""
        side = net.get(PortDns, port.id)
        name = side.dns_name if side else ""
        return [_named(ip.ip_address, name, settings.dns_domain) for ip in port.fixed_ips]

    return (Computed("", read_only("dns_assignment", filter=False), read),)


app.extend(Port, _assignment)


def _named(address: str, name: str, domain: str) -> dict[str, str]:
    if name.endswith("."):
        return {"ip_address": address, "hostname": name.removesuffix(domain).rstrip("."), "fqdn": name}
    hostname = name or "host-" + re.sub("[.:]", "-", address)
    return {"ip_address": address, "hostname": hostname, "fqdn": f"{hostname}.{domain}" if domain else hostname}
