"""`patchbay import`: a database of Neutron or Quantum becomes ours, with the ids, addresses and numbers that it has."""

from __future__ import annotations

import pytest
from sqlalchemy import create_engine, inspect

from apps.port_bindings import PortBinding
from apps.security_groups.templates import FIRST
from controller.cli import run
from controller.core.app import load
from controller.core.model import Attachment, Network, Port, Quota, Segment
from controller.core.packet import ethernet
from controller.core.row import KINDS
from controller.core.settings import Settings
from controller.io.store import Store
from tests.db import foreign
from tests.db.foreign import (
    AGENT,
    BLUE,
    EXT_NET,
    GROUP,
    IN,
    MAC,
    NET,
    OTHER_NET,
    OTHER_SUBNET,
    OUT,
    OUT6,
    OWN,
    PEER,
    PEER_MAC,
    POOL,
    PORT,
    RED,
    RULE,
    SEGMENT,
    SUBNET,
    SUBNET6,
)
from tests.db.plans import put
from tests.rest.api import Api
from tests.world.world import World

SETTINGS = Settings(vlan_ranges=(("physnet1", ((100, 199),)),))
BUILDERS = {"neutron": foreign.neutron, "quantum": foreign.quantum, "v1": foreign.quantum_v1}
SERVED = ("postgresql", "mariadb")


class Import:
    """A source of a kind, and our own database beside it."""

    def __init__(self, tmp_path, capsys):
        self.path, self.capsys = tmp_path, capsys
        self.source = f"sqlite:///{tmp_path}/source.db"
        self.own = f"sqlite:///{tmp_path}/patchbay.db"
        self.config = tmp_path / "patchbay.ini"
        self.config.write_text("[ovs]\nnetwork_vlan_ranges = physnet1:100:199\n")

    def build(self, kind="neutron", **changed):
        """Make the source; `changed` replaces tables."""
        tables = BUILDERS[kind]() | changed
        foreign.build(self.source, {name: rows for name, rows in tables.items() if rows})

    def __call__(self, *more):
        """Run the command; (exit code, what it printed)."""
        arguments = ["import", "--from", self.source, "--database", self.own, "--config", str(self.config), *more]
        code = run(arguments)
        out, err = self.capsys.readouterr()
        return code, out + err

    def api(self):
        return Api(store=Store(self.own, SETTINGS), apps=load())

    def taken(self, kind="neutron", **changed):
        """Build it, take it over, and give the API of what came of it."""
        self.build(kind, **changed)
        code, out = self("--apply")
        assert code == 0, out
        return self.api()


def require(api, path, expected):
    """An object has these attributes, whatever it has besides."""
    shown = api.get(path)
    assert {name: shown[name] for name in expected} == expected


@pytest.fixture
def importing(tmp_path, capsys):
    return Import(tmp_path, capsys)


def clashes(out):
    return [line.removeprefix("clash: ") for line in out.splitlines() if line.startswith("clash: ")]


# ---------------------------------------------------------------------------------------------------------------------
# Neutron


def test_a_dry_run_says_what_would_be_made_and_writes_nothing(importing):
    importing.build()
    code, out = importing()
    assert code == 0
    lines = {line.split()[0]: line.split()[1:] for line in out.splitlines() if len(line.split()) == 3}
    assert (lines["Network"], lines["Port"], lines["Segment"]) == (["3", "0"], ["3", "0"], ["3", "0"])
    assert "Nothing was written.  --apply does it." in out
    assert not (importing.path / "patchbay.db").exists()


