"""Every option of the INI file, declared with its default and its help; and the sample file that follows from them."""

from __future__ import annotations

import textwrap
from collections.abc import Callable
from typing import Any

from oslo_config import cfg

from controller import config_access, config_nova, config_tls
from controller import config_types as types

HOST = "host:"
"""A `[host:NAME]` section says who a host is."""


def declare(name: str, default: str, read: Callable[[str], Any], help: str) -> cfg.Opt:
    return cfg.Opt(name, type=read, default=default, help=help)  # type: ignore[arg-type]  # any callable will do


QUOTA = "quota_"
"""An option `quota_NAME` in [quotas] is the limit of that resource, which may be one of another package's."""

UNLIMITED = "-1 is no limit."

SECTIONS: dict[str, tuple[cfg.Opt, ...]] = {
    "DEFAULT": (
        declare("log_level", "INFO", types.one_of("DEBUG", "INFO", "WARNING", "ERROR"), "What is logged."),
        declare(
            "global_physnet_mtu",
            "1500",
            types.number(68, 65535, "bytes"),
            "MTU of the physical networks, in bytes. A network in a tunnel gets this less the tunnel's overhead.",
        ),
        declare(
            "base_mac",
            "fa:16:3e:00:00:00",
            types.base_mac,
            "What the MAC addresses of ports begin with: the first three octets, or four when the fourth is not 00.",
        ),
        declare("dns_domain", "openstacklocal.", types.domain, "The DNS domain of ports' names."),
        declare(
            "dhcp_lease_duration",
            "86400",
            types.duration,
            "For how many seconds a guest gets its address by DHCP; it asks again after half of them. -1 is for ever.",
        ),
    ),
    "database": (
        declare(
            "connection",
            "sqlite:////var/lib/patchbay/patchbay.db",
            types.text,
            "SQLAlchemy URL of the database. Missing directories of a SQLite file are created.",
        ),
        declare(
            "journal_days",
            "30",
            types.number(0, 36500, "days"),
            "For how many days the journal keeps what was written, when, and by whom; 0 is for ever.",
        ),
    ),
    "api": (
        declare("listen", "127.0.0.1:9696", types.address, "HOST:PORT of the REST API; *:PORT for all addresses."),
        declare(
            "max_body_size", "1048576", types.number(1024, 2**30, "bytes"), "Longest accepted request body, in bytes."
        ),
        *(declare(*declared) for declared in (*config_tls.API, *config_access.API)),
        declare(
            "workers_listen",
            "127.0.0.1:9697",
            types.address,
            "HOST:PORT of the REST API of `patchbay api`, which may run on the controller's machine or on another.",
        ),
        declare(
            "controller",
            "127.0.0.1:9696",
            types.address,
            "HOST:PORT of the controller's own REST API, which `patchbay api` asks what only the controller knows.",
        ),
    ),
    "identity": tuple(declare(*declared) for declared in config_access.IDENTITY),
    "oslo_policy": tuple(declare(*declared) for declared in config_access.OSLO_POLICY),
    "nova": tuple(declare(*declared) for declared in config_nova.NOVA),
    "quotas": (
        declare("default_quota", "-1", types.limit, f"Of resources that have no limit of their own. {UNLIMITED}"),
        *(
            declare(f"{QUOTA}{name}", most, types.limit, f"{title} that a project may have. {UNLIMITED}")
            for name, title, most in (
                ("network", "Networks", "100"),
                ("subnet", "Subnets", "100"),
                ("port", "Ports", "500"),
                ("security_group", "Security groups", "10"),
                ("security_group_rule", "Security group rules", "100"),
                ("rbac_policy", "RBAC policies", "10"),
            )
        ),
    ),
    "openflow": (
        declare("listen", "127.0.0.1:6653", types.address, "HOST:PORT that bridges connect to; [::1]:6653 for IPv6."),
        *(declare(*declared) for declared in config_tls.of_peers("bridges")),
    ),
    "ovsdb": (
        declare("listen", "127.0.0.1:6640", types.address, "HOST:PORT that hosts connect to (ovs-vsctl set-manager)."),
        *(declare(*declared) for declared in config_tls.of_peers("hosts")),
    ),
    "ovs": (
        declare("integration_bridge", "br-int", types.bridge, "The bridge that VIFs are plugged into."),
        declare(
            "network_vlan_ranges",
            "",
            types.vlan_ranges,
            "Physical networks and the VLANs of each that tenant networks may get, first and last included: "
            "physnet1:1000:1999,physnet2. One without a range is for administrators only; one may have several.",
        ),
        declare(
            "flat_networks",
            "*",
            types.names,
            "Physical networks that may carry flat networks; * for all of them, empty for none.",
        ),
        declare(
            "tunnel_id_ranges",
            "1:65535",
            types.tunnel_ranges,
            "Tunnel ids (VXLAN, GRE, Geneve) that tenant networks may get: 1:1000,2000:3000.",
        ),
        declare(
            "overlay_ip_version",
            "4",
            types.one_of("4", "6"),
            "IP version of the hosts' tunnel addresses, 4 or 6. Tunnels over IPv6 take 20 bytes more from the MTU.",
        ),
        declare(
            "path_mtu",
            "0",
            types.mtu,
            "MTU of the way between hosts' tunnel addresses, in bytes, where it is narrower than global_physnet_mtu. "
            "0: it is as wide.",
        ),
        declare(
            "tenant_network_type",
            "vxlan",
            types.network_types,
            "Types tried in this order for a network that names none: local, vlan, vxlan, gre, geneve.",
        ),
        declare(
            "bridge_mappings",
            "",
            types.mappings,
            "Which bridge holds the NIC of which physical network, on hosts that don't say so themselves: "
            "physnet1:br-eth1,physnet2:br-eth2.",
        ),
        declare(
            "mode",
            "reactive",
            types.one_of("reactive", "proactive"),
            "reactive: a bridge gets the flows of remote destinations when its VIFs first send to them. "
            "proactive: it gets all of them at once.",
        ),
        declare(
            "idle_timeout",
            "300",
            types.number(1, 65535, "seconds"),
            "Seconds after which a reactive flow that no packet uses is taken back.",
        ),
        declare(
            "punt_rate",
            "100",
            types.number(1, 2**32 - 1, "packets a second"),
            "Packets a second that one port may send to the controller; more than that are not copied to it.",
        ),
        declare(
            "vlan_migration",
            "care_of",
            types.one_of("care_of", "learning"),
            "How a guest is reached that migrates in a VLAN or flat network. care_of: at a second MAC address, 02:..., "
            "that its new host announces. learning: where switches have heard it; for those that admit no more MAC "
            "addresses.",
        ),
    ),
}

