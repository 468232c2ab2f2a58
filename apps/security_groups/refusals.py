"""What is refused, with Neutron's exception names, status codes and texts."""

from __future__ import annotations

from typing import Any

from controller.core.plan import Refusal
from controller.core.plans.parse import printable


def _invalid(type: str, text: str) -> Refusal:
    return Refusal(type, text, 400)


def _in_use(type: str, text: str) -> Refusal:
    return Refusal(type, text, 409)


# ---------------------------------------------------------------------------------------------------------------------
# Values of rules


def protocol(value: Any, known: tuple[str | None, ...]) -> Refusal:
    text = (
        f"Security group rule protocol {printable(value)} not supported. Only protocol values {known} and integer "
        "representations [0 to 255] are supported."
    )
    return _invalid("SecurityGroupRuleInvalidProtocol", text)


def ethertype(value: Any, known: tuple[str, ...]) -> Refusal:
    text = f"Security group rule for ethertype '{printable(value)}' not supported. Allowed values are {list(known)}."
    return _invalid("SecurityGroupRuleInvalidEtherType", text)


def port_value(value: Any) -> Refusal:
    return _invalid("SecurityGroupInvalidPortValue", f"Invalid value for port {printable(value)}")


def cidr(value: Any) -> Refusal:
    return _invalid("InvalidCIDR", f"Invalid CIDR {printable(value)} given as IP prefix.")


def protocol_required() -> Refusal:
    return _invalid("SecurityGroupProtocolRequiredWithPorts", "Must also specify protocol if port range is given.")


def port_range() -> Refusal:
    return _invalid("SecurityGroupInvalidPortRange", "For TCP/UDP protocols, port_range_min must be <= port_range_max")


def no_ports(number: int, with_ports: str) -> Refusal:
    text = f"Invalid protocol {number} for port range, only supported for {with_ports}."
    return _invalid("SecurityGroupInvalidProtocolForPort", text)


def icmp_value(what: str, attribute: str, value: int) -> Refusal:
    text = f"Invalid value for ICMP {what} ({attribute}) {value}. It must be 0 to 255."
    return _invalid("SecurityGroupInvalidIcmpValue", text)


def icmp_type_missing(code: int) -> Refusal:
    text = f"ICMP code (port-range-max) {code} is provided but ICMP type (port-range-min) is missing."
    return _invalid("SecurityGroupMissingIcmpType", text)


def prefix_conflict(ethertype: str, prefix: str) -> Refusal:
    text = f"Conflicting value ethertype {ethertype} for CIDR {prefix}"
    return _invalid("SecurityGroupRuleParameterConflict", text)


def protocol_conflict(ethertype: str, protocol: str) -> Refusal:
    text = f"Invalid ethertype {ethertype} for protocol {protocol}."
    return _invalid("SecurityGroupEthertypeConflictWithProtocol", text)


def several_remotes() -> Refusal:
    text = "Only one of remote_ip_prefix or remote_group_id or remote_address_group_id may be provided."
    return _invalid("SecurityGroupMultipleRemoteEntites", text)  # the name is spelt so


def rule_exists(rule_id: str) -> Refusal:
    return _in_use("SecurityGroupRuleExists", f"Security group rule already exists. Rule id is {rule_id}.")


def template_exists(rule_id: str) -> Refusal:
    text = f"Default Security group rule already exists. Rule id is {rule_id}."
    return _in_use("DefaultSecurityGroupRuleExists", text)


# ---------------------------------------------------------------------------------------------------------------------
# Groups and their members


def groups_not_found(group_ids: list[str]) -> Refusal:
    return Refusal("SecurityGroupNotFound", f"Security group {', '.join(group_ids)} does not exist", 404)


def group_in_use(group_id: str) -> Refusal:
    return _in_use("SecurityGroupInUse", f"Security Group {group_id} in use.")


def address_group_in_use(group_id: str) -> Refusal:
    return _in_use("AddressGroupInUse", f"Address group {group_id} is in use on one or more security group rules.")


def default_exists() -> Refusal:
    return _in_use("SecurityGroupDefaultAlreadyExists", "Default security group already exists.")


def default_stays() -> Refusal:
    text = "Insufficient rights for removing default security group."
    return _in_use("SecurityGroupCannotRemoveDefault", text)


def default_keeps_its_name() -> Refusal:
    return _in_use("SecurityGroupCannotUpdateDefault", "Updating default security group not allowed.")


def stateful_and_stateless() -> Refusal:
    text = (
        "Error Cannot apply both stateful and stateless security groups on the same port at the same time while "
        "attempting the operation."
    )
    return _in_use("SecurityGroupConflict", text)


def port_not_protected() -> Refusal:
    text = "Port security must be enabled and port must have an IP address in order to use security groups."
    return _invalid("PortSecurityAndIPRequiredForSecurityGroups", text)


def port_has_groups() -> Refusal:
    text = (
        "Port has security group associated. Cannot disable port security or IP address until security group is "
        "removed."
    )
    return _in_use("PortSecurityPortHasSecurityGroup", text)
