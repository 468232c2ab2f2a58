"""What a switch counts of a port."""

from __future__ import annotations

from typing import NamedTuple


class Counters(NamedTuple):
    """Since the port is there, as the switch sees it: `rx` is what came in by the port (a VIF's guest sent it), `tx`
    what went out by it."""

    rx_bytes: int
    rx_packets: int
    rx_errors: int
    tx_bytes: int
    tx_packets: int
    tx_errors: int
