"""The configuration: read once from an INI file into a frozen Config and passed in; never a global.

Sections and names are those an operator of Neutron knows.  `python -m controller.config` prints the sample file.
"""

from __future__ import annotations

import sys
import textwrap
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any, TypeVar

from oslo_config import cfg
from oslo_config.iniparser import ParseError

from controller import config_access, config_nova, config_quantum, config_tls
from controller import config_types as types
from controller.config_access import AccessSettings
from controller.config_nova import NovaSettings
from controller.config_tls import Tls
from controller.config_types import Address
from controller.core.settings import HostSettings, Settings

T = TypeVar("T")

HOST = "host:"
"""A `[host:NAME]` section says who a host is."""


class ConfigError(Exception):
    """The configuration can't be used.  One line: the file, the section and option, the value and the rule."""


@dataclass(frozen=True, slots=True)
class Config:
    """What `patchbay serve` runs with.  `database` is a SQLAlchemy URL; `max_body_size` is in bytes; a listen address
    with the host "" means all addresses of the machine; a listener whose `..._tls` is None speaks no TLS.
    `workers_listen` is where `patchbay api` listens, and `controller` where it finds the controller's own REST.
    `notes` tell what became of the options of a file that is Quantum's."""

    database: str
    rest: Address
    openflow: Address
    ovsdb: Address
    log_level: str
    max_body_size: int
    workers_listen: Address
    controller: Address
    settings: Settings
    access: AccessSettings = AccessSettings()
    rest_tls: Tls | None = None
    openflow_tls: Tls | None = None
    ovsdb_tls: Tls | None = None
    notes: tuple[str, ...] = ()
    nova: NovaSettings | None = None

    @property
    def scheme(self) -> str:
        """That of the URLs of REST, and of identity beside it."""
        return "https" if self.rest_tls else "http"


def _option(name: str, default: str, read: Callable[[str], Any], help: str) -> cfg.Opt:
    return cfg.Opt(name, type=read, default=default, help=help)  # type: ignore[arg-type]  # any callable will do


QUOTA = "quota_"
"""An option `quota_NAME` in [quotas] is the limit of that resource, which may be one of another package's."""
UNLIMITED = "-1 is no limit."

