"""The INI files of Neutron are read as ours, together, and every option is answered for."""

from __future__ import annotations

import pytest

from controller import config_neutron
from controller.config import ConfigError, load, parse, taken

ML2 = """
[ml2]
type_drivers = flat,vlan,vxlan,gre
tenant_network_types = vlan, gre
mechanism_drivers = openvswitch,l2population
path_mtu = 0
[ml2_type_flat]
flat_networks = public
[ml2_type_vlan]
network_vlan_ranges = physnet1:1000:2999,
    physnet2
[ml2_type_vxlan]
vni_ranges = 1:1000
[ml2_type_gre]
tunnel_id_ranges = 5:9
"""
AGENT = """
[ovs]
bridge_mappings = physnet1:br-eth1,physnet2:br-eth2
integration_bridge = br-int
local_ip = 10.0.0.3
of_inactivity_probe = 10
[agent]
tunnel_types = gre
polling_interval = 2
[securitygroup]
firewall_driver = iptables_hybrid
"""
NEUTRON = """
[DEFAULT]
core_plugin = ml2
bind_host = ::
bind_port = 9797
auth_strategy = keystone
global_physnet_mtu = 9000
transport_url = rabbit://ann:hidden@192.0.2.1
send_events_interval = 3
[database]
connection = mysql+pymysql://neutron:hidden@192.0.2.1/neutron
[keystone_authtoken]
password = hidden
[nova]
auth_url = http://192.0.2.1:5000/v3
auth_type = password
username = nova
password = hidden
[quotas]
quota_port = -1
quota_router = 10
"""


class Files:
    """Some of Neutron's files."""

    def __init__(self, directory, **texts):
        self.files = {}
        for name, text in texts.items():
            path = directory / f"{name}.ini"
            path.write_text(text)
            self.files[str(path)] = parse(str(path))

    @property
    def found(self):
        return config_neutron.read(self.files)

    @property
    def config(self):
        return taken(None, self.found, {})

    def told(self, option):
        """What is said of an option, `[section] name`."""
        (line,) = (line for line in self.found.lines if f" {option}: " in line)
        return line.partition(f"{option}: ")[2]


@pytest.fixture
def files(tmp_path):
    return lambda **texts: Files(tmp_path, **texts)


@pytest.fixture
def whole(files):
    return files(ml2=ML2, agent=AGENT, neutron=NEUTRON)


def test_the_files_are_taken_together(whole):
    config = whole.config
    settings = config.settings
    assert settings.tenant_network_types == ("vlan", "gre")
    assert settings.vlan_ranges == (("physnet1", ((1000, 2999),)), ("physnet2", ()))
    assert settings.flat_networks == ("public",)
    assert settings.tunnel_id_ranges == ((5, 9),), "of the first type of tunnel that projects get"
    assert settings.bridge_mappings == (("physnet1", "br-eth1"), ("physnet2", "br-eth2"))
    assert (settings.global_physnet_mtu, settings.quotas) == (9000, (("port", -1),))
    assert (config.rest.host, config.rest.port, config.access.strategy) == ("", 9797, "keystone")
    assert (config.nova.auth_url, config.nova.password, config.nova.interval) == (
        "http://192.0.2.1:5000/v3",
        "hidden",
        3,
    )


def test_every_option_is_answered_for(whole):
    given = [(section, name) for one in whole.files.values() for section, names in one.items() for name in names]
    for section, name in given:
        assert whole.told(f"[{section}] {name}")
    assert len(whole.found.lines) == len(given)
    assert whole.told("[ml2_type_flat] flat_networks") == "taken as [ovs] flat_networks = public"
    assert whole.told("[ovs] of_inactivity_probe").startswith("no longer applies: there is no agent")
    assert "external_ids:local_ip=ADDRESS" in whole.told("[ovs] local_ip")
    assert whole.told("[quotas] quota_router") == "no longer applies: Patchbay has nothing like it"
    assert whole.told("[keystone_authtoken] password").startswith("copy it")
    assert "segment range create gives vxlan others" in whole.told("[ml2_type_vxlan] vni_ranges")


