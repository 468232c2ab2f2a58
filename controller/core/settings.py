"""What an operator decides about the cloud's networks: one frozen value, made by `controller.config`, passed in."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class HostSettings:
    """A `[host:NAME]` section: says who a host is where its bridges' addresses can't tell."""

    name: str
    dpids: tuple[int, ...] = ()
    local_ip: str = ""
    bridge_mappings: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class Settings:
    """Ranges are inclusive pairs.  A physical network with an empty tuple of ranges has no VLANs for tenants, but an
    administrator may use any VLAN of it (Neutron's `network_vlan_ranges = physnet1`).  `quotas` is the limit of every
    project that has none of its own, by resource; one that is not in it has the resource's own, or that of `default`
    where the resource has none.  `dns_domain` ends with a dot.  `dhcp_lease_duration` is in seconds, -1
    for leases that never end.  `overlay_ip_version` is that of the addresses between which tunnels go, and
    `path_mtu` the MTU in bytes of the way between them, where it is narrower than physical networks (0: it is not).
    `tells_servers`: there is a Nova that is told of its servers' ports.  `care_of_addresses`: guests that migrate in
    VLANs have them."""

    integration_bridge: str = "br-int"
    tenant_network_types: tuple[str, ...] = ("vxlan",)
    vlan_ranges: tuple[tuple[str, tuple[tuple[int, int], ...]], ...] = ()
    flat_networks: tuple[str, ...] = ("*",)
    tunnel_id_ranges: tuple[tuple[int, int], ...] = ((1, 65535),)
    global_physnet_mtu: int = 1500
    overlay_ip_version: int = 4
    path_mtu: int = 0
    base_mac: str = "fa:16:3e:00:00:00"
    bridge_mappings: tuple[tuple[str, str], ...] = ()
    proactive: bool = False
    idle_timeout: int = 300
    punt_rate: int = 100
    openflow_port: int = 6653
    openflow_tls: bool = False
    hosts: tuple[HostSettings, ...] = ()
    quotas: tuple[tuple[str, int], ...] = ()
    dns_domain: str = "openstacklocal."
    dhcp_lease_duration: int = 86400
    tells_servers: bool = False
    care_of_addresses: bool = True

    @property
    def tunnel_mtu(self) -> int:
        """Bytes that a packet may have between hosts' tunnel addresses, outer headers included."""
        return min(self.global_physnet_mtu, self.path_mtu or self.global_physnet_mtu)

    @property
    def openflow_target(self) -> str:
        """The controller of a bridge; AUTO stands for the address at which its host reached us."""
        return f"{'ssl' if self.openflow_tls else 'tcp'}:AUTO:{self.openflow_port}"
