"""The configuration: what an operator writes, and one clear line for what can't be used."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from controller.config import Config, ConfigError, load
from controller.config_nova import NovaSettings
from controller.config_options import HOST_OPTIONS, OVERRIDES, SECTIONS, sample
from controller.config_tls import Tls
from controller.config_types import (
    Address,
    address,
    base_mac,
    dpids,
    ip_address,
    mappings,
    tunnel_ranges,
    vlan_ranges,
)
from controller.core.settings import HostSettings, Settings

ROOT = Path(__file__).parents[2]

Write = Callable[[str], str]


@pytest.fixture
def ini(tmp_path: Path) -> Write:
    def write(text: str) -> str:
        path = tmp_path / "patchbay.ini"
        path.write_text(text)
        return str(path)

    return write


def test_without_a_file_everything_has_its_default() -> None:
    assert load(None, {}) == Config(
        database="sqlite:////var/lib/patchbay/patchbay.db",
        journal_days=30,
        rest=Address("127.0.0.1", 9696),
        openflow=Address("127.0.0.1", 6653),
        ovsdb=Address("127.0.0.1", 6640),
        log_level="INFO",
        max_body_size=1048576,
        workers_listen=Address("127.0.0.1", 9697),
        controller=Address("127.0.0.1", 9696),
        settings=Settings(),
    )


def test_every_option_of_the_file_arrives(ini: Write) -> None:
    path = ini(
        """
[DEFAULT]
log_level = debug
global_physnet_mtu = 9000
base_mac = FA-16-3E-4F-00-00
dns_domain = Cloud.Example
dhcp_lease_duration = -1
[database]
connection = postgresql+psycopg2://ann:pa$$word@db/patchbay
journal_days = 0
[api]
listen = *:80
max_body_size = 2048
workers_listen = *:81
controller = [::1]:9000
[quotas]
default_quota = 1000
quota_network = 100
quota_port = -1
quota_credential = 5
[openflow]
listen = [::1]:6654
[ovsdb]
listen = :6641
[ovs]
integration_bridge = br-test
network_vlan_ranges = physnet1:1000:1999, physnet2, physnet1:1:99,
  physnet3:4094:4094
