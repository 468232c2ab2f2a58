"""The default rules: Neutron's names, and who may do what unless the operator says otherwise (its secure RBAC).

They cover all of Neutron's resources, so that an operator's policy.yaml is understood also where it speaks of what is
not served here.
"""

from __future__ import annotations

from rest.policies import base, networks, operators, ours, pools, ports, qos, routers, security_groups, trunks

DEFAULTS: tuple[tuple[str, str], ...] = (
    *base.RULES,
    *networks.RULES,
    *ports.RULES,
    *pools.RULES,
    *security_groups.RULES,
    *routers.RULES,
    *qos.RULES,
    *trunks.RULES,
    *operators.RULES,
    *ours.RULES,
)
"""(name, check) of every rule."""
