"""Subnet pools, address scopes and address groups."""

from __future__ import annotations

from rest.policies.language import ADMIN, MEMBER, READER, either, rules

RULES = rules(
    ("field:subnetpools:shared=True", "shared_subnetpools"),
    ("field:address_scopes:shared=True", "shared_address_scopes"),
    ("field:address_groups:shared=True", "shared_address_groups"),
    (
        either(ADMIN, MEMBER),
        "create_subnetpool create_subnetpool:tags update_subnetpool update_subnetpool:tags delete_subnetpool "
        "delete_subnetpool:tags onboard_network_subnets add_prefixes remove_prefixes create_address_scope "
        "update_address_scope delete_address_scope create_address_group update_address_group delete_address_group "
        "add_addresses remove_addresses",
    ),
    (
        ADMIN,
        "create_subnetpool:shared create_subnetpool:is_default update_subnetpool:is_default "
        "create_address_scope:shared update_address_scope:shared",
    ),
    (either(ADMIN, READER, "rule:shared_subnetpools"), "get_subnetpool get_subnetpool:tags"),
    (either(ADMIN, READER, "rule:shared_address_scopes"), "get_address_scope"),
    (either(ADMIN, READER, "rule:shared_address_groups"), "get_address_group"),
)
