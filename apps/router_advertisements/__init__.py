"""Router advertisements: IPv6 guests learn prefixes, default router, MTU and DNS servers from the controller (RFC 4861,
RFC 8106), in subnets with a gateway and an `ipv6_ra_mode`.

A guest that solicits is answered at once, straight to its port.  Everybody is told again and again: one packet-out for
each network and switch, which that switch's flood set delivers to its own ports, spread over the interval; and soon
when something has changed: what is so no more is taken back (RFC 4861, 6.2.5 and 6.2.8).

- message.py   advertisements and solicitations as bytes
- routers.py   what is advertised in a network, and as which router
- sending.py   the table, its flows, and what is sent
"""

from __future__ import annotations

from apps.router_advertisements.sending import app

__all__ = ["app"]
