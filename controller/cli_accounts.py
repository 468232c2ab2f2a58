"""The commands about accounts: `patchbay project|user|role|tokens|clouds`."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from typing import TYPE_CHECKING

from controller.core.accounts import IMPLIED

if TYPE_CHECKING:
    Commands = argparse._SubParsersAction[argparse.ArgumentParser]

ROLES = tuple(IMPLIED)


def add(commands: Commands) -> None:
    """Add them to the command line."""
    _add_project(_group(commands, "project", "the projects of the built-in identity"))
    _add_user(_group(commands, "user", "the users of the built-in identity"))
    _add_role(_group(commands, "role", "what users may do in projects"))
    tokens = _group(commands, "tokens", "the keys that sign tokens")
    _verb(tokens, "rotate", "rotate", "sign with a new key from now on")
    _add_clouds(commands)


def _add_project(verbs: Commands) -> None:
    create = _verb(verbs, "create", "create_project", "make a project")
    create.add_argument("name", metavar="NAME")
    create.add_argument("--description", metavar="TEXT", default="", help="what it is for")
    _verb(verbs, "list", "list_projects", "print the projects")
    delete = _verb(verbs, "delete", "delete_project", "remove a project; its networks stay")
    delete.add_argument("name", metavar="NAME")


def _add_user(verbs: Commands) -> None:
    create = _verb(verbs, "create", "create_user", "make a user")
    create.add_argument("name", metavar="NAME")
    create.add_argument("--project", metavar="PROJECT", required=True, help="the user's project, which must be there")
    create.add_argument("--role", choices=ROLES, default="member", help="the user's role there (default member)")
    _add_password(create)
    _verb(verbs, "list", "list_users", "print the users and their roles")
    delete = _verb(verbs, "delete", "delete_user", "remove a user")
    delete.add_argument("name", metavar="NAME")
    password = _verb(verbs, "password", "set_password", "give a user another password")
    password.add_argument("name", metavar="NAME")
    _add_password(password)


def _add_password(command: argparse.ArgumentParser) -> None:
    text = "without it a terminal is asked, and elsewhere one is made up and printed"
    command.add_argument("--password", metavar="TEXT", help=text)


def _add_role(verbs: Commands) -> None:
    for name, help in (("grant", "give a user a role in a project"), ("revoke", "take a role from a user")):
        command = _verb(verbs, name, name, help)
        command.add_argument("user", metavar="USER")
        command.add_argument("--project", metavar="PROJECT", required=True)
        command.add_argument("--role", choices=ROLES, required=True)


def _add_clouds(commands: Commands) -> None:
    command = commands.add_parser("clouds", help="print a clouds.yaml for openstack --os-cloud patchbay")
    command.add_argument("--user", metavar="USER", default="admin")
    command.add_argument("--project", metavar="PROJECT", default="admin")
    command.add_argument("--password", metavar="TEXT", default="PASSWORD", help="what to write (default PASSWORD)")
    command.add_argument("--identity", metavar="HOST:PORT", help="where identity listens (default 127.0.0.1:5000)")
    command.add_argument("--config", metavar="FILE", help="INI file")
    command.set_defaults(function=_late("clouds"))


def _group(commands: Commands, name: str, help: str) -> Commands:
    return commands.add_parser(name, help=help).add_subparsers(metavar="VERB", required=True)


def _verb(verbs: Commands, name: str, function: str, help: str) -> argparse.ArgumentParser:
    command = verbs.add_parser(name, help=help)
    command.add_argument("--config", metavar="FILE", help="INI file, that of the controller")
    command.add_argument("--database", metavar="URL", help="SQLAlchemy URL, that of the controller")
    command.set_defaults(function=_late(function))
    return command


def _late(name: str) -> Callable[[argparse.Namespace], int]:
    """A function of controller.accounts, which is imported when it is called: the store's libraries are large."""

    def run(options: argparse.Namespace) -> int:
        from controller import accounts

        function: Callable[[argparse.Namespace], int] = getattr(accounts, name)
        return function(options)

    return run
