"""Security groups: what may reach a port, and where it may send.

A port is in groups; each has rules; what no rule of any of its groups lets through is dropped.  Every project has a
group named `default`, which its ports are in unless they say otherwise.

- rows.py        what is stored
- checks.py      protocols, port ranges and the like: what a rule's values must be
- rules.py       rules as clients see them
- templates.py   the rules that new groups begin with
- groups.py      groups as clients see them, and the default group
- members.py     the ports that are in groups
- superseded.py  how a port stood, while it changes groups
- refusals.py    what is refused, in Neutron's words
- derived.py     which groups, rules' remotes and members matter on which switch
- matches.py     what a rule lets through, as matches
- enforcement.py all of it as flows
"""

from __future__ import annotations

from apps.security_groups import enforcement, groups, members, rules, templates

__all__ = ["enforcement", "groups", "members", "rules", "templates"]
