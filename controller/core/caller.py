"""Who asks: what identity says of the one whose request it is."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Caller:
    """`roles` are lower-case role names, implied ones included.  `project_id` is '' for an unscoped caller.

    `is_admin` is what policy's `context_is_admin` says of the caller: it may act for any project.  `service_roles` are
    those of the service (Nova, say) that vouched for the request with a token of its own.
    """

    user_id: str = ""
    project_id: str = ""
    roles: frozenset[str] = frozenset()
    is_admin: bool = False
    service_roles: frozenset[str] = frozenset()


NOBODY = Caller(is_admin=True)
"""Where nobody is asked who they are (`auth_strategy = none`), and the controller itself."""
