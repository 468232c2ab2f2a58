"""Provider networks: VLAN and flat networks leave by the bridge of their physical network.

- tables.py    the tables, and how a network's packets come and leave
- networks.py  the flows of networks, and the patch ports
- care_of.py   how guests that migrate are reached, whatever switches between the hosts have learnt
"""

from __future__ import annotations

from apps.provider import care_of, networks

__all__ = ["care_of", "networks"]
