"""The Neutron API extensions whose behaviour the core has; apps add theirs.

Clients ask for them by alias before they use what they add.
"""

from __future__ import annotations

from controller.core.resource import Extension

EXTENSIONS = (
    Extension("binding", "Port Binding", "The host and VIF of a port.", "2014-02-03T10:00:00-00:00"),
    Extension(
        "empty-string-filtering",
        "Empty String Filtering Extension",
        "A filter with an empty value finds what has an empty value.",
        "2018-05-01T10:00:00-00:00",
    ),
    Extension(
        "external-net",
        "Neutron external network",
        "Networks for routers' gateways and floating IPs, which all projects may use.",
        "2013-01-14T10:00:00-00:00",
    ),
    Extension(
        "filter-validation",
        "Filter parameters validation",
        "Unknown filters are refused.",
        "2018-07-04T10:00:00-00:00",
    ),
    Extension(
        "ip-substring-filtering",
        "IP address substring filtering",
        "Ports are found by a part of their address.",
        "2017-11-28T09:00:00-00:00",
    ),
    Extension("ip_allocation", "IP Allocation", "How a port came by its addresses.", "2016-06-10T23:00:00-00:00"),
    Extension(
        "l2_adjacency", "L2 Adjacency", "Whether a network is one broadcast domain.", "2016-04-12T16:00:00-00:00"
    ),
    Extension(
        "multi-provider",
        "Multi Provider Network",
        "A network on several physical networks.",
        "2013-06-27T10:00:00-00:00",
    ),
    Extension("net-mtu", "Network MTU", "The MTU of a network.", "2015-03-25T10:00:00-00:00"),
    Extension(
        "net-mtu-writable", "Network MTU (writable)", "Clients may set a network's MTU.", "2017-07-12T00:00:00-00:00"
    ),
    Extension("pagination", "Pagination support", "Lists come in pages.", "2016-06-12T00:00:00-00:00"),
    Extension(
        "port-mac-address-regenerate",
        "Neutron Port MAC address regenerate",
        "A port that is given a null MAC address gets a new one.",
        "2018-05-03T10:00:00-00:00",
    ),
    Extension("project-id", "project_id field enabled", "tenant_id's newer name.", "2016-09-09T09:09:09-09:09"),
    Extension(
        "provider",
        "Provider Network",
        "How a network is carried on physical networks and tunnels.",
        "2012-09-07T10:00:00-00:00",
    ),
    Extension(
        "revision-if-match",
        "If-Match constraints based on revision_number",
        "A write that insists on a revision number.",
        "2016-12-11T00:00:00-00:00",
    ),
    Extension(
        "quota-check-limit",
        "Quota engine limit check",
        "A new limit that is below what a project has already is refused.",
        "2021-09-08T16:00:00-00:00",
    ),
    Extension(
        "quota-check-limit-default",
        "Quota engine limit check by default",
        "It is refused whether the client asks for the check or not.",
        "2024-08-21T16:00:00-00:00",
    ),
    Extension(
        "quota_details",
        "Quota details management support",
        "How much of each resource a project has.",
        "2017-02-10T10:00:00-00:00",
    ),
    Extension(
        "quotas",
        "Quota management support",
        "How much of each resource a project may have.",
        "2012-07-29T10:00:00-00:00",
    ),
    Extension("sorting", "Sorting support", "Lists come in the order asked for.", "2016-06-12T00:00:00-00:00"),
    Extension(
        "standard-attr-description",
        "standard-attr-description",
        "Every resource has a description.",
        "2016-02-10T10:00:00-00:00",
    ),
    Extension(
        "standard-attr-revisions",
        "Resource revision numbers",
        "Every resource counts its changes.",
        "2016-04-11T10:00:00-00:00",
    ),
    Extension(
        "standard-attr-tag",
        "Tag support for resources with standard attribute",
        "Resources have tags, and are found by them.",
        "2017-01-01T00:00:00-00:00",
    ),
    Extension(
        "standard-attr-timestamp",
        "Resource timestamps",
        "Every resource tells when it was made and changed.",
        "2016-09-12T10:00:00-00:00",
    ),
    Extension(
        "subnet-external-network",
        "Subnet belongs to an external network",
        "A subnet tells whether its network is external.",
        "2024-02-05T18:00:00-00:00",
    ),
    Extension(
        "tag-creation",
        "Tag creation extension",
        "Tags are added to those that are there.",
        "2024-23-07T10:00:00-00:00",  # sic
    ),
    Extension(
        "tag-ports-during-bulk-creation",
        "Tag Ports During Bulk Creation",
        "Ports may be made with their tags.",
        "2019-12-29T19:00:00-00:00",
    ),
    Extension(
        "subnet-service-types",
        "Subnet service types",
        "Which owners' ports a subnet gives addresses to.",
        "2016-03-15T18:00:00-00:00",
    ),
)
