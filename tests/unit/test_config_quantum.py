"""The INI file of Quantum's Open vSwitch plugin is read as ours, and every option is answered for."""

from __future__ import annotations

import pytest

from controller.config import ConfigError, load

ESSEX = """
[DATABASE]
sql_connection = mysql://root:nova@127.0.0.1:3306/ovs_quantum
reconnect_interval = 2
[OVS]
enable_tunneling = False
integration-bridge = br-int
tunnel-bridge = br-tun
remote-ip-file = /opt/stack/remote-ips.txt
local-ip = 10.0.0.3
[AGENT]
root_helper = sudo
"""
FOLSOM = """
[DATABASE]
sql_connection = sqlite:////tmp/ovs_quantum.sqlite
[OVS]
tenant_network_type = vlan
network_vlan_ranges = physnet1:1000:2999,physnet2
enable_tunneling = True
tunnel_id_ranges = 1:1000
bridge_mappings = physnet1:br-eth1
integration_bridge = xapi1
tunnel_bridge = br-tun
local_ip = 10.0.0.3
"""


@pytest.fixture
def read(tmp_path):
    def write_and_read(text, **overrides):
        file = tmp_path / "ovs_quantum_plugin.ini"
        file.write_text(text)
        return load(str(file), overrides)

    return write_and_read


def told(config, option):
    """What is said of an option."""
    (line,) = (note for note in config.notes if f" {option}: " in note)
    return line.partition(f"{option}: ")[2]


def test_a_file_of_folsom_is_taken_over(read):
    config = read(FOLSOM)
    assert config.database == "sqlite:////tmp/ovs_quantum.sqlite"
    settings = config.settings
    assert settings.integration_bridge == "xapi1"
    assert settings.tenant_network_types == ("vlan",)
    assert settings.vlan_ranges == (("physnet1", ((1000, 2999),)), ("physnet2", ()))
    assert settings.tunnel_id_ranges == ((1, 1000),)
    assert settings.bridge_mappings == (("physnet1", "br-eth1"),)


def test_every_option_is_answered_for(read):
    config = read(FOLSOM)
    assert len(config.notes) == 9
    assert told(config, "network_vlan_ranges") == "taken as [ovs] network_vlan_ranges = physnet1:1000:2999,physnet2"
    assert told(config, "sql_connection") == "taken as [database] connection"
    assert told(config, "tunnel_bridge") == "no longer applies: tunnels are ports of the integration bridge"
    assert "external_ids:local_ip=ADDRESS" in told(config, "local_ip")
    assert told(config, "enable_tunneling").startswith("no longer applies: ")


def test_before_folsom_networks_are_vlans_of_the_trunk_on_the_integration_bridge(read):
    settings = read(ESSEX).settings
    assert settings.tenant_network_types == ("vlan",)
    assert settings.vlan_ranges == (("physnet1", ((1, 4094),)),)
    assert settings.bridge_mappings == (("physnet1", "br-int"),)


def test_or_gre_tunnels_where_those_were_enabled(read):
    config = read(ESSEX.replace("enable_tunneling = False", "enable_tunneling = True"))
    assert (config.settings.tenant_network_types, config.settings.bridge_mappings) == (("gre",), ())
    assert told(config, "enable_tunneling") == "taken as [ovs] tenant_network_type = gre"


def test_a_password_is_not_told(read):
    assert not [note for note in read(ESSEX).notes if "nova" in note]


def test_none_as_the_type_of_tenants_networks_is_no_type(read):
    config = read(FOLSOM.replace("tenant_network_type = vlan", "tenant_network_type = none"))
    assert config.settings.tenant_network_types == ()


def test_the_command_line_goes_before_the_file(read):
    assert read(FOLSOM, database="sqlite://").database == "sqlite://"


def test_a_value_that_can_not_be_is_told_with_the_files_own_option(read):
    with pytest.raises(ConfigError, match=r"plugin.ini: \[OVS\] network_vlan_ranges: .*9999"):
        read(FOLSOM.replace("2999", "9999"))


def test_what_is_empty_or_unknown_is_left(read):
    config = read(FOLSOM + "veth_mtu = 1400\nfoo =\n")
    assert told(config, "veth_mtu") == "no longer applies: Patchbay has nothing like it"
    assert told(config, "foo") == "no longer applies: it is empty"


def test_our_own_file_has_no_notes(read):
    assert read("[ovs]\nintegration_bridge = br-int\n").notes == ()
