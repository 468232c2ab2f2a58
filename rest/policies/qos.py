"""Quality of service: policies and their rules."""

from __future__ import annotations

from rest.policies.language import ADMIN, ANY_READER, MANAGER, PARENT_MANAGER, PARENT_READER, READER, either, rules

RULES = rules(
    ("field:policies:shared=True", "shared_qos_policy"),
    ("rule:get_policy_minimum_packet_rate_rule", "get_alias_minimum_packet_rate_rule"),
    ("rule:update_policy_minimum_packet_rate_rule", "update_alias_minimum_packet_rate_rule"),
    ("rule:delete_policy_minimum_packet_rate_rule", "delete_alias_minimum_packet_rate_rule"),
    (either(ADMIN, READER, "rule:shared_qos_policy"), "get_policy get_policy:tags"),
    (
        either(ADMIN, MANAGER),
        "create_policy create_policy:tags update_policy update_policy:tags delete_policy delete_policy:tags",
    ),
    (ANY_READER, "get_rule_type"),
    (
        either(ADMIN, PARENT_READER),
        "get_policy_bandwidth_limit_rule get_policy_packet_rate_limit_rule get_policy_dscp_marking_rule "
        "get_policy_minimum_bandwidth_rule get_policy_minimum_packet_rate_rule get_alias_bandwidth_limit_rule "
        "get_alias_dscp_marking_rule get_alias_minimum_bandwidth_rule",
    ),
    (
        either(ADMIN, PARENT_MANAGER),
        "create_policy_bandwidth_limit_rule update_policy_bandwidth_limit_rule delete_policy_bandwidth_limit_rule "
        "create_policy_packet_rate_limit_rule update_policy_packet_rate_limit_rule "
        "delete_policy_packet_rate_limit_rule create_policy_dscp_marking_rule update_policy_dscp_marking_rule "
        "delete_policy_dscp_marking_rule create_policy_minimum_bandwidth_rule "
        "update_policy_minimum_bandwidth_rule delete_policy_minimum_bandwidth_rule "
        "create_policy_minimum_packet_rate_rule update_policy_minimum_packet_rate_rule "
        "delete_policy_minimum_packet_rate_rule update_alias_bandwidth_limit_rule "
        "delete_alias_bandwidth_limit_rule update_alias_dscp_marking_rule delete_alias_dscp_marking_rule "
        "update_alias_minimum_bandwidth_rule delete_alias_minimum_bandwidth_rule",
    ),
)