SECTIONS: dict[str, tuple[cfg.Opt, ...]] = {
    "DEFAULT": (
        _option("log_level", "INFO", types.one_of("DEBUG", "INFO", "WARNING", "ERROR"), "What is logged."),
        _option(
            "global_physnet_mtu",
            "1500",
            types.number(68, 65535, "bytes"),
            "MTU of the physical networks, in bytes. A network in a tunnel gets this less the tunnel's overhead.",
        ),
        _option(
            "base_mac",
            "fa:16:3e:00:00:00",
            types.base_mac,
            "What the MAC addresses of ports begin with: the first three octets, or four when the fourth is not 00.",
        ),
        _option("dns_domain", "openstacklocal.", types.domain, "The DNS domain of ports' names."),
        _option(
            "dhcp_lease_duration",
            "86400",
            types.duration,
            "For how many seconds a guest gets its address by DHCP; it asks again after half of them. -1 is for ever.",
        ),
    ),
    "database": (
        _option(
            "connection",
            "sqlite:////var/lib/patchbay/patchbay.db",
            types.text,
            "SQLAlchemy URL of the database. Missing directories of a SQLite file are created.",
        ),
    ),
    "api": (
        _option("listen", "127.0.0.1:9696", types.address, "HOST:PORT of the REST API; *:PORT for all addresses."),
        _option(
            "max_body_size", "1048576", types.number(1024, 2**30, "bytes"), "Longest accepted request body, in bytes."
        ),
        *(_option(*declared) for declared in (*config_tls.API, *config_access.API)),
        _option(
            "workers_listen",
            "127.0.0.1:9697",
            types.address,
            "HOST:PORT of the REST API of `patchbay api`, which may run on the controller's machine or on another.",
        ),
        _option(
            "controller",
            "127.0.0.1:9696",
            types.address,
            "HOST:PORT of the controller's own REST API, which `patchbay api` asks what only the controller knows.",
        ),
    ),
    "identity": tuple(_option(*declared) for declared in config_access.IDENTITY),
    "oslo_policy": tuple(_option(*declared) for declared in config_access.OSLO_POLICY),
    "nova": tuple(_option(*declared) for declared in config_nova.NOVA),
    "quotas": (
        _option("default_quota", "-1", types.limit, f"Of resources that have no limit of their own. {UNLIMITED}"),
        *(
            _option(f"{QUOTA}{name}", most, types.limit, f"{title} that a project may have. {UNLIMITED}")
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
        _option("listen", "127.0.0.1:6653", types.address, "HOST:PORT that bridges connect to; [::1]:6653 for IPv6."),
        *(_option(*declared) for declared in config_tls.of_peers("bridges")),
    ),
    "ovsdb": (
        _option("listen", "127.0.0.1:6640", types.address, "HOST:PORT that hosts connect to (ovs-vsctl set-manager)."),
        *(_option(*declared) for declared in config_tls.of_peers("hosts")),
    ),
    "ovs": (
        _option("integration_bridge", "br-int", types.bridge, "The bridge that VIFs are plugged into."),
        _option(
            "network_vlan_ranges",
            "",
            types.vlan_ranges,
            "Physical networks and the VLANs of each that tenant networks may get, first and last included: "
            "physnet1:1000:1999,physnet2. One without a range is for administrators only; one may have several.",
        ),
        _option(
            "flat_networks",
            "*",
            types.names,
            "Physical networks that may carry flat networks; * for all of them, empty for none.",
        ),
        _option(
            "tunnel_id_ranges",
            "1:65535",
            types.tunnel_ranges,
            "Tunnel ids (VXLAN, GRE, Geneve) that tenant networks may get: 1:1000,2000:3000.",
        ),
        _option(
            "overlay_ip_version",
            "4",
            types.one_of("4", "6"),
            "IP version of the hosts' tunnel addresses, 4 or 6. Tunnels over IPv6 take 20 bytes more from the MTU.",
        ),
        _option(
            "tenant_network_type",
            "vxlan",
            types.network_types,
            "Types tried in this order for a network that names none: local, vlan, vxlan, gre, geneve.",
        ),
        _option(
            "bridge_mappings",
            "",
            types.mappings,
            "Which bridge holds the NIC of which physical network, on hosts that don't say so themselves: "
            "physnet1:br-eth1,physnet2:br-eth2.",
        ),
        _option(
            "mode",
            "reactive",
            types.one_of("reactive", "proactive"),
            "reactive: a bridge gets the flows of remote destinations when its VIFs first send to them. "
            "proactive: it gets all of them at once.",
        ),
        _option(
            "idle_timeout",
            "300",
            types.number(1, 65535, "seconds"),
            "Seconds after which a reactive flow that no packet uses is taken back.",
        ),
        _option(
            "punt_rate",
            "100",
            types.number(1, 2**32 - 1, "packets a second"),
            "Packets a second that one port may send to the controller; more than that are not copied to it.",
        ),
    ),
}

HOST_OPTIONS = (
    _option("dpids", "", types.dpids, "Datapath ids of its bridges: decimal, 0x and hexadecimal, or 16 hex digits."),
    _option("local_ip", "", types.ip_address, "Its tunnel endpoint address, IPv4 or IPv6."),
    _option("bridge_mappings", "", types.mappings, "Its own mappings, instead of those in [ovs]."),
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

Values = Mapping[str, Mapping[str, Any]]


def load(path: str | None, overrides: Mapping[str, Any]) -> Config:
    """Read the file (None: the defaults alone); `overrides` are command-line options by the names in OVERRIDES, None
    for those not given.  Neither the command line nor the environment is looked at.  Raises ConfigError.

    A file of Quantum's Open vSwitch plugin is understood, too."""
    sections = {} if path is None else _parse(path)
    if path is not None and config_quantum.is_quantums(sections):
        return _load_quantums(path, config_quantum.read(sections), overrides)
    options = _known_options(path, sections)
    conf = cfg.ConfigOpts()
    for section, declared in options.items():
        conf.register_opts(declared, group=None if section == "DEFAULT" else section)
    conf(args=[], default_config_files=[] if path is None else [path], default_config_dirs=[], use_env=False)
    for name, value in overrides.items():
        if value is not None:
            _override(conf, name, value)
    values = {section: dict(_read(conf, path, section, declared)) for section, declared in options.items()}
    _check_hosts(path, values)
    return _config(path, values)


def _load_quantums(path: str, found: config_quantum.Read, overrides: Mapping[str, Any]) -> Config:
    """The defaults, what the file of the plugin gives, and what the command line does."""
    conf = cfg.ConfigOpts()
    for section, declared in SECTIONS.items():
        conf.register_opts(declared, group=None if section == "DEFAULT" else section)
    conf(args=[], default_config_files=[], default_config_dirs=[], use_env=False)
    for section, options in found.values.items():
        for option, value in options.items():
            try:
                conf.set_override(option, value, section)
            except ValueError as error:
                raise ConfigError(f"{path}: {found.origin[section, option]}: {error}") from error
    for name, value in overrides.items():
        if value is not None:
            _override(conf, name, value)
    values = {section: dict(_read(conf, path, section, declared)) for section, declared in SECTIONS.items()}
    return replace(_config(path, values), notes=tuple(f"{path}: {line}" for line in found.lines))


def _parse(path: str) -> dict[str, dict[str, list[str]]]:
    sections: dict[str, dict[str, list[str]]] = {}
    try:
        cfg.ConfigParser(path, sections).parse()
    except OSError as error:
        raise ConfigError(f"{path}: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise ConfigError(f"{path}: it is not text: {error}") from error
    except ParseError as error:
        raise ConfigError(f"{path}: line {error.lineno}: {error.msg}: {error.line.strip()!r}") from error
    return sections


def _known_options(path: str | None, sections: Values) -> dict[str, tuple[cfg.Opt, ...]]:
    """The declared options of every section, the file's `[host:NAME]` sections included."""
    options = dict(SECTIONS)
    for section, given in sections.items():
        if section.startswith(HOST) and section != HOST:
            options[section] = HOST_OPTIONS
        elif section == config_access.KEYSTONE:
            continue
        elif section not in SECTIONS:
            known = ", ".join(f"[{name}]" for name in (*SECTIONS, config_access.KEYSTONE, "host:NAME"))
            raise ConfigError(f"{path}: [{section}]: unknown section; there are {known}")
        if section == "quotas":
            options[section] += _more_quotas(given)
        names = [option.name for option in options[section]]
        for name in given:
            if name not in names:
                raise ConfigError(f"{path}: [{section}] {name}: unknown option; there are {', '.join(names)}")
    return options


def _more_quotas(given: Iterable[str]) -> tuple[cfg.Opt, ...]:
    """Options for the resources of other packages."""
    declared = {option.name for option in SECTIONS["quotas"]}
    more = (name for name in given if name.startswith(QUOTA) and name not in declared)
    return tuple(_option(name, "-1", types.limit, "") for name in more)


def _override(conf: cfg.ConfigOpts, name: str, value: Any) -> None:
    section, option = OVERRIDES[name]
    try:
        conf.set_override(option, str(value), None if section == "DEFAULT" else section)
    except ValueError as error:
        raise ConfigError(f"--{name.replace('_', '-')} {value!r}: {error}") from error


def _read(
    conf: cfg.ConfigOpts, path: str | None, section: str, declared: tuple[cfg.Opt, ...]
) -> Iterator[tuple[str, Any]]:
    values = conf if section == "DEFAULT" else conf[section]
    for option in declared:
        try:
            yield option.name, values[option.name]
        except cfg.ConfigFileValueError as error:
            # Its own text repeats internals of oslo.config; the rule is in the exception that it was made from.
            raise ConfigError(f"{path}: [{section}] {option.name}: {error.__context__}") from error


def _check_hosts(path: str | None, values: Values) -> None:
    """A datapath id says which host a bridge is of, so it can't be in two sections."""
    owners: dict[int, str] = {}
    for section in (name for name in values if name.startswith(HOST)):
        for dpid in values[section]["dpids"]:
            if owners.setdefault(dpid, section) != section:
                raise ConfigError(f"{path}: [{section}] dpids: {dpid:#018x} is in [{owners[dpid]}] already")


def _tls(path: str | None, values: Values, section: str) -> Tls | None:
    return _of(section, config_tls.read, path, values)


def _of(section: str, read: Callable[[Mapping[str, Any]], T], path: str | None, values: Values) -> T:
    """What a section's own reader makes of it."""
    try:
        return read(values[section])
    except ValueError as error:
        raise ConfigError(f"{path}: [{section}] {error}") from None


def _config(path: str | None, values: Values) -> Config:
    return Config(
        database=values["database"]["connection"],
        rest=values["api"]["listen"],
        openflow=values["openflow"]["listen"],
        ovsdb=values["ovsdb"]["listen"],
        log_level=values["DEFAULT"]["log_level"],
        max_body_size=values["api"]["max_body_size"],
        workers_listen=values["api"]["workers_listen"],
        controller=values["api"]["controller"],
        settings=_settings(values),
        access=config_access.read(path, values),
        rest_tls=_tls(path, values, "api"),
        openflow_tls=_tls(path, values, "openflow"),
        ovsdb_tls=_tls(path, values, "ovsdb"),
        nova=_of("nova", config_nova.read, path, values),
    )


def _settings(values: Values) -> Settings:
    ovs = values["ovs"]
    return Settings(
        integration_bridge=ovs["integration_bridge"],
        tenant_network_types=ovs["tenant_network_type"],
        vlan_ranges=ovs["network_vlan_ranges"],
        flat_networks=ovs["flat_networks"],
        tunnel_id_ranges=ovs["tunnel_id_ranges"],
        global_physnet_mtu=values["DEFAULT"]["global_physnet_mtu"],
        overlay_ip_version=int(ovs["overlay_ip_version"]),
        base_mac=values["DEFAULT"]["base_mac"],
        dns_domain=values["DEFAULT"]["dns_domain"],
        dhcp_lease_duration=values["DEFAULT"]["dhcp_lease_duration"],
        bridge_mappings=ovs["bridge_mappings"],
        proactive=ovs["mode"] == "proactive",
        idle_timeout=ovs["idle_timeout"],
        punt_rate=ovs["punt_rate"],
        openflow_port=values["openflow"]["listen"].port,
        openflow_tls=bool(values["openflow"]["tls_certificate"]),
        quotas=tuple(_quotas(values["quotas"])),
        hosts=tuple(
            HostSettings(section.removeprefix(HOST), **host)
            for section, host in values.items()
            if section.startswith(HOST)
        ),
    )


def _quotas(given: Mapping[str, int]) -> Iterator[tuple[str, int]]:
    """The limits, by resource, that are not those which the resources declare themselves."""
    declared = {option.name: option.type(option.default) for option in SECTIONS["quotas"]}
    for name, most in given.items():
        if declared.get(name) != most:
            yield "default" if name == "default_quota" else name.removeprefix(QUOTA), most


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
# Generated from controller/config.py:  python -m controller.config > etc/patchbay.ini.sample
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

if __name__ == "__main__":
    sys.stdout.write(sample())
