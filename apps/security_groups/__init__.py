"""Security groups: what may reach a port, and where it may send.

A port is in groups; each has rules; what no rule of any of its groups lets through is dropped.  Every project has a
group named `default`, which its ports are in unless they say otherwise.  The groups and their rules are stored and
checked here.

- rows.py        what is stored
- checks.py      protocols, port ranges and the like: what a rule's values must be
- rules.py       rules as clients see them
- templates.py   the rules that new groups begin with
- groups.py      groups as clients see them, and the default group
- members.py     the ports that are in groups
- refusals.py    what is refused, in Neutron's words
"""

from __future__ import annotations

from apps.security_groups import groups, members, rules, templates

__all__ = ["groups", "members", "rules", "templates"]
