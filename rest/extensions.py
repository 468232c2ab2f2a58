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
        "standard-attr-timestamp",
        "Resource timestamps",
        "Every resource tells when it was made and changed.",
        "2016-09-12T10:00:00-00:00",
    ),
)
