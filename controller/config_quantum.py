"""The INI file of Quantum's Open vSwitch plugin (ovs_quantum_plugin.ini, 2011 to 2013): what its options mean here."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

Sections = Mapping[str, Mapping[str, list[str]]]
"""Options by section, each with its values, the last of which counts."""

DATABASE, OVS = "DATABASE", "OVS"
NAMES = (DATABASE, OVS, "AGENT", "SECURITYGROUP")
"""The sections of the file: Patchbay's own are in lower case."""
UNNAMED = "physnet1"
"""What the one physical network is called here that the plugin did not name before Folsom."""

SAME = ("integration_bridge", "network_vlan_ranges", "tunnel_id_ranges", "bridge_mappings")
"""Options of [OVS] that mean what ours of that name do."""

NO_AGENT = "there is no agent: hosts connect to the controller themselves"
NO_TUNNEL_BRIDGE = "tunnels are ports of the integration bridge"
OVER = {
    "tunnel_bridge": NO_TUNNEL_BRIDGE,
    "int_peer_patch_port": NO_TUNNEL_BRIDGE,
    "tun_peer_patch_port": NO_TUNNEL_BRIDGE,
    "local_ip": "each host says its own: ovs-vsctl set Open_vSwitch . external_ids:local_ip=ADDRESS",
    "remote_ip_file": "the controller knows where the hosts are",
    "reconnect_interval": "a lost database is tried again with every request",
    "sql_max_retries": "a lost database is tried again with every request",
    "root_helper": NO_AGENT,
    "polling_interval": "changes are told, and not polled for",
    "firewall_driver": "security groups are flows of the integration bridge",
}
"""Options that have no meaning any more, and why."""
NOTHING_ALIKE = "Patchbay has nothing like it"
SECRET = (("database", "connection"), ("nova", "password"))
"""Options of ours whose values are not told: there are passwords in them."""


@dataclass
class Read:
    """What a file of somebody else's means here.

    `values` is ours: {section: {option: text}}; `origin` says from which option of which file each came; `lines` is for
    people: an option each."""

    values: dict[str, dict[str, str]] = field(default_factory=dict)
    origin: dict[tuple[str, str], str] = field(default_factory=dict)
    lines: list[str] = field(default_factory=list)

    def take(self, section: str, option: str, value: str, origin: str) -> None:
        self.values.setdefault(section, {})[option] = value
        self.origin[section, option] = origin
        named = f"{section}] {option}"
        self.lines.append(f"{origin}: taken as [{named}{'' if (section, option) in SECRET else f' = {value}'}")

    def leave(self, origin: str, why: str) -> None:
        self.say(origin, f"no longer applies: {why}")

    def say(self, origin: str, text: str) -> None:
        self.lines.append(f"{origin}: {text}")


def is_quantums(sections: Sections) -> bool:
    """Whether a file is the plugin's, by its sections."""
    return any(name in sections for name in (DATABASE, OVS))


def read(path: str, sections: Sections) -> Read:
    """What the file's options mean here.  Values are not looked at, but for those that decide about others."""
    found = Read()
    given = {(section, name): value for section, name, value in _options(sections)}
    for (section, name), value in given.items():
        origin = f"{path}: [{section}] {name}"
        if section == DATABASE and name == "sql_connection" and value:
            found.take("database", "connection", value, origin)
        elif section == OVS and name in SAME and value:
            found.take("ovs", name, value, origin)
        elif section == OVS and name == "tenant_network_type" and value:
            found.take("ovs", name, "" if value == "none" else value, origin)
        elif section == OVS and name == "enable_tunneling":
            _tunneling(found, given, origin, value)
        else:
            found.leave(origin, OVER.get(name, NOTHING_ALIKE) if value else "it is empty")
    if not _names_types(given) and not _tunnels(given):
        _one_trunk(found, given, path)
    return found


def _options(sections: Sections) -> Iterator[tuple[str, str, str]]:
    """Section, name and value of each option; the first releases wrote some with hyphens."""
    for section, options in sections.items():
        for name, values in options.items():
            yield section, name.replace("-", "_"), values[-1].strip()


Given = Mapping[tuple[str, str], str]


def _names_types(given: Given) -> bool:
    """From Folsom on a file says which types of network there are; before, all networks were of one."""
    return any(given.get((OVS, name)) for name in ("tenant_network_type", "network_vlan_ranges", "bridge_mappings"))


def _tunnels(given: Given) -> bool:
    return given.get((OVS, "enable_tunneling"), "").lower() in ("true", "1", "yes", "on")


def _tunneling(found: Read, given: Given, origin: str, value: str) -> None:
    if _tunnels(given) and not _names_types(given):
        found.take("ovs", "tenant_network_type", "gre", origin)
    elif _tunnels(given):
        found.leave(origin, "a host tunnels when it has told its local_ip")
    else:
        found.leave(origin, "networks have the type that tenant_network_type says")


def _one_trunk(found: Read, given: Given, path: str) -> None:
    """Without types and tunnels, networks were VLANs of the NIC, or the patch, on the integration bridge."""
    bridge = given.get((OVS, "integration_bridge")) or "br-int"
    origin = f"{path}: [OVS] (before Folsom: networks are VLANs of the trunk port on the integration bridge)"
    found.take("ovs", "tenant_network_type", "vlan", origin)
    found.take("ovs", "network_vlan_ranges", f"{UNNAMED}:1:4094", origin)
    found.take("ovs", "bridge_mappings", f"{UNNAMED}:{bridge}", origin)
