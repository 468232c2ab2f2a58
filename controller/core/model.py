"""The configured rows of the core, and the values in them: what is stored in SQL and written by plans.

What switches and hosts reported is in `observed`, what follows from all of these in `derived`.

Keys (`key` fields) are small integers given once and stored, for registers and tunnel ids; they are never reused
while a row that had them lives.
"""

from __future__ import annotations

from typing import Any, NamedTuple

from controller.core.row import PLANNED, REQUIRED, attr, index, quiet, row, tags

# ---------------------------------------------------------------------------------------------------------------------
# Values inside rows


class FixedIp(NamedTuple):
    """An address of a port and the subnet it is from."""

    subnet_id: str
    ip_address: str


class Pool(NamedTuple):
    """An inclusive range of addresses that a subnet allocates from."""

    start: str
    end: str


class Route(NamedTuple):
    """A host route offered to guests."""

    destination: str
    nexthop: str


INT = "INT"
"""Role of an integration bridge (`br-int`): VIFs are plugged here."""
ETH = "ETH"
"""Role of a provider bridge (`br-eth*`): it holds the NIC of a physical network."""

IMMEDIATE, DEFERRED, NONE = "immediate", "deferred", "none"
"""Values of `Port.ip_allocation`."""

COMPUTE = "compute:"
"""What `device_owner` of a VM's port begins with."""

TUNNEL_TYPES = ("vxlan", "gre", "geneve")
NETWORK_TYPES = ("local", "flat", "vlan", *TUNNEL_TYPES)

# ---------------------------------------------------------------------------------------------------------------------
# Configured rows


@row(key="id", indexes=[index("key"), index("project_id")], store=True)
class Network:
    """A Neutron network: one broadcast domain.  `key` identifies it in registers and is unique in the cloud."""

    id: str = attr(post=False, put=False)
    project_id: str = attr(default="", put=False, initial="", check="string", quiet=True)
    name: str = attr(default="", initial="", check="string", quiet=True)
    description: str = attr(default="", initial="", check="string", quiet=True)
    admin_state_up: bool = attr(default=True, initial=True, check="boolean")
    mtu: int = attr(default=1500, initial=0, check="mtu", filter=True)
    key: int = 0
    created_at: str = attr(default="", post=False, put=False, quiet=True)
    updated_at: str = attr(default="", post=False, put=False, quiet=True)
    revision_number: int = attr(default=0, post=False, put=False, quiet=True)
    tags: tuple[str, ...] = tags()


@row(
    key="id",
    indexes=[
        index("network_id"),
        index("network_type", "physical_network"),
        index("network_type", "physical_network", "segmentation_id"),
    ],
    store=True,
)
class Segment:
    """How a network is carried: type, physical network (flat, vlan) and VLAN or tunnel id.

    A network may have several, on physical networks that are joined outside; a host uses the first that it reaches, in
    the order of `position`.
    """

    id: str = attr(post=False, put=False)
    network_id: str = attr(put=False, check="uuid", refers=Network, on_delete=PLANNED)
    network_type: str = attr(put=False, check="segment_type")
    physical_network: str | None = attr(default=None, put=False, initial=None, check="segment_physical_network")
    segmentation_id: int | None = attr(default=None, put=False, initial=None, check="integer", filter=False)
    position: int = 0
    name: str | None = attr(default=None, initial=None, check="name_or_null", quiet=True)
    description: str = attr(default="", initial="", check="string", quiet=True)
    created_at: str = attr(default="", post=False, put=False, quiet=True)
    updated_at: str = attr(default="", post=False, put=False, quiet=True)
    revision_number: int = attr(default=0, post=False, put=False, quiet=True)