def test_networks_keep_their_ids_and_numbers(importing):
    api = importing.taken()
    expected = {
        "id": NET,
        "project_id": BLUE,
        "name": "blue",
        "description": "first network",
        "mtu": 1500,
        "provider:network_type": "vlan",
        "provider:physical_network": "physnet1",
        "provider:segmentation_id": 150,
        "subnets": [SUBNET, SUBNET6],
        "tags": ["blue", "red"],
        "created_at": "2026-01-02T03:04:05Z",
        "shared": False,
        "router:external": False,
        "port_security_enabled": True,
        "dns_domain": "blue.example.",
        "revision_number": 1,
        "admin_state_up": True,
    }
    require(api, f"/v2.0/networks/{NET}", expected)
    other, public = api.get(f"/v2.0/networks/{OTHER_NET}"), api.get(f"/v2.0/networks/{EXT_NET}")
    assert (other["provider:network_type"], other["provider:segmentation_id"], other["mtu"]) == ("vxlan", 77, 1450)
    assert (public["provider:network_type"], public["router:external"]) == ("flat", True)
    assert api.get(f"/v2.0/segments/{SEGMENT}")["segmentation_id"] == 150


def test_subnets_keep_their_pools_servers_and_routes(importing):
    api = importing.taken()
    expected = {
        "cidr": "10.0.0.0/24",
        "gateway_ip": "10.0.0.1",
        "enable_dhcp": True,
        "subnetpool_id": POOL,
        "allocation_pools": [{"start": "10.0.0.2", "end": "10.0.0.99"}],
        "dns_nameservers": ["192.0.2.53", "9.9.9.9"],
        "host_routes": [{"destination": "10.9.0.0/16", "nexthop": "10.0.0.9"}],
    }
    require(api, f"/v2.0/subnets/{SUBNET}", expected)
    assert api.get(f"/v2.0/subnets/{SUBNET6}")["ipv6_address_mode"] == "slaac"
    assert api.get(f"/v2.0/subnets/{OTHER_SUBNET}")["gateway_ip"] is None
    assert api.get(f"/v2.0/subnetpools/{POOL}")["prefixes"] == ["10.0.0.0/8"]


def test_ports_keep_their_macs_addresses_and_bindings(importing):
    api = importing.taken()
    expected = {
        "network_id": NET,
        "mac_address": MAC,
        "device_id": "vm1",
        "device_owner": "compute:nova",
        "fixed_ips": [
            {"subnet_id": SUBNET, "ip_address": "10.0.0.5"},
            {"subnet_id": SUBNET6, "ip_address": "fd00::f816:3eff:fe00:1"},
        ],
        "binding:host_id": "h1",
        "binding:vnic_type": "normal",
        "binding:profile": {"os_vif_delegation": True},
        "security_groups": [GROUP],
        "port_security_enabled": True,
        "dns_name": "vm1",
        "description": "a port",
        "allowed_address_pairs": [{"mac_address": MAC, "ip_address": "10.0.0.77"}],
        "extra_dhcp_opts": [{"opt_name": "bootfile-name", "opt_value": "pxelinux.0", "ip_version": 4}],
    }
    require(api, f"/v2.0/ports/{PORT}", expected)
    peer, agent = api.get(f"/v2.0/ports/{PEER}"), api.get(f"/v2.0/ports/{AGENT}")
    assert (peer["security_groups"], peer["port_security_enabled"]) == ([], True)
    assert (agent["port_security_enabled"], agent["device_owner"]) == (False, "network:dhcp")
    assert api.store.net.get(PortBinding, (PORT, "h9")) is not None


def test_security_groups_and_sharing_are_taken_over(importing):
    api = importing.taken()
    (group,) = api.get(f"/v2.0/security-groups?project_id={BLUE}")
    rules = {rule["id"]: rule for rule in group["security_group_rules"]}
    rule = rules[RULE]
    assert (rule["protocol"], rule["port_range_min"], rule["remote_ip_prefix"]) == ("tcp", 22, "10.0.0.0/8")
    assert len(rules) == 2
    policies = api.get("/v2.0/rbac-policies")
    assert {(policy["object_id"], policy["target_tenant"]) for policy in policies} == {(NET, RED), (EXT_NET, "*")}
    assert api.store.net.get(Quota, (BLUE, "network")).limit == 7


