"""Ports, and their bindings to hosts."""

from __future__ import annotations

from rest.policies.language import (
    ADMIN,
    ADVSVC,
    MEMBER,
    NETWORK_MANAGER,
    NETWORK_MEMBER,
    NETWORK_READER,
    NO_MACHINE,
    READER,
    SERVICE,
    SHARED,
    VOUCHED,
    both,
    either,
    rules,
)

RULES = rules(
    ("field:port:device_owner=~^network:", "network_device"),
    ("field:port:device_owner=~^compute:", "compute_device"),
    ("field:port:device_owner=~^baremetal:", "baremetal_device"),
    ("field:port:device_owner=~^manila:", "manila_device"),
    (
        either(ADMIN, SERVICE),
        "get_port_binding create_port:binding:host_id get_port:binding:vif_type get_port:binding:vif_details "
        "get_port:binding:host_id get_port:binding:profile update_port:binding:host_id",
    ),
    (
        SERVICE,
        "create_port_binding delete_port_binding activate create_port:binding:profile update_port:binding:profile",
    ),
    (either(ADMIN, "role:data_plane_integrator"), "admin_or_data_plane_int update_port:data_plane_status"),
    (
        either(ADMIN, SERVICE, NETWORK_MEMBER, SHARED),
        "create_port create_port:fixed_ips create_port:fixed_ips:subnet_id update_port:fixed_ips:subnet_id",
    ),
    (
        either(ADMIN, SERVICE, MEMBER),
        "create_port:device_id create_port:binding:vnic_type update_port update_port:device_id "
        "update_port:binding:vnic_type",
    ),
    (
        either(ADMIN, SERVICE, NETWORK_MEMBER, "not rule:network_device"),
        "create_port:device_owner update_port:device_owner",
    ),
    (
        either(ADMIN, SERVICE, NETWORK_MEMBER),
        "create_port:mac_address create_port:fixed_ips:ip_address create_port:port_security_enabled "
        "create_port:allowed_address_pairs create_port:allowed_address_pairs:mac_address "
        "create_port:allowed_address_pairs:ip_address update_port:fixed_ips update_port:fixed_ips:ip_address "
        "update_port:port_security_enabled update_port:allowed_address_pairs "
        "update_port:allowed_address_pairs:mac_address update_port:allowed_address_pairs:ip_address",
    ),
    (
        ADMIN,
        "create_port:hints create_port:trusted get_port:resource_request get_port:hints get_port:trusted "
        "update_port:hints update_port:trusted",
    ),
    (either(ADMIN, MEMBER, ADVSVC), "create_port:tags update_port:tags"),
    (either(ADMIN, SERVICE, READER, NETWORK_READER), "get_port"),
    (either(ADMIN, ADVSVC, READER, NETWORK_READER), "get_port:tags"),
    (either(ADMIN, SERVICE, NETWORK_MANAGER), "update_port:mac_address"),
    (either(ADMIN, SERVICE, both(either(MEMBER, NETWORK_MEMBER), either(VOUCHED, NO_MACHINE))), "delete_port"),
    (either(ADMIN, ADVSVC, MEMBER, NETWORK_MEMBER), "delete_port:tags"),
    (
        either(ADMIN, MEMBER),
        "create_port:pvlan_type create_port:pvlan_community update_port:pvlan_type update_port:pvlan_community",
    ),
    (either(ADMIN, READER), "get_port:pvlan_type get_port:pvlan_community"),
)
