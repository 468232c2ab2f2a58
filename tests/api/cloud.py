"""A controller with identity, people and a host, as an operator would set it up: with `patchbay` itself."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import urllib.request
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Self

from tests.ovs.controller import ROOT, Controller, free_port

PASSWORDS = {"admin": "admin-secret", "kim": "kim-secret", "rae": "rae-secret"}
PROJECTS = {"admin": "admin", "kim": "blue", "rae": "blue"}
ROLES = {"kim": "member", "rae": "reader"}


class Cloud:
    """`kim` is a member and `rae` a reader of project `blue`."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.controller = Controller(directory)
        self.identity = f"http://{self.controller.address}:{free_port(self.controller.address)}/v3"
        listen = self.identity.removeprefix("http://").removesuffix("/v3")
        self.controller.configure(
            {
                "api": {"auth_strategy": "builtin"},
                "identity": {"listen": listen},
                "ovs": {"network_vlan_ranges": "physnet1:1000:1999"},
                "quotas": {f"quota_{name}": -1 for name in ("network", "subnet", "port", "security_group")},
            }
        )

    def __enter__(self) -> Self:
        os.environ["PATCHBAY_ADMIN_PASSWORD"] = PASSWORDS["admin"]
        self.controller.start()
        self.patchbay("project", "create", "blue")
        for user, role in ROLES.items():
            self.add_user(user, PROJECTS[user], role, PASSWORDS[user])
        return self

    def __exit__(self, *_: object) -> None:
        self.controller.kill9()

    def add_user(self, name: str, project: str, role: str, password: str) -> None:
        self.patchbay("user", "create", name, "--project", project, "--role", role, "--password", password)

    def patchbay(self, *words: str) -> str:
        """Run a command of ours on the controller's machine."""
        command = [sys.executable, "-m", "controller", *words, "--config", str(self.controller.config)]
        done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False, timeout=60)
        assert done.returncode == 0, done.stderr
        return done.stdout

    def token(self, user: str = "admin") -> str:
        """A token of the user's, from identity."""
        domain = {"name": "Default"}
        who = {"name": user, "domain": domain, "password": PASSWORDS[user]}
        scope = {"project": {"name": PROJECTS[user], "domain": domain}}
        body = {"auth": {"identity": {"methods": ["password"], "password": {"user": who}}, "scope": scope}}
        request = urllib.request.Request(f"{self.identity}/auth/tokens", json.dumps(body).encode(), method="POST")
        request.add_header("Content-Type", "application/json")
        with urllib.request.urlopen(request, timeout=30) as answer:
            return str(answer.headers["X-Subject-Token"])

    def rest(self, method: str, path: str, body: Any = None) -> Any:
        """What the network API answers an administrator."""
        return self._ask(method, f"http://{self.controller.address}:{self.controller.ports['api']}/v2.0/{path}", body)

    def keystone(self, method: str, path: str, body: Any = None) -> Any:
        """What identity answers an administrator."""
        return self._ask(method, f"{self.identity}/{path}", body)

    def _ask(self, method: str, url: str, body: Any) -> Any:
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(url, data, method=method, headers={"X-Auth-Token": self.token()})
        with urllib.request.urlopen(request, timeout=30) as answer:
            return json.loads(answer.read() or b"null")

    def public_network(self) -> str:
        """The id of a new external network with an IPv4 subnet."""
        network = {"name": "public", "router:external": True}
        made: str = self.rest("POST", "networks", {"network": network})["network"]["id"]
        subnet = {"network_id": made, "ip_version": 4, "cidr": "198.51.100.0/24", "enable_dhcp": False}
        self.rest("POST", "subnets", {"subnet": subnet})
        return made

    def environment(self, user: str) -> Mapping[str, str]:
        """What the clients of OpenStack read."""
        return {
            "OS_AUTH_URL": self.identity,
            "OS_IDENTITY_API_VERSION": "3",
            "OS_USERNAME": user,
            "OS_PASSWORD": PASSWORDS[user],
            "OS_PROJECT_NAME": PROJECTS[user],
            "OS_USER_DOMAIN_NAME": "Default",
            "OS_PROJECT_DOMAIN_NAME": "Default",
            "OS_REGION_NAME": "RegionOne",
        }