@row(
    key="id",
    indexes=[
        index("network_id"),
        index("project_id"),
        index("segment_id", each=lambda subnet: [subnet.segment_id] if subnet.segment_id else []),
    ],
    store=True,
)
class Subnet:
    """A block of addresses of a network (IPv4 or IPv6).

    `service_types` are the `device_owner`s of the ports that it is for (sorted; none: for all).  One with a
    `segment_id` is for hosts that reach that segment of the network, which is a routed one then (plans.routed).
    """

    id: str = attr(post=False, put=False)
    network_id: str = attr(default="", put=False, check="uuid", refers=Network, on_delete=PLANNED)
    project_id: str = attr(default="", put=False, initial="", check="string", quiet=True)
    name: str = attr(default="", initial="", check="string", quiet=True)
    description: str = attr(default="", initial="", check="string", quiet=True)
    ip_version: int = attr(default=4, put=False, check="ip_version")
    cidr: str = attr(default="", put=False, initial=None, check="cidr")
    gateway_ip: str | None = attr(default=None, initial=None, check="gateway")
    allocation_pools: tuple[Pool, ...] = attr(default=(), initial=None, check="pools", filter=False)
    dns_nameservers: tuple[str, ...] = attr(default=(), initial=(), check="nameservers", filter=False)
    host_routes: tuple[Route, ...] = attr(default=(), initial=(), check="routes", filter=False)
    enable_dhcp: bool = attr(default=True, initial=True, check="boolean")
    ipv6_ra_mode: str | None = attr(default=None, put=False, initial=None, check="ipv6_mode")
    ipv6_address_mode: str | None = attr(default=None, put=False, initial=None, check="ipv6_mode")
    service_types: tuple[str, ...] = attr(default=(), initial=(), check="service_types", filter=False)
    segment_id: str | None = attr(
        default=None, initial=None, check="uuid_or_null", refers=Segment, on_delete=PLANNED, quiet=True
    )
    created_at: str = attr(default="", post=False, put=False, quiet=True)
    updated_at: str = attr(default="", post=False, put=False, quiet=True)
    revision_number: int = attr(default=0, post=False, put=False, quiet=True)
    tags: tuple[str, ...] = tags()


@row(
    key="id",
    indexes=[
        index("network_id"),
        index("key"),
        index("network_id", "mac_address"),
        index("address", each=lambda port: ((port.network_id, ip.ip_address) for ip in port.fixed_ips)),
        index("subnet", each=lambda port: {ip.subnet_id for ip in port.fixed_ips}),
        index("tap", each=lambda port: ("tap" + port.id[:11],)),
        index("interface_name", each=lambda port: [(port.host_id, port.interface_name)] if port.interface_name else []),
        index("device_id"),
        index("host_id", each=lambda port: [port.host_id] if port.host_id else []),
        index("project_id"),
    ],
    store=True,
)
class Port:
    """A Neutron port: one VIF's place in a network.

    `ip_allocation` is how it came by its addresses: IMMEDIATE, DEFERRED until it has a host, or NONE, as was asked for.
    `host_id`, `vnic_type` and `profile` (JSON text) are Neutron's binding.  `interface_name` is the profile's
    `interface` value: a VIF on `host_id` that has this name where nothing else says who it is (Mininet), or this id
    (XenServer).
    """

    id: str = attr(post=False, put=False)
    network_id: str = attr(default="", put=False, check="uuid", refers=Network, on_delete=PLANNED)
    project_id: str = attr(default="", put=False, initial="", check="string", quiet=True)
    name: str = attr(default="", initial="", check="string", quiet=True)
    description: str = attr(default="", initial="", check="string", quiet=True)
    mac_address: str = attr(default="", initial=None, check="mac")
    fixed_ips: tuple[FixedIp, ...] = attr(default=(), initial=None, check="fixed_ips")
    ip_allocation: str = attr(default=IMMEDIATE, post=False, put=False, check="string", quiet=True)
    device_id: str = attr(default="", initial="", check="string", quiet=True)
    device_owner: str = attr(default="", initial="", check="string", quiet=True)
    admin_state_up: bool = attr(default=True, initial=True, check="boolean")
    host_id: str = attr(default="", name="binding:host_id", initial="", check="string_or_null")
    vnic_type: str = attr(default="normal", name="binding:vnic_type", initial="normal", check="vnic_type", quiet=True)
    profile: str = attr(default="{}", name="binding:profile", initial="{}", check="profile", filter=False, quiet=True)
    interface_name: str = ""
    key: int = 0
    created_at: str = attr(default="", post=False, put=False, quiet=True)
    updated_at: str = attr(default="", post=False, put=False, quiet=True)
    revision_number: int = attr(default=0, post=False, put=False, quiet=True)
    tags: tuple[str, ...] = tags(post=True)


