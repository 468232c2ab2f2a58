"""Phrases of oslo.policy's language that the default rules are made of."""

from __future__ import annotations

ADMIN = "rule:admin_only"
SERVICE = "rule:service_api"
"""Nova and its like, with the role `service`."""
ADVSVC = "rule:context_is_advsvc"
ANY_READER = "role:reader"
"""Whoever may read anything at all, in any project."""

MANAGER = "role:manager and project_id:%(project_id)s"
MEMBER = "role:member and project_id:%(project_id)s"
READER = "role:reader and project_id:%(project_id)s"
"""Roles in the project that the object belongs to."""

NETWORK_MANAGER = "role:manager and rule:network_owner"
NETWORK_MEMBER = "role:member and rule:network_owner"
NETWORK_READER = "role:reader and rule:network_owner"
"""Roles in the project that the object's network belongs to."""

PARENT_MANAGER = "role:manager and rule:ext_parent_owner"
PARENT_MEMBER = "role:member and rule:ext_parent_owner"
PARENT_READER = "role:reader and rule:ext_parent_owner"
"""Roles in the project of the object that this is a part of (a QoS policy's rule, a floating IP's forwarding)."""

SHARED = "rule:shared"
EXTERNAL = "rule:external"
VOUCHED = "service_roles:service"
"""A service sent its own token along with the user's."""
NO_MACHINE = "not rule:compute_device and not rule:baremetal_device and not rule:manila_device"
"""The port is not one that another service has made for a machine."""
ONE_PROJECT = "not field:rbac_policy:target_tenant=* and not field:rbac_policy:target_project=*"
"""Shared with one project, and not with all."""


def either(*checks: str) -> str:
    return " or ".join(f"({check})" for check in checks)


def both(*checks: str) -> str:
    return " and ".join(f"({check})" for check in checks)


def rules(*given: tuple[str, str]) -> tuple[tuple[str, str], ...]:
    """(name, check) for each of (check, names): names are words."""
    return tuple((name, check) for check, names in given for name in names.split())