def test_what_it_prints_means_the_same(whole, tmp_path):
    """Its lines are a patchbay.ini, but for what has to be copied."""
    ours = tmp_path / "patchbay.ini"
    ours.write_text(config_neutron.ini(whole.found).replace("# password: copy it", "password = hidden"))
    config = load(str(ours), {})
    assert (config.settings, config.nova, config.rest) == (whole.config.settings, whole.config.nova, whole.config.rest)


def test_no_password_is_told(whole):
    assert "hidden" not in "\n".join([*whole.found.lines, config_neutron.ini(whole.found)])


def test_the_database_is_where_to_import_from(whole, files):
    assert config_neutron.source(whole.files) == "mysql+pymysql://neutron:hidden@192.0.2.1/neutron"
    assert whole.config.database == load(None, {}).database
    assert config_neutron.source(files(ml2=ML2).files) == ""


@pytest.mark.parametrize(
    ("types", "ranges", "taken_of"),
    [
        ("vxlan", {"vxlan": "1:9", "geneve": "1:9"}, "vxlan"),
        ("geneve,vxlan", {"vxlan": "1:9", "geneve": "5:9"}, "geneve"),
        ("vlan", {"geneve": "5:9"}, "geneve"),
        ("gre", {"vxlan": "5:9"}, "vxlan"),
    ],
)
def test_tunnel_ids_are_those_of_the_first_type_that_has_some(files, types, ranges, taken_of):
    sections = (f"[ml2_type_{type}]\nvni_ranges = {ids}\n" for type, ids in ranges.items())
    read = files(ml2=f"[ml2]\ntenant_network_types = {types}\n{''.join(sections)}")
    assert read.told(f"[ml2_type_{taken_of}] vni_ranges") == f"taken as [ovs] tunnel_id_ranges = {ranges[taken_of]}"
    for other in ranges.keys() - {taken_of}:
        assert read.told(f"[ml2_type_{other}] vni_ranges").startswith("not taken: ")


def test_a_narrower_way_between_hosts_is_taken(files):
    assert files(ml2="[ml2]\npath_mtu = 1400\n").config.settings.path_mtu == 1400


def test_ports_that_nothing_protected_are_told(files):
    read = files(agent="[securitygroup]\nenable_security_group = False\n")
    assert read.told("[securitygroup] enable_security_group").endswith(
        "here they are, unless they were made with false"
    )


def test_drivers_that_stay_with_neutron_are_told(files):
    told = files(ml2="[ml2]\nmechanism_drivers = openvswitch,sriovnicswitch\n").told("[ml2] mechanism_drivers")
    assert told.endswith("what is bound by sriovnicswitch stays with Neutron")


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("[DEFAULT]\ncore_plugin = vmware_nsx.plugin.NsxPlugin\n", "is not ML2, so nothing of it can be taken"),
        ("[ml2]\nmechanism_drivers = ovn\n", "ovn has no openvswitch, so no host of it can join"),
    ],
)
def test_another_neutron_is_not_taken(files, text, told):
    with pytest.raises(ValueError, match=told):
        files(neutron=text).found  # noqa: B018


def test_a_value_that_can_not_be_is_told_with_the_files_own_option(files):
    with pytest.raises(ConfigError, match=r"ml2.ini: \[ml2_type_vlan\] network_vlan_ranges: .*9999"):
        files(ml2=ML2.replace("2999", "9999")).config  # noqa: B018


@pytest.mark.parametrize("text", [ML2, AGENT, NEUTRON, "[agent]\n", "[securitygroup]\n"])
def test_the_controller_is_not_run_by_them(tmp_path, text):
    file = tmp_path / "file.ini"
    file.write_text(text)
    with pytest.raises(ConfigError, match=f"file of Neutron's; patchbay import --neutron-config {file} says"):
        load(str(file), {})
