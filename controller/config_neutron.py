"""The INI files of Neutron with ML2 and Open vSwitch: what their options mean here.

They are neutron.conf, ml2_conf.ini and openvswitch_agent.ini, or whatever they are called; they are told apart by their
sections.  Nothing runs by them: `patchbay import` reads them, and prints the patchbay.ini that means the same.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping

from controller.config_access import KEYSTONE
from controller.config_nova import NOVA
from controller.config_quantum import NO_AGENT, NOTHING_ALIKE, OVER, SECRET, Read, Sections
from controller.core.model import TUNNEL_TYPES

Given = Mapping[tuple[str, str], tuple[str, str]]
"""(value, file) by section and option."""

MARKS = ("ml2", "ml2_type_flat", "ml2_type_vlan", "ml2_type_vxlan", "ml2_type_gre", "ml2_type_geneve")
"""Sections that only Neutron has."""
PLUGINS = ("ml2", "neutron.plugins.ml2.plugin.Ml2Plugin")
MECHANISM = "openvswitch"
STRATEGIES = {"keystone": "keystone", "noauth": "none"}
"""Our `auth_strategy` by theirs."""

QUOTAS = ("network", "subnet", "port", "security_group", "security_group_rule", "rbac_policy")
SAME: dict[tuple[str, str], tuple[str, str]] = {
    **{
        ("DEFAULT", name): ("DEFAULT", name)
        for name in ("global_physnet_mtu", "base_mac", "dns_domain", "dhcp_lease_duration")
    },
    ("ml2", "tenant_network_types"): ("ovs", "tenant_network_type"),
    ("ml2", "overlay_ip_version"): ("ovs", "overlay_ip_version"),
    ("ml2", "path_mtu"): ("ovs", "path_mtu"),
    ("ml2_type_flat", "flat_networks"): ("ovs", "flat_networks"),
    ("ml2_type_vlan", "network_vlan_ranges"): ("ovs", "network_vlan_ranges"),
    ("ovs", "integration_bridge"): ("ovs", "integration_bridge"),
    ("ovs", "bridge_mappings"): ("ovs", "bridge_mappings"),
    ("oslo_policy", "policy_file"): ("oslo_policy", "policy_file"),
    **{("quotas", name): ("quotas", name) for name in ("default_quota", *(f"quota_{what}" for what in QUOTAS))},
    **{("nova", name): ("nova", name) for name, *_ in NOVA},
    ("DEFAULT", "send_events_interval"): ("nova", "send_events_interval"),
    ("DEFAULT", "http_retries"): ("nova", "http_retries"),
}
"""Options that mean what ours mean."""
TUNNEL_IDS = {
    "vxlan": ("ml2_type_vxlan", "vni_ranges"),
    "gre": ("ml2_type_gre", "tunnel_id_ranges"),
    "geneve": ("ml2_type_geneve", "vni_ranges"),
}
"""Where the tunnel ids of a type are; here there is one set of ranges for all."""

BUILT_IN = "it is always there"
WITHOUT_RPC = "there is neither an agent nor a message queue"
WHY: dict[tuple[str, str], str] = {
    ("DEFAULT", "core_plugin"): BUILT_IN,
    ("DEFAULT", "service_plugins"): "what is there needs no plugin: openstack extension list --network",
    ("DEFAULT", "transport_url"): WITHOUT_RPC,
    ("ml2", "type_drivers"): "all types are there: flat, vlan, vxlan, gre, geneve, local",
    ("ml2", "mechanism_drivers"): "Open vSwitch is the only one",
    ("ml2", "extension_drivers"): "what is there needs no driver: openstack extension list --network",
    ("ml2", "physical_network_mtus"): "a network has the MTU that it is made with, global_physnet_mtu at most",
    ("ml2_type_vxlan", "vxlan_group"): "hosts send to each other by unicast",
    ("ml2_type_geneve", "max_header_size"): "no Geneve option is sent",
    ("securitygroup", "enable_security_group"): "ports are protected by port_security_enabled of each",
    ("securitygroup", "firewall_driver"): "security groups are flows of the integration bridge",
    ("ovs", "local_ip"): OVER["local_ip"],
    ("ovs", "tunnel_bridge"): OVER["tunnel_bridge"],
    ("ovs", "ovsdb_connection"): "hosts connect to the controller: ovs-vsctl set-manager",
    ("ovs", "datapath_type"): "it stays as each bridge has it",
    ("agent", "tunnel_types"): "a host tunnels when it has told its local_ip, by every type",
    ("agent", "l2_population"): "flows say where each address is",
    ("nova", "auth_type"): "Nova is told with a token of auth_url, by a password",
    ("agent", "arp_responder"): "ARP and neighbour discovery are answered for every address that is known",
}
"""Why an option isn't taken; of those that are not here their section says it, below."""
SECTIONS = {
    "ovs": NO_AGENT,
    "agent": NO_AGENT,
    "securitygroup": "security groups are flows of the integration bridge",
    "oslo_messaging_rabbit": WITHOUT_RPC,
    "oslo_messaging_notifications": WITHOUT_RPC,
    "oslo_concurrency": "nothing is locked in files",
    "privsep": "nothing runs as another user",
}
"""Why no option of a section is taken that is not named above."""


def is_neutrons(sections: Sections) -> bool:
    """Whether a file is one of Neutron's, by its sections and options."""
    agents = {"agent", "securitygroup"} & set(sections)
    return any(name in sections for name in MARKS) or bool(agents) or "core_plugin" in sections.get("DEFAULT", {})