@row(key="port_id", indexes=[index("vif_id")], store=True)
class Attachment:
    """The VIF of a port that names one: its interface's `iface-id` is `vif_id`, where others' is the port's id.

    Such a VIF has a MAC address of its own; once that is known (`mac_address`), the port has it.
    """

    port_id: str
    vif_id: str
    mac_address: str = ""

    @staticmethod
    def wants_mac(net: Any, port_id: str) -> bool:
        """Whether that port names a VIF whose MAC address is yet to be known."""
        held = net.get(Attachment, port_id)
        return held is not None and not held.mac_address


ZONE = "nova"
"""The availability zone of a host that names none."""


@row(
    key="name",
    indexes=[
        index("bridge", each=lambda host: (dpid for _, dpid in host.bridges)),
        index("zone", each=lambda host: (host.zone or ZONE,)),
    ],
    store=True,
)
class Host:
    """A hypervisor as it described itself; stored, so that peers' flows stand while it or we are away.

    `bridge_mappings` is ((physical network, bridge), ...); `bridges` is ((name, dpid), ...) of the bridges we manage;
    `managed` tells whether it joined over OVSDB (then its Interface rows say which VIF is which); `zone` is the
    availability zone that it named.
    """

    name: str
    local_ip: str = ""
    bridge_mappings: tuple[tuple[str, str], ...] = ()
    datapath_type: str = ""
    integration_bridge: str = "br-int"
    bridges: tuple[tuple[str, int], ...] = ()
    managed: bool = False
    zone: str = quiet(default="")


@row(key="id", indexes=[index("host")], store=True)
class Agent:
    """A host as Neutron's clients look for it: by the agent that would run there.  It is written when the host comes
    or goes, which is what `alive` says; `heartbeat_timestamp` is when that last happened.

    Times are as Neutron's agents have them: 2026-11-20 10:33:05, in UTC.
    """

    id: str = attr(post=False, put=False)
    host: str = attr(default="", post=False, put=False, check="string", quiet=True)
    alive: bool = attr(default=False, post=False, put=False, check="boolean", quiet=True)
    admin_state_up: bool = attr(default=True, post=False, check="boolean", quiet=True)
    description: str = attr(default="", post=False, check="string_or_null", quiet=True)
    created_at: str = attr(default="", post=False, put=False, filter=False, quiet=True)
    started_at: str = attr(default="", post=False, put=False, filter=False, quiet=True)
    heartbeat_timestamp: str = attr(default="", post=False, put=False, filter=False, quiet=True)


@row(
    key=("port_id", "host"),
    indexes=[index("port_id")],
    store=True,
    absent="Binding for port {} for host {} could not be found.",
)
class PortBinding:
    """A binding of a port to a host that is not the port's own, which waits: its status is INACTIVE.

    A VIF on such a host is one that the guest will come to; unless the binding is `former`: it was active before
    another one, and its host is one that the guest has left.
    """

    port_id: str = attr(default="", post=False, put=False, refers=Port, on_delete=PLANNED, shown=False, filter=False)
    host: str = attr(default="", initial=REQUIRED, check="string", quiet=True)
    vnic_type: str = attr(default="normal", initial="normal", check="vnic_type", quiet=True)
    profile: str = attr(default="{}", initial="{}", check="profile", filter=False, quiet=True)
    status: str = attr(default="INACTIVE", post=False, put=False, check="string", quiet=True)
    former: bool = quiet(default=False)