TEMPLATES = "/v2.0/default-security-group-rules"


def test_what_new_security_groups_begin_with_is_as_it_was(importing):
    """The templates keep their ids; the one that was removed there is none here either."""
    importing.build()
    _, out = importing()
    assert "DefaultSecurityGroupRule 4 0" in " ".join(out.split())
    told = "removed, for they were removed there: 1 DefaultSecurityGroupRule that are here from the start"
    assert told in out.splitlines()
    api = importing.taken()
    assert {template["id"] for template in api.get(TEMPLATES)} == {OUT, OUT6, IN, OWN}
    own = {"protocol": "tcp", "port_range_max": 22, "remote_group_id": None, "description": "administrators come in"}
    require(api, f"{TEMPLATES}/{OWN}", {**own, "used_in_default_sg": False, "used_in_non_default_sg": True})
    reply = api("POST", "/v2.0/security-groups", {"security_group": {"name": "web", "project_id": RED}})
    rules = {
        (rule["direction"], rule["ethertype"], rule["protocol"])
        for rule in reply.body["security_group"]["security_group_rules"]
    }
    assert rules == {("egress", "IPv4", None), ("egress", "IPv6", None), ("ingress", "IPv4", "tcp")}
    (default,) = api.get(f"/v2.0/security-groups?project_id={RED}&name=default")
    inside = [rule for rule in default["security_group_rules"] if rule["direction"] == "ingress"]
    assert [(rule["ethertype"], rule["remote_group_id"]) for rule in inside] == [("IPv4", default["id"])]


def test_templates_of_before_there_were_any_are_those_from_the_start(importing):
    api = importing.taken(securitygroupdefaultrules=[])
    assert {template["id"] for template in api.get(TEMPLATES)} == {first.id for first in FIRST}


def test_a_template_that_an_operator_made_here_is_a_clash(importing):
    api = importing.api()
    body = {"direction": "ingress", "protocol": "tcp", "port_range_min": 22, "port_range_max": 22}
    mine = api("POST", TEMPLATES, {"default_security_group_rule": body}).body["default_security_group_rule"]["id"]
    api.store.close()
    importing.build()
    code, out = importing("--apply")
    assert code == 1
    assert clashes(out) == [f"DefaultSecurityGroupRule {OWN}: default security group rule {mine} says the same already"]
    assert {template["id"] for template in importing.api().get(TEMPLATES)} == {mine, *(first.id for first in FIRST)}


def test_templates_refer_to_what_is_there(importing):
    templates = foreign.neutron()["securitygroupdefaultrules"]
    templates[1] |= {"remote_group_id": NET, "remote_address_group_id": None}
    templates[3] |= {"protocol": None}
    importing.build(securitygroupdefaultrules=templates)
    code, out = importing()
    assert code == 1
    assert (
        f"DefaultSecurityGroupRule {OUT6}: it refers to SecurityGroup {NET}, which is neither there nor taken over"
        in clashes(out)
    )
    assert any(
        clash.startswith(f"default security group rule {OWN}: ") and "protocol" in clash for clash in clashes(out)
    )


def test_what_is_made_next_takes_nothing_that_is_taken(importing):
    api = importing.taken(networks=foreign.neutron()["networks"])
    made = api.make("network", name="next", provider__network_type="vlan", provider__physical_network="physnet1")
    assert made["provider:segmentation_id"] != 150
    port = api.make("port", network_id=NET)
    assert port["fixed_ips"][0]["ip_address"] not in ("10.0.0.5", "10.0.0.6")
    keys = [row.key for row in api.store.net.all(Network)]
    assert len(set(keys)) == len(keys) == 4 and 0 not in keys


