"""Several bindings of one port: what a live migration prepares on the host that a VM goes to.

The active binding is what the port itself says (`binding:host_id` and so on) and is stored there alone; the others
wait as rows.  A VIF on a host that has one is wired beside the one where the guest still is (apps.migration).
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any

from controller.core.app import App
from controller.core.model import COMPUTE, Port, PortBinding
from controller.core.plan import Draft, Refusal
from controller.core.plans import ports, wiring
from controller.core.plans.refusals import bad_resource
from controller.core.plans.revision import existing, required
from controller.core.resource import Action, Computed, Found, Parent
from controller.core.resources import read_only
from controller.core.vif import OVS, vif_details, vif_type

app = App("port_bindings")
app.extension(
    "binding-extended", "Port Bindings Extended", "A port is bound to several hosts.", "2017-07-17T10:00:00-00:00"
)
app.policy("update_port_binding", "rule:service_api", "Change a binding of a port")

ACTIVE, INACTIVE = "ACTIVE", "INACTIVE"


def _active(port: Port) -> PortBinding:
    return PortBinding(port.id, port.host_id, port.vnic_type, port.profile, ACTIVE)


def _get(net: Any, key: tuple[str, str]) -> PortBinding | None:
    port = net.get(Port, key[0])
    if port is not None and port.host_id == key[1]:
        return _active(port)
    found: PortBinding | None = net.get(PortBinding, key)
    return found


def _all(net: Any, port: Port) -> Iterable[PortBinding]:
    return [_active(port), *net.find(PortBinding, "port_id", port.id)]


# ---------------------------------------------------------------------------------------------------------------------
# What may be done


def _compute_port(draft: Draft, port_id: str) -> Port:
    """The port, which must be a VM's."""
    port: Port = existing(draft, Port, port_id)
    if not port.device_owner.startswith(COMPUTE):
        raise bad_resource("port", f"Invalid port {port_id}. Operation only valid on compute ports")
    return port


def _require_vif(draft: Draft, port: Port, binding: PortBinding) -> None:
    """The host can plug the VIF."""
    if _vif_type_on(draft, port, binding) != OVS:
        raise _refusal("Error", binding, "could not be created or updated")


def _vif_type_on(net: Any, port: Port, binding: PortBinding) -> str:
    return vif_type(net, port.network_id, binding.host, binding.vnic_type, binding.profile)


def _refusal(name: str, binding: PortBinding, what: str) -> Refusal:
    text = f"Binding for port {binding.port_id} on host {binding.host} {what}."
    return Refusal(f"PortBinding{name}", text, 409)


def create(draft: Draft, values: dict[str, Any]) -> PortBinding:
    """Prepare a binding to another host.  Refuses one that is there, and a host that can't plug the VIF."""
    binding = PortBinding(**values)
    port = _compute_port(draft, binding.port_id)
    if _get(draft, (binding.port_id, binding.host)) is not None:
        raise _refusal("AlreadyExists", binding, "already exists")
    _require_vif(draft, port, binding)
    return draft.put(binding)


def change(draft: Draft, key: tuple[str, str], values: dict[str, Any], revision: int | None = None) -> PortBinding:
    """Change how the VIF is plugged; of the active binding this changes the port."""
    port, old = _compute_port(draft, key[0]), required(_get(draft, key), PortBinding, key)
    if values.get("host", old.host) != old.host:
        raise bad_resource("binding", "The host of a binding can't be changed")
    binding = PortBinding(old.port_id, old.host, **{"vnic_type": old.vnic_type, "profile": old.profile} | values)
    _require_vif(draft, port, binding)
    if old.status == ACTIVE:
        return _active(ports.change(draft, port.id, _of_port(binding)))
    return draft.put(binding)


def delete(draft: Draft, key: tuple[str, str], revision: int | None = None) -> None:
    """Give a binding up; without its active one the port is unbound."""
    binding = required(_get(draft, key), PortBinding, key)
    if binding.status == ACTIVE:
        ports.change(draft, binding.port_id, {"host_id": "", "profile": "{}"})
    else:
        draft.remove(binding)


def activate(draft: Draft, key: tuple[str, str], body: dict[str, Any]) -> dict[str, Any]:
    """The port is on this host from now on; its former binding waits.  Packets go where it says in the same moment."""
    port, binding = _compute_port(draft, key[0]), required(_get(draft, key), PortBinding, key)
    if binding.status == ACTIVE:
        raise _refusal("AlreadyActive", binding, "is already active")
    draft.remove(binding)
    if port.host_id:
        draft.put(PortBinding(port.id, port.host_id, port.vnic_type, port.profile, former=True))
    changed = ports.change(draft, port.id, _of_port(binding))
    wiring.cut_over(draft, [(port.id, binding.host)], moved=False)
    return BINDING.value(draft, _active(changed))  # type: ignore[arg-type]


def _of_port(binding: PortBinding) -> dict[str, str]:
    return {"host_id": binding.host, "vnic_type": binding.vnic_type, "profile": binding.profile}


@app.rule(Port)
def one_binding_a_host(draft: Draft, old: Port | None, new: Port | None, values: dict[str, Any]) -> None:
    """Bindings go with their port, and a host that a port is bound to needs no other one."""
    if new is None and old is not None:
        for binding in draft.find(PortBinding, "port_id", old.id):
            draft.remove(binding)
    elif new is not None and (waiting := draft.get(PortBinding, (new.id, new.host_id))) is not None:
        draft.remove(waiting)


# ---------------------------------------------------------------------------------------------------------------------
# What clients see


def _vif_type(net: Any, binding: PortBinding) -> str:
    return _vif_type_on(net, net.get(Port, binding.port_id), binding)


def _vif_details(net: Any, binding: PortBinding) -> dict[str, Any]:
    return vif_details(net, binding.host) if _vif_type(net, binding) == OVS else {}


BINDING = app.resource(
    "binding",
    "bindings",
    PortBinding,
    create,
    change,
    delete,
    computed=(
        Computed("vif_type", read_only("vif_type"), _vif_type),
        Computed("vif_details", read_only("vif_details", filter=False), _vif_details),
    ),
    shapes={"profile": json.loads},
    actions=(Action("activate", activate, rule="activate"),),
    parent=Parent("ports", "port_id"),
    policy="port_binding",
    found=Found(_get, _all),
)
