"""A cloud with a guest that migrates, step by step."""

from __future__ import annotations

from apps import port_bindings
from controller.core.model import Binding
from controller.core.packet import BROADCAST, ethernet
from tests.world.frames import encode
from tests.world.world import MAPPINGS, SETTINGS, World, name_of

MACS = {name: f"fa:16:3e:00:00:0{n}" for n, name in enumerate(("guest", "beside", "there", "else"), 1)}


class Migration:
    """Hosts h1 (a guest, and one beside it), h2 (where the guest goes; another one is there) and h3 (one more)."""

    def __init__(self, type="vxlan", settings=SETTINGS, mappings=MAPPINGS):
        self.world = World(settings)
        self.source, self.target, self.other = (self.world.host(mappings=mappings) for _ in range(3))
        self.world.settle()
        self.network = self.world.network(type)
        self.ports = {}
        for name, host in zip(MACS, (self.source, self.source, self.target, self.other), strict=True):
            port = self.world.port(self.network, mac_address=MACS[name], device_owner="compute:nova", host_id=host.name)
            self.ports[name] = port
            self.world.plug(port, host)
        self.world.settle()
        self.guest = self.ports["guest"]

    def prepare(self):
        """What Nova does before: a second binding, and a VIF for it."""
        self.world.write(port_bindings.create, {"port_id": self.guest.id, "host": self.target.name})
        self.world.settle()
        self.world.plug(self.guest, self.target)
        self.world.settle()
        return self

    def activate(self, host):
        self.world.write(port_bindings.activate, (self.guest.id, host.name), {})

    @property
    def binding(self):
        return self.world.store.net.get(Binding, self.guest.id)

    def at(self, host):
        """(dpid, OpenFlow port) of the guest's VIF on a host."""
        return host.vif(name_of(self.guest))

    def finish(self):
        """What Nova does behind: the binding is active, the first VIF goes, and the binding that it had."""
        self.activate(self.target)
        self.world.settle()
        self.world.unplug(self.guest, self.source)
        self.world.write(port_bindings.delete, (self.guest.id, self.source.name))
        self.world.settle()
        return self

    def sent(self, name, to=MACS["guest"]):
        """What becomes of a packet of a port."""
        delivery = self.world.send(self.ports[name], ethernet(MACS[name], to))
        self.world.settle()
        return delivery

    def reached(self, name):
        """Which of the guest's VIFs a packet for it reaches, and how often.  The model's physical networks flood, so in
        a VLAN a packet that is meant for one host gets to the other one, too."""
        delivery = self.sent(name)
        places = {self.at(host): host.name for host in self.world.hypervisors.values() if self.at(host)}
        return sorted(places[arrival.dpid, arrival.ofport] for arrival in delivery.reached)

    def speak(self, host, mac=MACS["guest"]):
        """The guest says something where it is; the controller may have copies of it."""
        delivery = self.world.wiring().send(*self.at(host), ethernet(mac, BROADCAST))
        self.world._punted(delivery, encode)
        return delivery
