"""Who is at the command line: a token from the environment, by the variables that `openstack` reads, too."""

from __future__ import annotations

import json
import os
import urllib.error
import urllib.request

TIMEOUT = 30
"""Seconds to wait for identity."""
WANTED = "set OS_AUTH_URL, OS_USERNAME, OS_PASSWORD and OS_PROJECT_NAME, or give a --token"


class NoToken(Exception):
    """Identity gave none; the text is for the person who asked."""


def headers() -> dict[str, str]:
    """What to send along with a request: a token, or nothing where the environment names nobody.  Raises NoToken."""
    given = os.environ.get
    url, name, password = given("OS_AUTH_URL"), given("OS_USERNAME"), given("OS_PASSWORD")
    if not (url and name and password):
        return {}
    user = {"name": name, "password": password, "domain": {"name": given("OS_USER_DOMAIN_NAME", "Default")}}
    auth: dict[str, object] = {"identity": {"methods": ["password"], "password": {"user": user}}}
    if project := given("OS_PROJECT_NAME"):
        domain = {"name": given("OS_PROJECT_DOMAIN_NAME", "Default")}
        auth["scope"] = {"project": {"name": project, "domain": domain}}
    return {"X-Auth-Token": _token(url, auth)}


def _token(url: str, auth: dict[str, object]) -> str:
    base = url.rstrip("/").removesuffix("/v3")
    body = json.dumps({"auth": auth}).encode()
    request = urllib.request.Request(f"{base}/v3/auth/tokens", body, {"Content-Type": "application/json"})
    try:
        with urllib.request.urlopen(request, timeout=TIMEOUT) as answer:
            return str(answer.headers["X-Subject-Token"])
    except urllib.error.HTTPError as error:
        raise NoToken(f"identity at {url} gives no token: HTTP {error.code} {error.reason}") from None
    except (urllib.error.URLError, OSError, ValueError) as error:
        raise NoToken(f"no identity answers at {url}: {getattr(error, 'reason', error)}") from None
