"""How Nova is told of its servers' ports: the options of [nova], and the frozen value they become."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from controller import config_types as types
from controller.config_access import Declared, url


class NovaSettings(NamedTuple):
    """`endpoint` is the URL of Nova's API with its version, "" for the catalogue's; with an `auth_url` (Keystone's) a
    token is asked for.  `interval` and `timeout` are in seconds.  `cafile` is a path, "" for the system's CAs."""

    endpoint: str = ""
    auth_url: str = ""
    username: str = ""
    password: str = ""
    project_name: str = ""
    user_domain_name: str = "Default"
    project_domain_name: str = "Default"
    region_name: str = ""
    endpoint_type: str = "public"
    cafile: str = ""
    interval: float = 1.0
    retries: int = 10
    timeout: float = 30.0


NOVA: tuple[Declared, ...] = (
    (
        "endpoint",
        "",
        url,
        "URL of Nova's API with its version, http://192.0.2.1:8774/v2.1, which is told of ports' events. Empty: that "
        "in the catalogue of auth_url. Nova is told nothing where neither is set.",
    ),
    ("auth_url", "", url, "URL of the Keystone that gives us a token for Nova. Empty: Nova is told without a token."),
    ("username", "nova", types.text, "The user that the token is for; Nova wants it to have the service role."),
    ("password", "", str, "The user's password."),
    ("project_name", "service", types.text, "The project that the token is for."),
    ("user_domain_name", "Default", types.text, "The user's domain."),
    ("project_domain_name", "Default", types.text, "The project's domain."),
    ("region_name", "", str, "The region of Nova in the catalogue. Empty: the first."),
    ("endpoint_type", "public", types.one_of("public", "internal", "admin"), "Which of Nova's URLs there."),
    ("cafile", "", str, "PEM file of the CA of Nova and Keystone. Empty: those that the system trusts."),
    (
        "send_events_interval",
        "1",
        types.number(0, 60, "seconds"),
        "Seconds between two requests at least: what happens meanwhile is told together. The first goes at once.",
    ),
    (
        "http_retries",
        "10",
        types.number(0, 1000, "times"),
        "How many times events are sent again when Nova can't be reached, after 1, 2, 4 ... 30 seconds.",
    ),
)


def is_there(section: Mapping[str, Any]) -> bool:
    """Whether there is a Nova that is told of ports."""
    return bool(section["endpoint"] or section["auth_url"])


def read(section: Mapping[str, Any]) -> NovaSettings | None:
    """The settings of the section, None where Nova is not told.  Raises ValueError for an auth_url without password."""
    if not is_there(section):
        return None
    if section["auth_url"] and not section["password"]:
        raise ValueError("password: it must be set when auth_url is")
    names = {"interval": "send_events_interval", "retries": "http_retries"}
    given = {name: section[names.get(name, name)] for name in NovaSettings._fields if name != "timeout"}
    return NovaSettings(**given)
