"""What Neutron has no rule for: looking inside the controller."""

from __future__ import annotations

from rest.policies.language import ADMIN, rules

RULES = rules((ADMIN, "patchbay_inspect"))
