"""Projects, users and roles from the command line, straight in the database: whoever may write there needs no password.

A controller that runs sees the changes within a second.
"""

from __future__ import annotations

import argparse
import getpass
import json
import secrets
import sys
import time
from collections.abc import Callable
from typing import Any

from controller.config import Config, ConfigError, load
from controller.core.accounts import Project, RoleAssignment, User
from controller.core.net import Net
from controller.core.plan import Draft, Plan, Refusal
from controller.core.plans import accounts as plans
from controller.io.store import Store, StoreError, Unavailable
from controller.look import table
from rest.identity.passwords import Passwords
from rest.identity.tokens import new_key


class Failed(Exception):
    """What was asked for can't be done; the text is for the person who asked."""


class Accounts:
    """The accounts of the configured database."""

    def __init__(self, config: Config) -> None:
        self.config = config
        self.store = Store(config.database, config.settings)

    @property
    def net(self) -> Net:
        return self.store.net

    def write(self, plan: Plan) -> Any:
        return self.store.execute(plan, who=f"patchbay ({getpass.getuser()})").result


Command = Callable[[Accounts, argparse.Namespace], None]


def _command(function: Command) -> Callable[[argparse.Namespace], int]:
    """A function of the command line: 0 done, 1 refused, 2 the configuration or the database can't be used."""

    def command(options: argparse.Namespace) -> int:
        try:
            accounts = Accounts(load(options.config, {"database": options.database}))
        except (ConfigError, StoreError) as error:
            print(f"patchbay: {error}", file=sys.stderr)
            return 2
        try:
            function(accounts, options)
        except (Failed, Refusal, Unavailable) as error:
            print(f"patchbay: {error}", file=sys.stderr)
            return 1
        finally:
            accounts.store.close()
        return 0

    command.__doc__ = function.__doc__
    return command


@_command
def create_project(accounts: Accounts, options: argparse.Namespace) -> None:
    """Make a project."""
    values = {"name": options.name, "description": options.description}
    made = accounts.write(lambda draft: plans.create_project(draft, values))
    print(f"project {made.name} has the id {made.id}")


@_command
def list_projects(accounts: Accounts, options: argparse.Namespace) -> None:
    """Print the projects."""
    rows = sorted(accounts.net.all(Project), key=lambda project: project.name)
    heads = ["ID", "NAME", "ENABLED", "DESCRIPTION"]
    print(table(heads, [[row.id, row.name, "yes" if row.enabled else "no", row.description] for row in rows]))


@_command
def delete_project(accounts: Accounts, options: argparse.Namespace) -> None:
    """Remove a project.  Its networks stay."""
    accounts.write(lambda draft: plans.delete_project(draft, _project(draft, options.name).id))
    print(f"project {options.name} is deleted; networks that it has are still there")


@_command
def create_user(accounts: Accounts, options: argparse.Namespace) -> None:
    """Make a user, with a role in a project."""

    def plan(draft: Draft) -> User:
        project = _project(draft, options.project)
        values = {"name": options.name, "password_hash": hashed, "default_project_id": project.id}
        user = plans.create_user(draft, values)
        plans.grant(draft, user.id, project.id, options.role)
        return user

    password, hashed = _password(options)
    made = accounts.write(plan)
    print(f"user {made.name} has the id {made.id} and the role {options.role} in project {options.project}")
    _show(password, options)


@_command
def list_users(accounts: Accounts, options: argparse.Namespace) -> None:
    """Print the users and their roles."""
    rows = []
    for user in sorted(accounts.net.all(User), key=lambda user: user.name):
        given = accounts.net.find(RoleAssignment, "user_id", user.id)
        named = ((accounts.net.get(Project, row.project_id), row.role) for row in given)
        roles = sorted(f"{project.name}:{role}" for project, role in named if project is not None)
        rows.append([user.id, user.name, "yes" if user.enabled else "no", " ".join(roles)])
    print(table(["ID", "NAME", "ENABLED", "PROJECT:ROLE"], rows))


