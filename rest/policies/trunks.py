"""Trunks and their subports."""

from __future__ import annotations

from rest.policies.language import ADMIN, MEMBER, READER, either, rules

RULES = rules(
    (
        either(ADMIN, MEMBER),
        "create_trunk create_trunk:tags update_trunk update_trunk:tags delete_trunk delete_trunk:tags "
        "add_subports remove_subports",
    ),
    (
        either(ADMIN, READER),
        "get_trunk get_trunk:tags get_subports",
    ),
)
