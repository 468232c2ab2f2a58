"""Routers, floating IPs and what hangs on them."""

from __future__ import annotations

from rest.policies.language import ADMIN, MANAGER, MEMBER, PARENT_MEMBER, PARENT_READER, READER, either, rules

RULES = rules(
    (
        either(ADMIN, MEMBER),
        "create_router create_router:external_gateway_info create_router:external_gateway_info:network_id "
        "create_router:tags update_router update_router:external_gateway_info "
        "update_router:external_gateway_info:network_id update_router:tags delete_router delete_router:tags "
        "add_router_interface remove_router_interface add_extraroutes remove_extraroutes add_external_gateways "
        "add_external_gateways:external_gateways add_external_gateways:external_gateways:network_id "
        "update_external_gateways update_external_gateways:external_gateways "
        "update_external_gateways:external_gateways:network_id remove_external_gateways "
        "remove_external_gateways:external_gateways create_floatingip create_floatingip:router_id "
        "create_floatingip:tags update_floatingip update_floatingip:router_id update_floatingip:tags "
        "delete_floatingip delete_floatingip:tags create_local_ip update_local_ip delete_local_ip "
        "create_ndp_proxy update_ndp_proxy delete_ndp_proxy",
    ),
    (
        ADMIN,
        "create_router:distributed create_router:ha create_router:external_gateway_info:enable_snat "
        "create_router:external_gateway_info:external_fixed_ips create_router:enable_default_route_bfd "
        "create_router:enable_default_route_ecmp get_router:distributed get_router:ha update_router:distributed "
        "update_router:ha update_router:external_gateway_info:enable_snat "
        "update_router:external_gateway_info:external_fixed_ips update_router:enable_default_route_bfd "
        "update_router:enable_default_route_ecmp add_external_gateways:external_gateways:enable_snat "
        "add_external_gateways:external_gateways:external_fixed_ips "
        "update_external_gateways:external_gateways:enable_snat "
        "update_external_gateways:external_gateways:external_fixed_ips create_router:evpn_vni",
    ),
    (
        either(ADMIN, READER),
        "get_router get_router:tags get_router:evpn_vni get_floatingip get_floatingip:tags get_floatingip_pool "
        "get_local_ip get_ndp_proxy",
    ),
    (either(ADMIN, MANAGER), "create_floatingip:floating_ip_address"),
    (
        either(ADMIN, PARENT_MEMBER),
        "create_floatingip_port_forwarding update_floatingip_port_forwarding delete_floatingip_port_forwarding "
        "create_router_conntrack_helper update_router_conntrack_helper delete_router_conntrack_helper "
        "create_local_ip_port_association delete_local_ip_port_association",
    ),
    (
        either(ADMIN, PARENT_READER),
        "get_floatingip_port_forwarding get_router_conntrack_helper get_local_ip_port_association",
    ),
)