def test_what_has_no_place_is_counted_and_what_is_odd_is_told(importing):
    importing.build(
        routers=foreign.neutron()["routers"],
        vpnthings=[{"id": "1"}],
        agents=[{"id": "1", "host": "h1"}],
    )
    _, out = importing()
    assert "there is no place for it yet: 2 floating IPs" in out
    assert [line.split(": ")[1] for line in out.splitlines() if "rows of the table" in line] == [
        "1 rows of the table vpnthings"
    ]
    assert "agents" not in out.replace("DHCP agents", "").replace("the agents are gone", "")
    assert "there is no place for it yet: 1 routers" in out
    assert "there is no place for it yet: 1 quotas of router" in out
    assert "ml2_vlan_allocations: no network has vlan 151, though allocated; free here" in out
    assert "1 ports are of DHCP agents" in out


def test_doing_it_again_changes_nothing(importing):
    api = importing.taken()
    revision = api.store.revision
    api.store.close()
    code, out = importing("--apply")
    assert code == 0 and "Nothing was new." in out
    assert importing.api().store.revision == revision


def test_what_was_changed_here_since_stays(importing):
    api = importing.taken()
    assert api("PUT", f"/v2.0/ports/{PORT}", {"port": {"name": "mine"}}).status == 200
    api.store.close()
    assert importing("--apply")[0] == 0
    assert importing.api().get(f"/v2.0/ports/{PORT}")["name"] == "mine"


def test_what_was_cut_off_is_completed(importing, monkeypatch):
    importing.build()
    monkeypatch.setattr("controller.takeover.command.BATCH", 4)
    whole = Store.execute
    batches = []

    def fails_later(store, plan, **more):
        batches.append(plan)
        if len(batches) == 6:
            raise KeyboardInterrupt
        return whole(store, plan, **more)

    monkeypatch.setattr(Store, "execute", fails_later)
    with pytest.raises(KeyboardInterrupt):
        importing("--apply")
    monkeypatch.setattr(Store, "execute", whole)
    assert importing("--apply")[0] == 0
    store = importing.api().store
    assert (store.net.count(Network), store.net.count(Port)) == (3, 3)


def test_the_source_is_left_as_it_is(importing):
    importing.taken().store.close()
    tables = set(inspect(create_engine(importing.source)).get_table_names())
    assert "journal" not in tables and tables == set(foreign.neutron())


def test_flows_follow_from_what_was_taken_over(importing):
    unprotected = [{"port_id": id, "port_security_enabled": False} for id in (PORT, PEER, AGENT)]
    api = importing.taken(portsecuritybindings=unprotected, securitygroupportbindings=[], allowedaddresspairs=[])
    world = World(SETTINGS)
    hosts = world.host(), world.host()
    world.settle()
    stored = [kind for kind in KINDS.values() if kind.ROW.store]
    world.write(put(*(row for kind in stored for row in api.store.net.all(kind))))
    ports = [world.store.net.get(Port, id) for id in (PORT, PEER)]
    for port, host in zip(ports, hosts, strict=True):
        world.plug(port, host)
    world.settle()
    delivery = world.send(ports[0], ethernet(MAC, PEER_MAC))
    assert world.places(delivery) == [PEER]
    on_the_wire = {hop.packet["vlan_vid"] & 0xFFF for hop in delivery.hops if hop.depth == 2}
    assert on_the_wire == {150}


NEUTRON_INI = """
[DEFAULT]
core_plugin = ml2
[database]
connection = {url}
[ml2]
tenant_network_types = vlan
[ml2_type_vlan]
network_vlan_ranges = physnet9:1:9
"""


def test_neutrons_own_files_say_where_its_database_is_and_what_patchbays_would_be(importing, tmp_path):
    importing.build()
    file = tmp_path / "neutron.conf"
    file.write_text(NEUTRON_INI.format(url=importing.source))
    arguments = ["import", "--neutron-config", str(file), "--database", importing.own, "--apply"]
    assert run(arguments) == 0
    out = importing.capsys.readouterr().out
    assert "[ovs]\ntenant_network_type = vlan\nnetwork_vlan_ranges = physnet9:1:9\n" in out
    assert "physical network physnet1 is not in [ovs] network_vlan_ranges" in out, "they count"
    assert importing.api().get(f"/v2.0/networks/{NET}")["provider:segmentation_id"] == 150
    assert run([*arguments, "--config", str(importing.config)]) == 0
    assert "is not in [ovs] network_vlan_ranges" not in importing.capsys.readouterr().out, "ours counts, if it is there"


