"""A Net to run plans on, one after the other, as the store does, with repeatable ids and times."""

from __future__ import annotations

import uuid
from typing import Any

from controller.core.net import Net
from controller.core.plan import Draft, Refusal
from controller.core.plans import networks, ports, subnets
from controller.core.plans.checks import check
from controller.core.settings import Settings

SETTINGS = Settings(vlan_ranges=(("physnet1", ((100, 101),)), ("physnet2", ())), tunnel_id_ranges=((1, 3),))


class Cloud:
    """`run` carries a plan out; `now` is the time of the next write."""

    def __init__(self, settings: Settings = SETTINGS, net: Net | None = None) -> None:
        self.settings = settings
        self.net = Net() if net is None else net
        self.now = "2026-11-20T10:00:00Z"
        self.ids = 0

    def new_id(self) -> str:
        self.ids += 1
        return str(uuid.uuid5(uuid.NAMESPACE_OID, str(self.ids)))

    def draft(self) -> Draft:
        return Draft(self.net, self.settings, self.now, self.new_id)

    def run(self, plan: Any, *args: Any, **more: Any) -> Any:
        draft = self.draft()
        result = plan(draft, *args, **more)
        for change in draft.changes():
            self.net.apply(change)
        return result

    def refusal(self, plan: Any, *args: Any, **more: Any) -> Refusal:
        """The Refusal that the plan must end in."""
        try:
            plan(self.draft(), *args, **more)
        except Refusal as refusal:
            return refusal
        raise AssertionError("the plan was not refused")

    def network(self, **values: Any) -> Any:
        return self.run(networks.create, values)

    def subnet(self, network: Any, cidr: str, **values: Any) -> Any:
        version = 6 if ":" in cidr else 4
        return self.run(subnets.create, {"network_id": network.id, "cidr": cidr, "ip_version": version, **values})

    def port(self, network: Any, **values: Any) -> Any:
        if "fixed_ips" in values:
            values["fixed_ips"] = check("fixed_ips", "fixed_ips", values["fixed_ips"])
        return self.run(ports.create, {"network_id": network.id, **values})

    def change_port(self, port: Any, **values: Any) -> Any:
        if "fixed_ips" in values:
            values["fixed_ips"] = check("fixed_ips", "fixed_ips", values["fixed_ips"])
        return self.run(ports.change, port.id, values)
