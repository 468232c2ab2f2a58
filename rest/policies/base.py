"""Whom and what the other rules speak of: administrators, owners, what is shared."""

from __future__ import annotations

from rest.policies.language import rules

RULES = rules(
    ("role:admin", "context_is_admin"),
    ("!", "context_with_global_access"),
    ("!", "context_can_set_project_id"),
    ("role:service", "service_api"),
    ("project_id:%(project_id)s", "owner"),
    ("rule:context_is_admin or rule:owner", "admin_or_owner"),
    ("role:advsvc", "context_is_advsvc"),
    ("rule:context_is_admin or project_id:%(network:project_id)s", "admin_or_network_owner"),
    ("rule:owner or rule:admin_or_network_owner", "admin_owner_or_network_owner"),
    ("project_id:%(network:project_id)s", "network_owner"),
    ("rule:context_is_admin", "admin_only"),
    ("", "regular_user"),
    ("field:networks:shared=True", "shared"),
    ("rule:admin_or_owner", "default"),
    ("rule:context_is_admin or project_id:%(ext_parent:project_id)s", "admin_or_ext_parent_owner"),
    ("project_id:%(ext_parent:project_id)s", "ext_parent_owner"),
    ("project_id:%(security_group:project_id)s", "sg_owner"),
)
