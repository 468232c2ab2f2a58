"""Where our attributes differ from neutron-lib's, and why: (collection, attribute, aspect) -> reason.

The aspect is `missing`, `post`, `put`, `shown`, `filter`, `default`, or `value` for the values that one of the two
takes and the other does not.  A test holds that there is no other difference, and none listed that is gone.
"""

TYPE = "a value of another type is refused: neutron-lib checks no type here"
NO_NUMBER = "true is no number"
NO_EMPTY = "neither an empty text nor an empty object is a list"
CHOICE = "null is a choice left to us; neutron-lib has it as a sentinel that no request can carry"
BY_NAME = "finding ports by it costs nothing, and clients of old releases do so"

CHOSEN = {
    ("subnets", "prefixlen", "value"): TYPE,
    ("subnets", "cidr", "value"): "an address without a length is no block; Neutron refuses it after neutron-lib",
    ("subnets", "gateway_ip", "value"): "a number is no address; neutron-lib reads it as one",
    ("subnets", "allocation_pools", "value"): NO_EMPTY,
    ("subnets", "dns_nameservers", "value"): NO_EMPTY,
    ("subnets", "service_types", "value"): NO_EMPTY,
    ("subnets", "segment_id", "put"): "subnet-segmentid-writable is always there with segment",
    ("segments", "segmentation_id", "value"): NO_NUMBER,
    ("network-segment-ranges", "minimum", "value"): NO_NUMBER,
    ("network-segment-ranges", "maximum", "value"): NO_NUMBER,
    ("ports", "mac_address", "value"): "null asks for a new address; numbers are no addresses, as netaddr reads them",
    ("ports", "fixed_ips", "value"): "null leaves the choice to us; objects with unknown keys are refused",
    ("ports", "binding:vif_type", "filter"): BY_NAME,
    ("ports", "binding:vnic_type", "filter"): BY_NAME,
    ("ports", "binding:host_id", "value"): "the name of a host is a text of up to 255 characters",
    ("bindings", "host", "value"): "the name of a host is a text of up to 255 characters",
    ("bindings", "project_id", "missing"): "a binding is its port's, whose project it is; Neutron never shows it",
    ("floatingips", "dns_name", "missing"): "there are no floating IPs yet",
    ("floatingips", "dns_domain", "missing"): "there are no floating IPs yet",
    ("address-groups", "description", "value"): "descriptions have up to 255 characters, as everywhere else",
    ("address-groups", "shared", "filter"): "they are found by whether they are shared, like all that can be",
    ("networks", "segments", "put"): "segments of a network do not change",
    ("networks", "segments", "value"): NO_EMPTY,
    ("networks", "mtu", "post"): "net-mtu-writable is always there with net-mtu",
    ("networks", "mtu", "put"): "net-mtu-writable is always there with net-mtu",
    ("networks", "mtu", "value"): TYPE,
    ("networks", "provider:network_type", "put"): "how a network is carried does not change",
    ("networks", "provider:network_type", "value"): "null is a choice left to us; unknown types are refused at once",
    ("networks", "provider:physical_network", "put"): "how a network is carried does not change",
    ("networks", "provider:physical_network", "value"): CHOICE,
    ("networks", "provider:segmentation_id", "put"): "how a network is carried does not change",
    ("networks", "provider:segmentation_id", "value"): CHOICE,
    ("network-ip-availabilities", "ip_version", "missing"): "it is a filter and no attribute, as in Neutron's answers",
    ("security-group-rules", "remote_address_group_id", "value"): "it is a UUID or null",
}