flat_networks = physnet1,physnet2
tunnel_id_ranges = 1:1000,2000:16777215
tenant_network_type = vlan,VXLAN
overlay_ip_version = 6
path_mtu = 8000
bridge_mappings = physnet1:br-eth1, physnet2:br-test:eth2
mode = proactive
idle_timeout = 10
punt_rate = 5
[host:Compute-1]
dpids = 1,0x1F,00000000000000ff,ab00000000000001
local_ip = 2001:DB8::1
bridge_mappings = physnet1:br-ex
[host:h2]
"""
    )
    assert load(path, {}) == Config(
        database="postgresql+psycopg2://ann:pa$word@db/patchbay",
        journal_days=0,
        rest=Address("", 80),
        openflow=Address("::1", 6654),
        ovsdb=Address("", 6641),
        log_level="DEBUG",
        max_body_size=2048,
        workers_listen=Address("", 81),
        controller=Address("::1", 9000),
        settings=Settings(
            integration_bridge="br-test",
            tenant_network_types=("vlan", "vxlan"),
            vlan_ranges=(("physnet1", ((1000, 1999), (1, 99))), ("physnet2", ()), ("physnet3", ((4094, 4094),))),
            flat_networks=("physnet1", "physnet2"),
            tunnel_id_ranges=((1, 1000), (2000, 16777215)),
            global_physnet_mtu=9000,
            overlay_ip_version=6,
            path_mtu=8000,
            base_mac="fa:16:3e:4f:00:00",
            dns_domain="cloud.example.",
            dhcp_lease_duration=-1,
            bridge_mappings=(("physnet1", "br-eth1"), ("physnet2", "br-test:eth2")),
            proactive=True,
            idle_timeout=10,
            punt_rate=5,
            openflow_port=6654,
            hosts=(
                HostSettings("Compute-1", (1, 31, 255, 0xAB00000000000001), "2001:db8::1", (("physnet1", "br-ex"),)),
                HostSettings("h2"),
            ),
            quotas=(("default", 1000), ("port", -1), ("credential", 5)),
        ),
    )


def test_the_command_line_goes_before_the_file(ini: Write) -> None:
    path = ini("[api]\nlisten = 10.0.0.1:1\n[ovsdb]\nlisten = 10.0.0.1:2\n")
    given_options = {"rest": "*:3", "database": "sqlite://", "log_level": "error", "ovsdb": None, "openflow": "h:5"}
    config = load(path, given_options)
    assert config.rest == Address("", 3)
    assert config.ovsdb == Address("10.0.0.1", 2)
    assert config.openflow == Address("h", 5)
    assert config.settings.openflow_port == 5
    assert config.settings.openflow_target == "tcp:AUTO:5"
    assert (config.database, config.log_level) == ("sqlite://", "ERROR")


def test_a_listener_whose_files_are_given_speaks_tls(ini: Write) -> None:
    files = "tls_certificate = /c.pem\ntls_key = /k.pem\n"
    config = load(ini(f"[api]\n{files}[openflow]\n{files}tls_ca = ca.pem\n"), {})
    assert config.rest_tls == Tls("/c.pem", "/k.pem")
    assert config.openflow_tls == Tls("/c.pem", "/k.pem", "ca.pem")
    assert config.ovsdb_tls is None
    assert config.settings.openflow_target == "ssl:AUTO:6653"


def test_neither_arguments_nor_environment_are_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "argv", ["patchbay", "--no-such-option"])
    monkeypatch.setitem(os.environ, "OS_DATABASE__CONNECTION", "sqlite:////elsewhere")
    assert load(None, {}).database == "sqlite:////var/lib/patchbay/patchbay.db"


def test_nova_is_told_where_it_is_named(ini: Write) -> None:
    assert load(ini("[nova]\nusername = ann\n"), {}).nova is None
    told = load(ini("[nova]\nendpoint = http://n:8774/v2.1/\nsend_events_interval = 0\nhttp_retries = 3\n"), {}).nova
    assert told == NovaSettings("http://n:8774/v2.1", username="nova", project_name="service", interval=0, retries=3)
    told = load(ini("[nova]\nauth_url = http://k:5000/v3\npassword = x\nregion_name = R\n"), {}).nova
    assert told == NovaSettings("", "http://k:5000/v3", "nova", "x", "service", region_name="R")


BAD = [
    ("[ovs]\nnetwork_vlan_ranges = p:0:5", "[ovs] network_vlan_ranges: 'p:0:5': a VLAN is from 1 to 4094"),
    ("[ovs]\nnetwork_vlan_ranges = p:1:4095", "[ovs] network_vlan_ranges: 'p:1:4095': a VLAN is from 1 to 4094"),
    ("[ovs]\nnetwork_vlan_ranges = p:9:5", "[ovs] network_vlan_ranges: 'p:9:5': the range ends before it starts"),
    ("[ovs]\nnetwork_vlan_ranges = p:9", "[ovs] network_vlan_ranges: 'p:9' does not end in FIRST:LAST"),
    ("[ovs]\nnetwork_vlan_ranges = :1:9", "':1:9' is not PHYSICAL_NETWORK or PHYSICAL_NETWORK:FIRST:LAST"),
    ("[ovs]\nnetwork_vlan_ranges = p:1:9,p:9:12", "network_vlan_ranges: the ranges 1:9 and 9:12 on p overlap"),
    ("[ovs]\nnetwork_vlan_ranges = p,,q", "'p,,q' has an empty item: two commas, or one at an end"),
    ("[ovs]\ntunnel_id_ranges = 1:16777216", "'1:16777216': a tunnel id is from 1 to 16777215"),
    ("[ovs]\ntunnel_id_ranges = 10:20,1:10", "tunnel_id_ranges: the ranges 1:10 and 10:20 overlap"),
    ("[ovs]\ntunnel_id_ranges = 5", "[ovs] tunnel_id_ranges: '5' does not end in FIRST:LAST"),
    ("[ovs]\ntenant_network_type = flat", "'flat' is not one of local, vlan, vxlan, gre, geneve"),
    ("[ovs]\ntenant_network_type = gre,GRE", "[ovs] tenant_network_type: the type 'gre' is there twice"),
    ("[ovs]\nbridge_mappings = p", "[ovs] bridge_mappings: 'p' is not PHYSICAL_NETWORK:BRIDGE"),
    ("[ovs]\nbridge_mappings = p:a,p:b", "bridge_mappings: the physical network 'p' is there twice"),
    ("[ovs]\nbridge_mappings = p:a,q:a", "[ovs] bridge_mappings: the bridge 'a' is there twice"),
    ("[ovs]\nbridge_mappings = p:a:", "[ovs] bridge_mappings: '' is not the name of a port"),
    ("[ovs]\nbridge_mappings = p:", "[ovs] bridge_mappings: '' is not a bridge name"),
    ("[ovs]\nintegration_bridge = br-longer-than-15", "'br-longer-than-15' is not a bridge name: 1 to 15 characters"),
    ("[ovs]\nmode = lazy", "[ovs] mode: 'lazy' is not one of reactive, proactive"),
    ("[ovs]\nidle_timeout = 65536", "idle_timeout: '65536' is not a number of seconds from 1 to 65535"),
    ("[ovs]\nidle_timeout = 0", "[ovs] idle_timeout: '0' is not a number of seconds from 1 to 65535"),
    ("[ovs]\npunt_rate = -1", "[ovs] punt_rate: '-1' is not a number of packets a second from 1"),
    ("[quotas]\nquota_port = some", "[quotas] quota_port: 'some' is neither -1 (no limit) nor a number from 0 to 2147"),
    ("[quotas]\nquota_port = 2147483648", "'2147483648' is neither -1 (no limit) nor a number from 0 to 2147483647"),
    ("[quotas]\nport = 5", "[quotas] port: unknown option; there are default_quota, quota_network, "),
    ("[database]\njournal_days = -1", "[database] journal_days: '-1' is not a number of days from 0 to 36500"),
    ("[api]\nmax_body_size = 1k", "[api] max_body_size: '1k' is not a number of bytes from 1024"),
    ("[api]\nlisten = 9696", "[api] listen: '9696' is not HOST:PORT"),
    ("[api]\nlisten = h:65536", "[api] listen: 'h:65536' is not HOST:PORT"),
    ("[api]\nlisten = ::1:80", "[api] listen: '::1:80' is not HOST:PORT"),
    ("[api]\nlisten = [1.2.3.4]:80", "'[1.2.3.4]:80': what is in brackets is not an IPv6 address"),
    ("[DEFAULT]\nbase_mac = 01:00:00:00:00:00", "'01:00:00:00:00:00' is a multicast address"),
    ("[DEFAULT]\nbase_mac = fa:16", "[DEFAULT] base_mac: 'fa:16' is not a MAC address"),
    ("[DEFAULT]\ndns_domain = a..b", "[DEFAULT] dns_domain: 'a..b' is not a DNS domain"),
    (
        "[DEFAULT]\ndhcp_lease_duration = 60",
        "dhcp_lease_duration: '60' is neither -1 (for ever) nor a number of seconds",
    ),
    ("[DEFAULT]\nlog_level = LOUD", "[DEFAULT] log_level: 'LOUD' is not one of DEBUG, INFO, WARNING, ERROR"),
    ("[ovs]\noverlay_ip_version = 5", "[ovs] overlay_ip_version: '5' is not one of 4, 6"),
    ("[ovs]\npath_mtu = 67", "[ovs] path_mtu: '67' is not a number of bytes from 68 to 65535"),
    ("[DEFAULT]\nglobal_physnet_mtu = 67", "global_physnet_mtu: '67' is not a number of bytes from 68"),
    ("[database]\nconnection =", "[database] connection: it can't be empty"),
    ("[api]\ntls_key = /k.pem", "[api] tls_certificate: it must be set when tls_key is"),
    ("[ovsdb]\ntls_certificate = c\ntls_key = k", "[ovsdb] tls_ca: it must be set when tls_certificate is"),
    ("[openflow]\ntls_ca = /ca.pem", "[openflow] tls_certificate: it must be set when tls_ca is"),
    ("[api]\ntls_ca = /ca.pem", "[api] tls_ca: unknown option; there are listen, max_body_size, tls_certificate"),
    ("[nova]\nauth_url = http://k:5000/v3", "[nova] password: it must be set when auth_url is"),
    ("[nova]\nendpoint = nova", "[nova] endpoint: 'nova' is not a URL that begins with http"),
    ("[nova]\nsend_events_interval = 61", "[nova] send_events_interval: '61' is not a number of seconds from 0 to 60"),
    ("[host:a]\ndpids = x", "[host:a] dpids: 'x' is not a datapath id"),
    ("[host:a]\ndpids = 0x0", "[host:a] dpids: '0x0': no bridge has the datapath id 0"),
    ("[host:a]\ndpids = 0x7,7", "[host:a] dpids: the datapath id 7 is there twice"),
    ("[host:a]\ndpids = 7\n[host:b]\ndpids = 0x7", "[host:b] dpids: 0x0000000000000007 is in [host:a] already"),
    ("[host:a]\nlocal_ip = 10.0.0", "[host:a] local_ip: '10.0.0' is not an IPv4 or IPv6 address"),
    ("[host:a]\nlocal_ip = 7", "[host:a] local_ip: '7' is not an IPv4 or IPv6 address"),
    ("[host:a]\nname = x", "[host:a] name: unknown option; there are dpids, local_ip, bridge_mappings"),
    ("[host:]\n", "[host:]: unknown section; there are [DEFAULT], [database],"),
    ("[ovs]\nbridge_mapping = p:b", "[ovs] bridge_mapping: unknown option; there are integration_bridge,"),
    ("[ml3]\n", "[ml3]: unknown section; there are [DEFAULT], [database], [api]"),
    ("[ml2]\n", "it is a file of Neutron's; patchbay import --neutron-config"),
    ("[ovs\n", "line 1: Invalid section (must end with ]): '[ovs'"),
    ("mode = reactive\n", "line 1: Section must be started before assignment"),
    ("[ovs]\nmode\n", "line 2: No ':' or '=' found in assignment: 'mode'"),
]


@pytest.mark.parametrize(("text", "message"), BAD, ids=[message[:50] for _, message in BAD])
def test_what_cannot_be_used_is_said_in_one_line(ini: Write, text: str, message: str) -> None:
    path = ini(text)
    with pytest.raises(ConfigError) as failed:
        load(path, {})
    assert str(failed.value).startswith(f"{path}: ")
    assert message in str(failed.value)
    assert "\n" not in str(failed.value)


def test_files_that_cannot_be_read(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="missing.ini: No such file or directory"):
        load(str(tmp_path / "missing.ini"), {})
    with pytest.raises(ConfigError, match="Is a directory"):
        load(str(tmp_path), {})
    (tmp_path / "binary.ini").write_bytes(b"[ovs]\nmode = \xff\xfe\n")
    with pytest.raises(ConfigError, match=r"binary.ini: it is not text: .*0xff"):
        load(str(tmp_path / "binary.ini"), {})


@pytest.mark.parametrize("name", sorted(OVERRIDES))
def test_a_bad_command_line_option_is_named(name: str) -> None:
    with pytest.raises(ConfigError, match=f"^--{name.replace('_', '-')} '': "):
        load(None, {name: ""})


@given(st.ip_addresses(), st.integers(0, 65535))
def test_an_address_is_read_as_it_is_written(host: object, port: int) -> None:
    assert address(str(Address(str(host), port))) == Address(str(host), port)


@given(st.text(alphabet=st.characters() | st.sampled_from("0123456789:,[].x ")))
@pytest.mark.parametrize("read", [address, base_mac, dpids, ip_address, mappings, tunnel_ranges, vlan_ranges])
def test_any_text_is_a_value_or_a_value_error_in_one_line(read: Callable[[str], object], value: str) -> None:
    message = ""
    try:
        read(value)
    except ValueError as error:
        message = str(error)
    assert "\n" not in message


def test_the_sample_file_is_not_stale() -> None:
    printed = subprocess.run(
        [sys.executable, "-m", "controller.config"], cwd=ROOT, capture_output=True, text=True, timeout=30, check=True
    )
    assert (ROOT / "etc" / "patchbay.ini.sample").read_text() == printed.stdout == sample()


def test_the_sample_shows_every_option_and_changes_nothing(ini: Write) -> None:
    assert load(ini(sample()), {}) == load(None, {})
    lines = [line.removeprefix("#") for line in sample().splitlines() if not line.startswith("# ")]
    shown = load(ini("\n".join(lines)), {})
    assert shown.settings.hosts[0].name == "compute1"
    assert shown.settings.hosts[0].local_ip == "192.0.2.11"
    assert replace(shown, settings=replace(shown.settings, hosts=())) == load(None, {})
    for option in (*sum(SECTIONS.values(), ()), *HOST_OPTIONS):
        assert f"\n#{option.name} =" in sample()
