"""Security groups and their rules, the default ones included."""

from __future__ import annotations

from rest.policies.language import ADMIN, ANY_READER, MANAGER, MEMBER, READER, SERVICE, either, rules

RULES = rules(
    ("rule:context_is_admin or project_id:%(security_group:project_id)s", "admin_or_sg_owner"),
    ("rule:owner or rule:admin_or_sg_owner", "admin_owner_or_sg_owner"),
    ("field:security_groups:shared=True", "shared_security_group"),
    ("field:security_group_rules:belongs_to_default_sg=True", "rule_default_sg"),
    (either(ADMIN, SERVICE, READER), "create_default_security_group"),
    (
        either(ADMIN, MEMBER),
        "create_security_group create_security_group:tags update_security_group update_security_group:tags "
        "delete_security_group delete_security_group:tags",
    ),
    (either(ADMIN, READER, "rule:shared_security_group"), "get_security_group get_security_group:tags"),
    (either(ADMIN, "role:member and rule:sg_owner"), "create_security_group_rule delete_security_group_rule"),
    (either(ADMIN, "role:reader and rule:sg_owner"), "get_security_group_rule"),
    (
        either(ADMIN, MANAGER),
        "create_security_groups_default_statefulness update_security_groups_default_statefulness "
        "delete_security_groups_default_statefulness",
    ),
    (either(ADMIN, READER), "get_security_groups_default_statefulness"),
    (ADMIN, "create_default_security_group_rule delete_default_security_group_rule"),
    (ANY_READER, "get_default_security_group_rule"),
)