@row(
    key="port_id",
    indexes=[
        index("network_id"),
        index("host+network_id", each=lambda binding: [(host, binding.network_id) for host in binding.hosts]),
        index("host", each=lambda binding: binding.hosts),
        index("migrating", each=lambda binding: [binding.port_id] if binding.arriving else []),
        index("migration", each=lambda b: [b.network_id] if b.arriving or b.migrated else []),
    ],
    store=True,
)
class Binding:
    """Where a port's VIF was last seen.  Stored: it is what peers' flows depend on through a restart.

    `active` is set when all switches that need the port's flows have acknowledged them.

    While its guest migrates, `arriving` is the host that it goes to and has a VIF on already: both get the packets for
    it.  `wired` is what `active` is, of that host.  Once the guest was heard there, that is the `host`; it has `moved`
    while the port itself is still bound to the other one.  One that came to its host so has `migrated`.
    """

    port_id: str
    network_id: str
    host: str
    active: bool = quiet(default=False)
    arriving: str = ""
    wired: bool = quiet(default=False)
    moved: bool = quiet(default=False)
    migrated: bool = False

    @property
    def hosts(self) -> tuple[str, ...]:
        """The hosts that packets for the port go to."""
        return (self.host, self.arriving) if self.arriving else (self.host,)


@row(key=("host", "network_id"), indexes=[index("network_id"), index("host"), index("host", "vid")], store=True)
class LocalVlan:
    """The VLAN that stands for a network between `br-int` and `br-eth*` of one host (and in the `tag` column)."""

    host: str
    network_id: str
    vid: int


@row(key=("kind", "id"), store=True)
class Fault:
    """What went wrong with an object (kind: Port, Network or Host): a switch refused its flow, say."""

    kind: str
    id: str
    reason: str = quiet(default="")


@row(key=("project_id", "resource"), indexes=[index("project_id")], store=True)
class Quota:
    """How many of a resource a project may have at most, where that is not what all may have; -1 is no limit."""

    project_id: str
    resource: str
    limit: int = quiet(default=-1)


@row(
    key="id",
    indexes=[index("object_id"), index("project_id"), index("target_tenant")],
    store=True,
    absent="RBAC policy of type unknown with ID {} not found",
)
class RbacPolicy:
    """An object (a network, say) that a project or everyone (`*`) may use: Neutron's role-based access control."""

    id: str = attr(post=False, put=False)
    project_id: str = attr(default="", put=False, initial="", check="string", quiet=True)
    object_type: str = attr(default="", put=False, initial=REQUIRED, check="string", quiet=True)
    object_id: str = attr(default="", put=False, initial=REQUIRED, check="uuid", quiet=True)
    action: str = attr(default="", put=False, initial=REQUIRED, check="string", quiet=True)
    target_tenant: str = attr(default="", initial=REQUIRED, check="target_project", quiet=True)


@row(key="name", store=True)
class Once:
    """A plan that has run in this database and never will again (see App.once)."""

    name: str


@row(key="number", store=True)
class ServerEvent:
    """What Nova is still to be told of a server's port (core.server_events): it goes when Nova has taken it.

    `server_uuid` is the port's device_id, `tag` the port's id; `status` is "" where Nova wants none.  They are told in
    the order of their numbers.
    """

    number: int
    name: str = quiet(default="")
    server_uuid: str = quiet(default="")
    tag: str = quiet(default="")
    status: str = quiet(default="")


@row(key="name", store=True)
class Sequence:
    """Where the next search for a free value starts: `network key`, `port key`, `vxlan`, `subnet <id>` and the like."""

    name: str
    next: int = quiet(default=1)
