"""What operators look after: agents, quotas, sharing, flavors, metering, logs."""

from __future__ import annotations

from rest.policies.language import ADMIN, ANY_READER, MANAGER, MEMBER, ONE_PROJECT, READER, either, rules

RULES = rules(
    (
        ADMIN,
        "create_agent get_agent update_agent delete_agent create_dhcp-network get_dhcp-networks "
        "delete_dhcp-network create_l3-router get_l3-routers update_l3-router delete_l3-router get_dhcp-agents "
        "get_l3-agents update_quota delete_quota create_flavor update_flavor delete_flavor create_service_profile "
        "get_service_profile update_service_profile delete_service_profile create_flavor_service_profile "
        "delete_flavor_service_profile",
    ),
    (
        either(ADMIN, READER),
        "get_auto_allocated_topology get_rbac_policy get_flavor_service_profile get_metering_label "
        "get_metering_label_rule",
    ),
    (
        either(ADMIN, MEMBER),
        "delete_auto_allocated_topology create_rbac_policy update_rbac_policy delete_rbac_policy",
    ),
    (ADMIN, "patchbay_inspect"),
    (
        ANY_READER,
        "patchbay_convergence get_availability_zone get_flavor get_service_provider",
    ),
    (
        either(ADMIN, MANAGER),
        "get_quota get_loggable_resource create_log get_log update_log delete_log create_metering_label "
        "delete_metering_label create_metering_label_rule delete_metering_label_rule",
    ),
    (
        either(ADMIN, ONE_PROJECT),
        "restrict_wildcard create_rbac_policy:target_tenant update_rbac_policy:target_tenant",
    ),
    (
        either(ADMIN, "not field:rbac_policy:target_project=*"),
        "create_rbac_policy:target_project update_rbac_policy:target_project",
    ),
)
