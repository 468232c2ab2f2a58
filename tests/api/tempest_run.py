"""Run tempest's network API tests with pre-provisioned credentials, and read what came of each.

tests/api/test_tempest.py checks the result and writes docs/generated/tempest.md.
"""

from __future__ import annotations

import os
import re
import subprocess
from pathlib import Path
from typing import NamedTuple

from tests.api.cloud import PASSWORDS, Cloud

REGEX = r"^tempest\.api\.network"
ABSENT = {
    r"test_port_list_filter_by_router_id": "makes a router without asking whether there are any",
    r"test_dhcp_ipv6\.NetworksTestDHCPv6": "lists routers when it cleans up, without asking whether there are any",
    r"test_tags\.TagsExtTest": "makes a router to tag it",
    r"test_delete_external_networks_with_floating_ip": "makes a floating IP",
    r"test_create_port_with_precreated_floatingip_as_fixed_ip": "makes a floating IP",
}
"""Tests that need what is not there and do not skip by themselves, by a part of their names, and why."""
PROJECTS = 6
"""Projects with a member and a reader each: a test class takes up to two, and two run side by side."""
LINE = re.compile(
    r"^\{\d+\} (?P<name>\S+(?: \([\w.]+\))?) (?:\[[\d.]+s\] )?\.\.\. (?P<result>ok|FAILED|SKIPPED)(?:: (?P<why>.*))?$"
)


class Result(NamedTuple):
    """`outcome` is ok, FAILED or SKIPPED; of a class that is skipped as a whole, `name` is the class's."""

    name: str
    outcome: str
    reason: str


def run(clients: Path, cloud: Cloud, directory: Path, regex: str = REGEX) -> tuple[list[Result], str]:
    """The results, and all that tempest printed."""
    directory.mkdir(exist_ok=True)
    _accounts(cloud, directory)
    env = _environment(clients, directory)
    workspace = directory / "workspace"
    tempest = [str(clients / "tempest")]
    subprocess.run([*tempest, "init", str(workspace)], env=env, check=True, capture_output=True)
    (workspace / "etc" / "tempest.conf").write_text(_configuration(cloud, directory))
    without = ["--exclude-regex", "|".join(ABSENT)]
    command = [*tempest, "run", "--regex", regex, *without, "--concurrency", "2"]
    done = subprocess.run(command, cwd=workspace, env=env, capture_output=True, text=True, check=False)
    text = done.stdout + done.stderr
    return [Result(m["name"], m["result"], m["why"] or "") for m in map(LINE.match, text.splitlines()) if m], text


def listed(clients: Path, directory: Path, regex: str = REGEX) -> list[str]:
    """The names of all tests that there are."""
    command = [str(clients / "tempest"), "run", "--list-tests", "--regex", regex]
    env = _environment(clients, directory)
    done = subprocess.run(command, cwd=directory / "workspace", env=env, capture_output=True, text=True, check=False)
    return [line.split("[")[0] for line in done.stdout.splitlines() if line.startswith("tempest.")]


def _environment(clients: Path, directory: Path) -> dict[str, str]:
    """Its own HOME: tempest notes its workspaces there by name."""
    return {**os.environ, "PATH": f"{clients}{os.pathsep}{os.environ['PATH']}", "HOME": str(directory)}


def _accounts(cloud: Cloud, directory: Path) -> None:
    roles = {role["name"]: role["id"] for role in cloud.keystone("GET", "roles")["roles"]}
    text = _account("admin", "admin", PASSWORDS["admin"], "  types: [admin]\n")
    second = {"user": {"name": "second-admin", "password": "tempest-secret"}}
    user_id = cloud.keystone("POST", "users", second)["user"]["id"]
    (project,) = cloud.keystone("GET", "projects?name=admin")["projects"]
    cloud.keystone("PUT", f"projects/{project['id']}/users/{user_id}/roles/{roles['admin']}")
    text += _account("second-admin", "admin", "tempest-secret", "  types: [admin]\n")
    for number in range(PROJECTS):
        name = f"tempest{number}"
        project = cloud.keystone("POST", "projects", {"project": {"name": name}})["project"]["id"]
        for role in ("member", "reader"):
            user = f"{name}-{role}"
            made = {"user": {"name": user, "password": "tempest-secret"}}
            user_id = cloud.keystone("POST", "users", made)["user"]["id"]
            cloud.keystone("PUT", f"projects/{project}/users/{user_id}/roles/{roles[role]}")
            text += _account(user, name, "tempest-secret", f"  roles: [{role}]\n")
    (directory / "accounts.yaml").write_text(text)


def _account(name: str, project: str, password: str, more: str) -> str:
    return (
        f"- username: {name}\n  project_name: {project}\n  domain_name: Default\n  user_domain_name: Default\n"
        f"  project_domain_name: Default\n  password: {password}\n{more}"
    )


def _configuration(cloud: Cloud, directory: Path) -> str:
    extensions = ",".join(extension["alias"] for extension in cloud.rest("GET", "extensions")["extensions"])
    public = cloud.public_network()
    return f"""
[DEFAULT]
log_file = {directory}/tempest.log
[oslo_concurrency]
lock_path = {directory}/locks
[auth]
use_dynamic_credentials = False
test_accounts_file = {directory}/accounts.yaml
default_credentials_domain_name = Default
admin_username = admin
admin_project_name = admin
admin_password = {PASSWORDS["admin"]}
admin_domain_name = Default
tempest_roles = member
[identity]
auth_version = v3
uri_v3 = {cloud.identity}
region = RegionOne
[identity-feature-enabled]
api_v2 = False
[service_available]
neutron = True
nova = False
glance = False
cinder = False
swift = False
horizon = False
[network]
public_network_id = {public}
floating_network_name = public
[network-feature-enabled]
ipv6 = True
ipv6_subnet_attributes = True
port_security = True
api_extensions = {extensions}
"""
