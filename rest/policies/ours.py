"""What Neutron has no rules for: looking inside the controller, and waiting for it."""

from __future__ import annotations

from rest.policies.language import ADMIN, ANY_READER, rules

RULES = rules(
    (ADMIN, "patchbay_inspect"),
    (ANY_READER, "patchbay_convergence"),
)
