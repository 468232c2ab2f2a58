"""Extra DHCP options of a port: what its guest is told besides its address (RFC 2132, RFC 3315), for network boot say.

Names are those of dnsmasq and Neutron (`bootfile-name`, `tftp-server`), or numbers.
"""

from __future__ import annotations

from typing import Any, NamedTuple

from controller.core.app import App
from controller.core.model import Port
from controller.core.plan import Draft
from controller.core.plans import parse
from controller.core.plans.refusals import invalid_input
from controller.core.row import Check, attr

app = App("dhcp_options")
app.extension(
    "extra_dhcp_opt",
    "Neutron Extra DHCP options",
    "Options that a port's guest is told by DHCP.",
    "2013-03-17T12:00:00-00:00",
)

LONGEST_NAME = 64
MAY_BE_BLANK = ("router", "classless-static-route")
"""Options whose empty value says something: that there is none."""


class DhcpOption(NamedTuple):
    """An option and its value, for DHCPv4 or DHCPv6 (`ip_version`).  In a request a value of None takes it away."""

    opt_name: str
    opt_value: str | None
    ip_version: int

    @property
    def slot(self) -> tuple[str, int]:
        """What a port has one of."""
        return self.opt_name, self.ip_version

    @property
    def says_something(self) -> bool:
        return self.opt_value is not None if self.opt_name in MAY_BE_BLANK else bool(self.opt_value)


def _options(value: Any) -> tuple[DhcpOption, ...]:
    """`[{"opt_name": text, "opt_value": text or null, "ip_version": 4 or 6}, ...]`; null is an empty list."""
    if value is None:
        return ()
    if not isinstance(value, list):
        raise invalid_input(f"'{parse.printable(value)}' is not a list")
    if len(value) > parse.MOST_ITEMS:
        raise invalid_input(f"The list has more than {parse.MOST_ITEMS} items")
    return tuple(_option(item) for item in value)


def _option(item: Any) -> DhcpOption:
    keys = {"opt_name", "opt_value"}
    try:
        if not isinstance(item, dict) or not keys <= set(item) <= {*keys, "ip_version"}:
            raise parse.Invalid("its keys")
        name, value = _line(item["opt_name"], LONGEST_NAME), item["opt_value"]
        if name in MAY_BE_BLANK:
            value = value if value is None else parse.string(value)
        else:
            value = value if value is None else _line(value, parse.LONGEST)
        return DhcpOption(name, value, parse.ip_version(item.get("ip_version", 4)))
    except parse.Invalid as invalid:
        raise invalid_input(f"No valid key specs matched for: {parse.printable(item)}") from invalid


def _line(value: Any, longest: int) -> str:
    """One line of text that is not empty."""
    text = parse.string(value, longest)
    if not text.strip() or len(text.splitlines()) > 1:
        raise parse.Invalid("it is blank or has more than one line")
    return text


_ITEM = {
    "type": "object",
    "properties": {
        "opt_name": {"type": "string", "minLength": 1, "maxLength": LONGEST_NAME},
        "opt_value": {"type": ["string", "null"], "maxLength": parse.LONGEST},
        "ip_version": {"type": "integer", "enum": [4, 6]},
    },
    "required": ["opt_name", "opt_value"],
    "additionalProperties": False,
}
OPTIONS = Check(_options, {"type": ["array", "null"], "items": _ITEM, "maxItems": parse.MOST_ITEMS})


@app.row(key="port_id", extends=Port)
class DhcpOptions:
    """The extra options of a port, each name once for each IP version."""

    port_id: str
    extra_dhcp_opts: tuple[DhcpOption, ...] = attr(default=(), initial=(), check=OPTIONS, filter=False)


@app.prepare(Port)
def merge(draft: Draft, old: Port | None, values: dict[str, Any]) -> None:
    """An update names the options that change; a null value takes one away, an option that is not named stays."""
    if "extra_dhcp_opts" not in values:
        return
    held = draft.get(DhcpOptions, old.id) if old is not None else None
    found = {option.slot: option for option in (held.extra_dhcp_opts if held is not None else ())}
    for option in values["extra_dhcp_opts"]:
        if option.says_something:
            found[option.slot] = option
        elif option.opt_value is None:
            found.pop(option.slot, None)
    values["extra_dhcp_opts"] = tuple(found.values())
