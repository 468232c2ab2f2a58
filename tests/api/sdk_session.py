"""A program over openstacksdk, run by tests/api/test_sdk.py with the clients' Python: prints what it found as JSON."""

from __future__ import annotations

import json

import openstack
from openstack import exceptions

cloud = openstack.connect(load_envvars=True)
found: dict[str, object] = {}

network = cloud.network.create_network(name="sdk")
subnet = cloud.network.create_subnet(network_id=network.id, ip_version=4, cidr="10.2.0.0/24", name="sdk")
ports = list(cloud.network.create_ports([{"network_id": network.id, "name": f"p{n}"} for n in range(5)]))
found["made"] = len(ports)
found["pages"] = len(list(cloud.network.ports(network_id=network.id, limit=2)))
found["by name"] = cloud.network.find_port("p3", ignore_missing=False).id == ports[3].id
found["missing"] = cloud.network.find_port("nobody") is None
found["renamed"] = cloud.network.update_port(ports[0], name="first").name
try:
    cloud.network.update_network(network.id, name="late", if_revision=network.revision_number + 7)
except exceptions.PreconditionFailedException:
    found["if match"] = "refused"
try:
    cloud.network.delete_network(network)
except exceptions.ConflictException as error:
    found["in use"] = "ports" in str(error)
group = cloud.network.create_security_group(name="sdk")
rule = cloud.network.create_security_group_rule(
    security_group_id=group.id,
    direction="ingress",
    ether_type="IPv4",
    protocol="tcp",
    port_range_min=22,
    port_range_max=22,
)
found["rule"] = rule.protocol
cloud.network.delete_security_group(group)
cloud.network.set_tags(network, ["x", "y"])
found["tags"] = sorted(cloud.network.get_network(network).tags)
found["default group"] = [g.name for g in cloud.network.security_groups(name="default")]
for port in cloud.network.ports(network_id=network.id):
    cloud.network.delete_port(port)
cloud.network.delete_network(network)
found["gone"] = cloud.network.find_network("sdk") is None
print(json.dumps(found))
