"""Networks, their segments, subnets and the addresses in use."""

from __future__ import annotations

from rest.policies.language import (
    ADMIN,
    ADVSVC,
    EXTERNAL,
    MEMBER,
    NETWORK_MEMBER,
    NETWORK_READER,
    READER,
    SERVICE,
    SHARED,
    either,
    rules,
)

RULES = rules(
    ("field:networks:router:external=True", "external"),
    ("field:subnets:router:external=True", "external_network"),
    (
        either(ADMIN, MEMBER),
        "create_network create_network:port_security_enabled create_network:tags update_network "
        "update_network:port_security_enabled update_network:tags delete_network delete_network:tags "
        "create_network:pvlan update_network:pvlan",
    ),
    (
        ADMIN,
        "create_network:shared create_network:router:external create_network:is_default create_network:segments "
        "create_network:provider:network_type create_network:provider:physical_network "
        "create_network:provider:segmentation_id get_network:segments get_network:provider:network_type "
        "get_network:provider:physical_network get_network:provider:segmentation_id update_network:segments "
        "update_network:shared update_network:provider:network_type update_network:provider:physical_network "
        "update_network:provider:segmentation_id update_network:router:external update_network:is_default "
        "create_network_segment_range create_network_segment_range:tags get_network_segment_range "
        "get_network_segment_range:tags update_network_segment_range update_network_segment_range:tags "
        "delete_network_segment_range delete_network_segment_range:tags create_segment create_segments_tags "
        "get_segment get_segments_tags update_segment update_segments_tags delete_segment delete_segments_tags "
        "create_subnet:segment_id create_subnet:service_types get_subnet:segment_id update_subnet:segment_id "
        "update_subnet:service_types update_subnet:leak_routes",
    ),
    (either(ADMIN, SERVICE, ADVSVC, READER, SHARED, EXTERNAL), "get_network"),
    (either(ADMIN, ADVSVC, READER, SHARED, EXTERNAL), "get_network:tags"),
    (either(ADMIN, SERVICE), "get_network_ip_availability"),
    (either(ADMIN, READER), "get_network:pvlan"),
    (either(ADMIN, NETWORK_MEMBER), "create_subnet"),
    (
        either(ADMIN, MEMBER, NETWORK_MEMBER),
        "create_subnet:tags update_subnet update_subnet:tags delete_subnet delete_subnet:tags",
    ),
    (either(ADMIN, SERVICE, READER, NETWORK_READER, SHARED, "rule:external_network"), "get_subnet"),
    (either(ADMIN, READER, NETWORK_READER, SHARED, "rule:external_network"), "get_subnet:tags"),
)