@_command
def delete_user(accounts: Accounts, options: argparse.Namespace) -> None:
    """Remove a user."""
    accounts.write(lambda draft: plans.delete_user(draft, _user(draft, options.name).id))
    print(f"user {options.name} is deleted")


@_command
def set_password(accounts: Accounts, options: argparse.Namespace) -> None:
    """Give a user another password."""
    password, hashed = _password(options)
    accounts.write(lambda draft: plans.change_user(draft, _user(draft, options.name).id, {"password_hash": hashed}))
    print(f"user {options.name} has another password")
    _show(password, options)


@_command
def grant(accounts: Accounts, options: argparse.Namespace) -> None:
    """Give a user a role in a project."""
    accounts.write(lambda draft: plans.grant(draft, *_named(draft, options), options.role))
    print(f"user {options.user} has the role {options.role} in project {options.project}")


@_command
def revoke(accounts: Accounts, options: argparse.Namespace) -> None:
    """Take a role in a project from a user."""
    accounts.write(lambda draft: plans.revoke(draft, *_named(draft, options), options.role))
    print(f"user {options.user} no longer has the role {options.role} in project {options.project}")


@_command
def rotate(accounts: Accounts, options: argparse.Namespace) -> None:
    """Sign tokens with a new key from now on."""
    lifetime = accounts.config.access.token_lifetime
    made = accounts.write(lambda draft: plans.rotate_key(draft, new_key(), int(time.time()), lifetime))
    print(f"key {made.number} signs tokens from now on; tokens given before are good until they expire")


def clouds(options: argparse.Namespace) -> int:
    """Print a clouds.yaml for `openstack --os-cloud patchbay`."""
    try:
        access = load(options.config, {"identity": options.identity}).access
    except ConfigError as error:
        print(f"patchbay: {error}", file=sys.stderr)
        return 2
    address = access.listen if access.listen.host not in ("", "0.0.0.0", "::") else f"CONTROLLER:{access.listen.port}"
    values = {
        "auth_url": (access.identity_endpoint or f"http://{address}") + "/v3",
        "username": options.user,
        "password": options.password,
        "project_name": options.project,
        "user_domain_name": "Default",
        "project_domain_name": "Default",
    }
    lines = [f"      {name}: {json.dumps(value)}" for name, value in values.items()]  # JSON's strings are YAML's, too
    region = f"    region_name: {json.dumps(access.region)}\n    identity_api_version: 3"
    print("\n".join(["clouds:", "  patchbay:", "    auth:", *lines, region]))
    return 0


# -- what they share --------------------------------------------------------------------------------------------------


def _project(draft: Draft, name: str) -> Project:
    found = plans.project_named(draft, name)
    if found is None:
        raise plans.not_found("project", name)
    return found


def _user(draft: Draft, name: str) -> User:
    found = plans.user_named(draft, name)
    if found is None:
        raise plans.not_found("user", name)
    return found


def _named(draft: Draft, options: argparse.Namespace) -> tuple[str, str]:
    """The ids of the user and of the project that the options name."""
    return _user(draft, options.user).id, _project(draft, options.project).id


def _password(options: argparse.Namespace) -> tuple[str, str]:
    """The password that is given, asked for on a terminal, or made up; and its hash."""
    password = options.password
    if password is None and sys.stdin.isatty():
        password = getpass.getpass(f"Password of {options.name}: ")
        if password != getpass.getpass("Again: "):
            raise Failed("the two passwords differ; nothing was changed")
    elif password is None:
        password = secrets.token_urlsafe(18)
    try:
        return password, Passwords().hash(password)
    except ValueError as error:
        raise Failed(f"the password can't be used: {error}") from None


def _show(password: str, options: argparse.Namespace) -> None:
    """A password that was made up is shown, once."""
    if options.password is None and not sys.stdin.isatty():
        print(f"password: {password}")
