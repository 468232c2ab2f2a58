"""The `tag` column: `ovs-vsctl show` tells a port's local VLAN, as operators are used to.  Nothing depends on it."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from controller.core.app import App
from controller.core.derived import LocalPort, NetworkOnHost, Switch
from controller.core.effects import SetTag
from controller.core.observed import OfPort

app = App("vlan_tag")


@app.ovsdb(LocalPort)
def tag(net: Any, local: LocalPort) -> Iterable[SetTag]:
    """A plugged port shows the local VLAN of its network."""
    switch, on = net.get(Switch, local.dpid), net.get(NetworkOnHost, (local.host, local.network_id))
    ofport = net.get(OfPort, (local.dpid, local.ofport))
    if switch is not None and on is not None and ofport is not None:
        yield SetTag(switch.bridge, ofport.name, on.vid)
