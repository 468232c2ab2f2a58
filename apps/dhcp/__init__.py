"""DHCP: guests get their addresses, and what else the model says of their subnet, from the controller.

A request leaves its port for the controller alone and is answered straight to the port: no DHCP port, no process on the
host, and no guest sees another one's requests.  Nothing is remembered: a port's addresses are in the model, so an
answer follows from the request and the rows, and a guest that asks while no controller runs asks again.

- requests.py    the table, its flows, and the packets that it punts
- datagram.py    UDP in Ethernet frames, read and made
- subnets.py     which of a port's addresses are given by DHCP, and what is said of subnets
- v4_message.py  DHCPv4 messages as bytes (RFC 2131, RFC 2132)
- v4_options.py  what a guest is told beside its address
- v4.py          which message is answered by which (RFC 2131, 4.3)
- v6_message.py  DHCPv6 messages as bytes (RFC 8415)
- v6_options.py  what a guest is told beside its addresses
- v6.py          which message is answered by which (RFC 8415, 18.3)
- extra.py       `extra_dhcp_opts` as options
- names.py       the names that these have
"""

from __future__ import annotations

from apps.dhcp.requests import app

__all__ = ["app"]