def read(files: Mapping[str, Sections]) -> Read:
    """What the options of all files mean together; of one given twice the later file counts.  Raises ValueError where
    the files are not of ML2 with Open vSwitch."""
    given = {(section, name): (value, path) for path, section, name, value in _options(files)}
    _require_ml2(given)
    found = Read()
    for (section, name), (value, path) in given.items():
        origin, ours = f"{path}: [{section}] {name}", SAME.get((section, name))
        if not value:
            found.leave(origin, "it is empty")
        elif ours is not None:
            found.take(*ours, value, origin)
        elif (special := SPECIAL.get((section, name))) is not None:
            special(found, given, origin, value)
        elif section == KEYSTONE:
            found.say(origin, "copy it: that section is the same in patchbay.ini")
        else:
            found.leave(origin, WHY.get((section, name)) or SECTIONS.get(section, NOTHING_ALIKE))
    return found


def source(files: Mapping[str, Sections]) -> str:
    """The URL of Neutron's database, "" where no file says it."""
    urls = [value for _, section, name, value in _options(files) if (section, name) == ("database", "connection")]
    return urls[-1] if urls else ""


def ini(found: Read) -> str:
    """The patchbay.ini that means the same, as far as the files go."""
    sections = [
        "\n".join([f"[{section}]", *(_line(section, option, value) for option, value in options.items())])
        for section, options in found.values.items()
    ]
    return "\n\n".join(sections)


def _line(section: str, option: str, value: str) -> str:
    return f"# {option}: copy it" if (section, option) in SECRET else f"{option} = {value}"


def _options(files: Mapping[str, Sections]) -> Iterator[tuple[str, str, str, str]]:
    for path, sections in files.items():
        for section, options in sections.items():
            for name, values in options.items():
                yield path, section, name.replace("-", "_"), _joined(values)


def _joined(values: list[str]) -> str:
    """Lists may be written in several lines."""
    return " ".join(values[-1].split())


def _require_ml2(given: Given) -> None:
    plugin, path = given.get(("DEFAULT", "core_plugin"), ("", ""))
    if plugin and plugin not in PLUGINS:
        raise ValueError(f"{path}: [DEFAULT] core_plugin: {plugin} is not ML2, so nothing of it can be taken")
    drivers, path = given.get(("ml2", "mechanism_drivers"), ("", ""))
    if drivers and MECHANISM not in _listed(drivers):
        raise ValueError(f"{path}: [ml2] mechanism_drivers: {drivers} has no {MECHANISM}, so no host of it can join")


def _listed(text: str) -> list[str]:
    return [item.strip() for item in text.split(",") if item.strip()]


# ---------------------------------------------------------------------------------------------------------------------
# Options that are taken in a way of their own

Special = Callable[[Read, Given, str, str], None]


def _source(found: Read, given: Given, origin: str, value: str) -> None:
    found.say(origin, "taken as where to import from; Patchbay has a database of its own")


def _address(found: Read, given: Given, origin: str, value: str) -> None:
    host = given.get(("DEFAULT", "bind_host"), ("0.0.0.0", ""))[0]
    port = given.get(("DEFAULT", "bind_port"), ("9696", ""))[0]
    host = "*" if host in ("0.0.0.0", "::") else f"[{host}]" if ":" in host else host
    found.take("api", "listen", f"{host}:{port}", origin)


def _strategy(found: Read, given: Given, origin: str, value: str) -> None:
    if value in STRATEGIES:
        found.take("api", "auth_strategy", STRATEGIES[value], origin)
    else:
        found.leave(origin, NOTHING_ALIKE)


def _debug(found: Read, given: Given, origin: str, value: str) -> None:
    if value.lower() in ("true", "1", "yes", "on"):
        found.take("DEFAULT", "log_level", "DEBUG", origin)
    else:
        found.leave(origin, "log_level is INFO unless said otherwise")


def _mechanisms(found: Read, given: Given, origin: str, value: str) -> None:
    others = [name for name in _listed(value) if name not in (MECHANISM, "l2population")]
    told = f"; what is bound by {', '.join(others)} stays with Neutron" if others else ""
    found.leave(origin, WHY["ml2", "mechanism_drivers"] + told)


def _protection(found: Read, given: Given, origin: str, value: str) -> None:
    off = value.lower() in ("false", "0", "no", "off")
    told = "; here they are, unless they were made with false" if off else ""
    found.leave(origin, WHY["securitygroup", "enable_security_group"] + told)


def _tunnel_ids(found: Read, given: Given, origin: str, value: str) -> None:
    """Those of the first type of tunnel that projects get are for all."""
    counts = _counting(given)
    section, name = TUNNEL_IDS[counts]
    own = next(type for type, option in TUNNEL_IDS.items() if origin.endswith(f"[{option[0]}] {option[1]}"))
    if own == counts:
        found.take("ovs", "tunnel_id_ranges", value, origin)
    elif value == given[section, name][0]:
        found.say(origin, f"not taken: it is as that of {counts}, which counts for all types")
    else:
        told = f"not taken: that of {counts} counts for all types"
        found.say(origin, f"{told}; openstack network segment range create gives {own} others")


def _counting(given: Given) -> str:
    types = _listed(given.get(("ml2", "tenant_network_types"), ("", ""))[0])
    ordered = [*(type for type in types if type in TUNNEL_IDS), *TUNNEL_TYPES]
    return next(type for type in ordered if given.get(TUNNEL_IDS[type], ("", ""))[0])


SPECIAL: dict[tuple[str, str], Special] = {
    ("database", "connection"): _source,
    ("DEFAULT", "bind_host"): _address,
    ("DEFAULT", "bind_port"): _address,
    ("DEFAULT", "auth_strategy"): _strategy,
    ("DEFAULT", "debug"): _debug,
    ("ml2", "mechanism_drivers"): _mechanisms,
    ("securitygroup", "enable_security_group"): _protection,
    **dict.fromkeys(TUNNEL_IDS.values(), _tunnel_ids),
}