HOST_OPTIONS = (
    declare("dpids", "", types.dpids, "Datapath ids of its bridges: decimal, 0x and hexadecimal, or 16 hex digits."),
    declare("local_ip", "", types.ip_address, "Its tunnel endpoint address, IPv4 or IPv6."),
    declare("bridge_mappings", "", types.mappings, "Its own mappings, instead of those in [ovs]."),
)

OVERRIDES = {
    "database": ("database", "connection"),
    "rest": ("api", "listen"),
    "workers_listen": ("api", "workers_listen"),
    "controller": ("api", "controller"),
    "auth": ("api", "auth_strategy"),
    "identity": ("identity", "listen"),
    "openflow": ("openflow", "listen"),
    "ovsdb": ("ovsdb", "listen"),
    "log_level": ("DEFAULT", "log_level"),
}
"""Command-line options (`--rest`, `--log-level` ...) and the option of the file that each goes before."""


def sample() -> str:
    """The text of `etc/patchbay.ini.sample`: every option with its help and its default, all commented out."""
    parts = [SAMPLE_HEAD]
    for section, options in SECTIONS.items():
        parts.append(f"[{section}]\n")
        parts.extend(_sample_option(option, option.default) for option in options)
    parts.append(SAMPLE_KEYSTONE)
    parts.append(SAMPLE_HOST)
    parts.extend(_sample_option(option, SAMPLE_HOST_VALUES[option.name]) for option in HOST_OPTIONS)
    return "\n".join(parts)


def _sample_option(option: cfg.Opt, value: str) -> str:
    help_lines = textwrap.wrap(option.help or "", width=100, initial_indent="# ", subsequent_indent="# ")
    return "\n".join([*help_lines, f"#{option.name} = {value}".rstrip()]) + "\n"


SAMPLE_HEAD = """\
# Patchbay's configuration.  Every option is shown with its default; take the # away to change one.
# Generated from controller/config_options.py:  python -m controller.config > etc/patchbay.ini.sample
"""

SAMPLE_KEYSTONE = """\
# What keystonemiddleware needs for auth_strategy = keystone; all of its options can be given here.
#[keystone_authtoken]
#www_authenticate_uri = http://192.0.2.1:5000
#auth_type = password
#auth_url = http://192.0.2.1:5000
#username = patchbay
#password = PASSWORD
#project_name = service
#user_domain_name = Default
#project_domain_name = Default
"""

SAMPLE_HOST = """\
# Who a host is, where it doesn't say so in Open_vSwitch.external_ids and addresses can't tell
# (bridges that connect from one address are one host).  One section for every such host.
#[host:compute1]
"""

SAMPLE_HOST_VALUES = {
    "dpids": "0x1,0000f2a4c6d8e042",
    "local_ip": "192.0.2.11",
    "bridge_mappings": "physnet1:br-eth1",
}
