"""python-openstackclient, as an operator types it."""

from __future__ import annotations

import pytest


@pytest.fixture(scope="module")
def network(openstack):
    """A network of kim's with a subnet."""
    made = openstack("network create blue --tag team-a", user="kim")
    openstack("subnet create blue-v4 --network blue --subnet-range 10.1.0.0/24 --dns-nameserver 192.0.2.53", user="kim")
    return made


def named(listed, name):
    return [item for item in listed if item["Name"] == name]


def test_token_and_catalogue(openstack):
    assert openstack("token issue", user="kim")["project_id"]
    assert {service["Type"] for service in openstack("catalog list")} == {"identity", "network"}


def test_projects_users_and_roles(openstack):
    assert {"admin", "blue"} <= {project["Name"] for project in openstack("project list")}
    made = openstack("project create green --description grass")
    assert made["description"] == "grass"
    openstack("user create pat --password pat-secret --project green")
    openstack("role add --project green --user pat member")
    grants = openstack("role assignment list --project green --names")
    assert [(grant["User"], grant["Role"]) for grant in grants] == [("pat@Default", "member")]
    openstack("user delete pat")
    openstack("project delete green")
    assert not named(openstack("project list"), "green")


def test_networks(openstack, network):
    assert network["status"] == "ACTIVE"
    (listed,) = named(openstack("network list", user="rae"), "blue")
    assert listed["ID"] == network["id"]
    openstack("network set blue --description sky", user="kim")
    shown = openstack("network show blue", user="kim")
    assert (shown["description"], shown["tags"]) == ("sky", ["team-a"])
    assert openstack("network list --tags team-a", user="kim")[0]["Name"] == "blue"
    provider = openstack(
        "network create wire --provider-network-type vlan --provider-physical-network physnet1 --provider-segment 1234"
    )
    assert provider["provider:segmentation_id"] == 1234
    openstack("network delete wire")


def test_a_reader_only_reads(openstack, network):
    refused = openstack("network delete blue", user="rae", fails=True)
    assert "delete_network" in refused and "policy" in refused


def test_subnets(openstack, network):
    shown = openstack("subnet show blue-v4", user="kim")
    assert shown["allocation_pools"] == [{"start": "10.1.0.2", "end": "10.1.0.254"}]
    openstack("subnet set blue-v4 --host-route destination=10.9.0.0/16,gateway=10.1.0.9", user="kim")
    assert openstack("subnet show blue-v4", user="kim")["host_routes"]
    openstack(
        "subnet create blue-v6 --network blue --ip-version 6 --ipv6-ra-mode slaac --ipv6-address-mode slaac "
        "--subnet-range 2001:db8:1::/64",
        user="kim",
    )
    assert {"blue-v4", "blue-v6"} <= {subnet["Name"] for subnet in openstack("subnet list", user="kim")}


def test_ports_and_security_groups(openstack, network):
    group = openstack("security group create web --description pages", user="kim")
    openstack("security group rule create web --protocol tcp --dst-port 443 --remote-ip 0.0.0.0/0", user="kim")
    rules = openstack("security group rule list web", user="kim")
    assert {"443:443"} <= {rule["Port Range"] for rule in rules}
    port = openstack("port create p1 --network blue --security-group web --fixed-ip ip-address=10.1.0.77", user="kim")
    assert port["security_group_ids"] == [group["id"]]
    assert port["status"] == "DOWN"
    assert [item["Name"] for item in openstack("port list --fixed-ip ip-address=10.1.0.77", user="kim")] == ["p1"]
    openstack("port set p1 --allowed-address ip-address=10.1.0.99", user="kim")
    openstack("port unset p1 --security-group web", user="kim")
    openstack("port delete p1", user="kim")
    openstack("security group delete web", user="kim")


def test_address_groups(openstack):
    openstack("address group create office --address 192.0.2.0/28", user="kim")
    openstack("address group set office --address 198.51.100.7", user="kim")
    assert len(openstack("address group show office", user="kim")["addresses"]) == 2
    openstack("address group delete office", user="kim")


def test_pools_and_scopes(openstack):
    openstack("address scope create inside --ip-version 4", user="kim")
    openstack(
        "subnet pool create pool --pool-prefix 10.64.0.0/16 --default-prefix-length 26 --address-scope inside",
        user="kim",
    )
    openstack("network create pooled", user="kim")
    made = openstack("subnet create s --network pooled --subnet-pool pool", user="kim")
    assert made["cidr"] == "10.64.0.0/26"
    openstack("network delete pooled", user="kim")
    openstack("subnet pool delete pool", user="kim")
    openstack("address scope delete inside", user="kim")


def test_sharing(openstack, network):
    openstack("project create red")
    policy = openstack("network rbac create blue --type network --action access_as_shared --target-project red")
    assert openstack("network rbac show " + policy["id"])["action"] == "access_as_shared"
    openstack("network rbac delete " + policy["id"])
    openstack("project delete red")


def test_quotas(openstack):
    openstack("quota set blue --networks 7")
    shown = openstack("quota show blue --network", user="admin")
    values = {item["Resource"]: item["Limit"] for item in shown} if isinstance(shown, list) else shown
    assert values["networks"] == 7
    openstack("quota delete blue --network")


def test_operators_lists(openstack, network):
    assert openstack("network agent list") == []
    assert openstack("ip availability list")
    assert openstack("extension list --network")
    assert openstack("availability zone list --network") is not None