def test_neutrons_files_alone_are_only_told(importing, tmp_path):
    file = tmp_path / "ml2_conf.ini"
    file.write_text("[ml2]\ntenant_network_types = vlan\n")
    assert run(["import", "--neutron-config", str(file), "--apply"]) == 0
    told = f"{file}: [ml2] tenant_network_types: taken as [ovs] tenant_network_type = vlan\n\nIn patchbay.ini this is:"
    assert importing.capsys.readouterr().out.startswith(told)
    assert run(["import", "--neutron-config", f"{file}x"]) == 2
    file.write_text("[ml2]\nmechanism_drivers = ovn\n")
    assert run(["import", "--neutron-config", str(file)]) == 2
    assert "mechanism_drivers: ovn has no openvswitch" in importing.capsys.readouterr().err


# ---------------------------------------------------------------------------------------------------------------------
# What clashes


def test_a_vlan_that_a_network_here_has_is_a_clash(importing):
    api = importing.api()
    mine = api.make(
        "network", provider__network_type="vlan", provider__physical_network="physnet1", provider__segmentation_id=150
    )
    revision = api.store.revision
    api.store.close()
    importing.build()
    code, out = importing("--apply")
    assert code == 1
    assert clashes(out) == [f"Segment {SEGMENT}: vlan 150 of physnet1 is that of network {mine['id']} already"]
    assert importing.api().store.revision == revision


def test_addresses_and_macs_clash_in_the_source_itself_too(importing):
    ports, held = foreign.neutron()["ports"], foreign.neutron()["ipallocations"]
    ports[1]["mac_address"] = MAC
    held[3] |= {"port_id": AGENT, "ip_address": "10.0.0.5", "subnet_id": SUBNET}
    importing.build(ports=ports, ipallocations=held)
    code, out = importing()
    assert code == 1
    assert f"Port {PEER}: MAC address {MAC} is that of port {PORT} on the same network" in clashes(out)
    told = f"Port {AGENT}: address 10.0.0.5 is of subnet {SUBNET}, which is of another network"
    assert told in clashes(out)


def test_what_refers_to_nothing_is_a_clash(importing):
    importing.build(networks=foreign.neutron()["networks"][1:])
    code, out = importing("--apply")
    assert code == 1
    assert f"Port {PORT}: it refers to Network {NET}, which is neither there nor taken over" in clashes(out)


def test_a_default_group_that_is_another_one_is_a_clash(importing):
    api = importing.api()
    api.make("network", project_id=BLUE)
    (mine,) = api.get(f"/v2.0/security-groups?project_id={BLUE}&name=default")
    api.store.close()
    importing.build()
    code, out = importing()
    assert code == 1
    told = f"SecurityGroup {GROUP} (default): project {BLUE} has a default security group already, {mine['id']}"
    assert told in clashes(out)


def test_values_that_can_not_be_are_clashes(importing):
    tables = foreign.neutron()
    tables["networksegments"][1]["network_type"] = "stt"
    tables["ports"][0]["mac_address"] = "nonsense"
    importing.build(**tables)
    code, out = importing()
    assert code == 1
    assert any("there are no networks of the type 'stt'" in clash for clash in clashes(out))
    assert any("'nonsense' is not a valid MAC address" in clash for clash in clashes(out))


@pytest.mark.parametrize(
    ("source", "told"),
    [
        ("sqlite:////nowhere/x.db", "there is no such file"),
        ("nonsense", "is not the URL of a database"),
    ],
)
def test_a_source_that_can_not_be_read_is_told_in_one_line(importing, source, told):
    importing.source = source
    code, out = importing()
    assert code == 2 and told in out and len(out.splitlines()) == 1


