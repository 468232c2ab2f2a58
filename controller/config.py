"""The configuration: read once from an INI file into a frozen Config and passed in; never a global.

Sections and names are those an operator of Neutron knows.  `python -m controller.config` prints the sample file.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any, TypeVar

from oslo_config import cfg
from oslo_config.iniparser import ParseError

from controller import config_access, config_neutron, config_nova, config_quantum, config_tls
from controller import config_types as types
from controller.config_access import AccessSettings
from controller.config_nova import NovaSettings
from controller.config_options import HOST, HOST_OPTIONS, OVERRIDES, QUOTA, SECTIONS, declare, sample
from controller.config_tls import Tls
from controller.config_types import Address
from controller.core.settings import HostSettings, Settings

T = TypeVar("T")


class ConfigError(Exception):
    """The configuration can't be used.  One line: the file, the section and option, the value and the rule."""


@dataclass(frozen=True, slots=True)
class Config:
    """What `patchbay serve` runs with.  `database` is a SQLAlchemy URL; 0 `journal_days` are for ever;
    `max_body_size` is in bytes; a listen address with the host "" means all addresses of the machine; a listener whose
    `..._tls` is None speaks no TLS.  `workers_listen` is where `patchbay api` listens, and `controller` where it finds
    the controller's own REST.  `notes` tell what became of the options of a file that is Quantum's."""

    database: str
    journal_days: int
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


Values = Mapping[str, Mapping[str, Any]]


def load(path: str | None, overrides: Mapping[str, Any]) -> Config:
    """Read the file (None: the defaults alone); `overrides` are command-line options by the names in OVERRIDES, None
    for those not given.  Neither the command line nor the environment is looked at.  Raises ConfigError.

    A file of Quantum's Open vSwitch plugin is understood, too."""
    sections = {} if path is None else parse(path)
    if path is not None and config_quantum.is_quantums(sections):
        return taken(path, config_quantum.read(path, sections), overrides)
    if path is not None and config_neutron.is_neutrons(sections):
        told = f"patchbay import --neutron-config {path} says what it means here"
        raise ConfigError(f"{path}: it is a file of Neutron's; {told}")
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


def taken(path: str | None, found: config_quantum.Read, overrides: Mapping[str, Any]) -> Config:
    """The defaults, what files of somebody else's give, and what the command line does.  `path` is where ours would be.
    Raises ConfigError."""
    conf = cfg.ConfigOpts()
    for section, declared in SECTIONS.items():
        conf.register_opts(declared, group=None if section == "DEFAULT" else section)
    conf(args=[], default_config_files=[], default_config_dirs=[], use_env=False)
    for section, options in found.values.items():
        for option, value in options.items():
            try:
                conf.set_override(option, value, None if section == "DEFAULT" else section)
            except ValueError as error:
                raise ConfigError(f"{found.origin[section, option]}: {error}") from error
    for name, value in overrides.items():
        if value is not None:
            _override(conf, name, value)
    values = {section: dict(_read(conf, path, section, declared)) for section, declared in SECTIONS.items()}
    return replace(_config(path, values), notes=tuple(found.lines))


def parse(path: str) -> dict[str, dict[str, list[str]]]:
    """The sections of an INI file: {section: {option: values}}.  Raises ConfigError."""
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
    return tuple(declare(name, "-1", types.limit, "") for name in more)


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
        journal_days=values["database"]["journal_days"],
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
        path_mtu=ovs["path_mtu"],
        base_mac=values["DEFAULT"]["base_mac"],
        dns_domain=values["DEFAULT"]["dns_domain"],
        dhcp_lease_duration=values["DEFAULT"]["dhcp_lease_duration"],
        bridge_mappings=ovs["bridge_mappings"],
        proactive=ovs["mode"] == "proactive",
        idle_timeout=ovs["idle_timeout"],
        punt_rate=ovs["punt_rate"],
        care_of_addresses=ovs["vlan_migration"] == "care_of",
        openflow_port=values["openflow"]["listen"].port,
        openflow_tls=bool(values["openflow"]["tls_certificate"]),
        tells_servers=config_nova.is_there(values["nova"]),
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


if __name__ == "__main__":
    sys.stdout.write(sample())