def test_a_database_that_is_neither_is_not_taken(importing):
    foreign.build(importing.source, {"books": [{"id": "1"}]})
    code, out = importing()
    assert code == 2 and "neither Neutron's (ML2) nor Quantum's" in out


# ---------------------------------------------------------------------------------------------------------------------
# Quantum


def test_quantums_database_is_taken_over(importing):
    api = importing.taken("quantum")
    network, other = api.get(f"/v2.0/networks/{NET}"), api.get(f"/v2.0/networks/{OTHER_NET}")
    assert (network["provider:segmentation_id"], network["shared"], network["project_id"]) == (150, True, BLUE)
    assert (other["provider:network_type"], other["provider:segmentation_id"], other["mtu"]) == ("gre", 9, 1458)
    subnet = api.get(f"/v2.0/subnets/{SUBNET}")
    assert subnet["host_routes"] == [{"destination": "10.9.0.0/16", "nexthop": "10.0.0.9"}]
    port = api.get(f"/v2.0/ports/{PORT}")
    assert (port["mac_address"], port["fixed_ips"][0]["ip_address"]) == (MAC, "10.0.0.5")
    assert port["port_security_enabled"] is False  # nothing protected it there
    api.store.close()
    assert "Nothing was new." in importing("--apply")[1]


def test_the_database_of_quantum_v1_is_taken_over(importing):
    api = importing.taken("v1")
    network, other = api.get(f"/v2.0/networks/{NET}"), api.get(f"/v2.0/networks/{OTHER_NET}")
    assert (network["name"], network["provider:network_type"]) == ("network1", "vlan")
    assert (network["provider:physical_network"], network["provider:segmentation_id"]) == ("physnet1", 1)
    assert other["provider:network_type"] == "local"
    port, peer = api.get(f"/v2.0/ports/{PORT}"), api.get(f"/v2.0/ports/{PEER}")
    assert (port["admin_state_up"], peer["admin_state_up"]) == (True, False)
    assert port["mac_address"] != peer["mac_address"]
    assert (port["fixed_ips"], port["project_id"]) == ([], "t1")
    assert {held.port_id: held.vif_id for held in api.store.net.all(Attachment)} == {PORT: "foo"}


def test_an_interface_is_that_of_one_port(importing):
    ports = foreign.quantum_v1()["ports"]
    ports[1]["interface_id"] = "foo"
    importing.build("v1", ports=ports)
    code, out = importing()
    assert code == 1
    assert clashes(out) == [f"Attachment {PEER}: interface foo is that of port {PORT} already"]


def test_the_plugins_own_file_says_where_its_database_is(importing, tmp_path):
    importing.build("v1")
    file = tmp_path / "ovs_quantum_plugin.ini"
    file.write_text(f"[DATABASE]\nsql_connection = {importing.source}\n[OVS]\nintegration_bridge = br-int\n")
    assert run(["import", "--config", str(file), "--apply"]) == 0
    out = importing.capsys.readouterr().out
    assert "[DATABASE] sql_connection: taken as [database] connection" in out
    store = Store(importing.source, SETTINGS)
    assert {row.segmentation_id for row in store.net.all(Segment)} == {1, None}
    store.close()


# ---------------------------------------------------------------------------------------------------------------------
# Other databases


@pytest.mark.parametrize("kind", SERVED, indirect=True)
def test_a_source_on_a_server_is_read_alike(importing, kind, url):
    importing.source = url
    api = importing.taken()
    rows = {row for row_type in (Network, Segment, Port) for row in api.store.net.all(row_type)}
    api.store.close()
    beside = importing.path / "beside"
    beside.mkdir()
    again = Import(beside, importing.capsys)
    assert {row for row_type in (Network, Segment, Port) for row in again.taken().store.net.all(row_type)} == rows
