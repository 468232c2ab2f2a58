"""`patchbay project|user|role|tokens|clouds` against a database file."""

from __future__ import annotations

import getpass
import re

import pytest
from argon2 import PasswordHasher

from controller import accounts, cli
from controller.config import load
from controller.core.accounts import TokenKey, User, roles_of
from controller.core.settings import Settings
from controller.identity import PASSWORD, access, first_start
from controller.io.store import Store
from rest.identity.passwords import Passwords

CHEAP = PasswordHasher(time_cost=1, memory_cost=8, parallelism=1)


@pytest.fixture
def database(tmp_path, monkeypatch):
    monkeypatch.setattr(accounts, "Passwords", lambda: Passwords(CHEAP))
    monkeypatch.setattr("sys.stdin.isatty", lambda: False, raising=False)
    return f"sqlite:///{tmp_path}/x.db"


@pytest.fixture
def patchbay(database, capsys):
    def call(line):
        code = cli.run([*line.split(), "--database", database])
        out, err = capsys.readouterr()
        return code, out, err

    return call


def opened(database):
    return Store(database, Settings())


def test_from_a_project_to_a_user_who_gets_in(patchbay, database):
    assert patchbay("project create blue --description sky")[0] == 0
    code, out, err = patchbay("user create ann --project blue --role manager --password secret")
    assert (code, err) == (0, "") and "secret" not in out
    code, out, _ = patchbay("user list")
    assert re.search(r"ann +yes +blue:manager$", out, re.MULTILINE)
    assert re.search(r"blue +yes +sky$", patchbay("project list")[1], re.MULTILINE)
    store = opened(database)
    (user,) = store.net.all(User)
    assert roles_of(store.net, user.id, user.default_project_id) == {"manager", "member", "reader"}
    assert Passwords(CHEAP).fits(user.password_hash, "secret")
    store.close()


def test_granting_and_revoking(patchbay):
    patchbay("project create blue")
    patchbay("user create ann --project blue --password secret")
    assert patchbay("role grant ann --project blue --role service")[0] == 0
    assert "blue:member blue:service" in patchbay("user list")[1]
    assert patchbay("role revoke ann --project blue --role member")[0] == 0
    assert "blue:service" in patchbay("user list")[1] and "member" not in patchbay("user list")[1]
    assert patchbay("role revoke ann --project blue --role member")[0] == 1


def test_a_password_is_made_up_and_shown_once(patchbay, database):
    patchbay("project create blue")
    for line in ("user create ann --project blue", "user password ann"):
        code, out, _ = patchbay(line)
        (password,) = re.findall(r"^password: (\S+)$", out, re.MULTILINE)
        store = opened(database)
        (user,) = store.net.all(User)
        assert code == 0 and Passwords(CHEAP).fits(user.password_hash, password)
        store.close()


def test_a_terminal_is_asked_twice(patchbay, monkeypatch):
    patchbay("project create blue")
    monkeypatch.setattr("sys.stdin.isatty", lambda: True, raising=False)
    answers = iter(["one", "two", "one", "one"])
    monkeypatch.setattr(getpass, "getpass", lambda prompt: next(answers))
    code, out, err = patchbay("user create ann --project blue")
    assert (code, out) == (1, "") and "the two passwords differ" in err
    code, out, err = patchbay("user create ann --project blue")
    assert code == 0 and "password" not in out and "one" not in out


def test_deleting(patchbay):
    patchbay("project create blue")
    patchbay("user create ann --project blue --password secret")
    code, out, _ = patchbay("project delete blue")
    assert code == 0 and "networks" in out
    assert patchbay("user delete ann")[0] == 0
    assert len(patchbay("user list")[1].splitlines()) == 1
    assert len(patchbay("project list")[1].splitlines()) == 1


@pytest.mark.parametrize(
    ("line", "problem"),
    [
        ("project create admin", "there is a project with the name admin already"),
        ("project delete nope", "Could not find project: nope."),
        ("user create ann --project nope --password x", "Could not find project: nope."),
        ("user create admin --project admin --password x", "there is a user with the name admin already"),
        ("user password nope --password x", "Could not find user: nope."),
        ("user password admin --password=", "the password can't be used: it can't be empty"),
        ("user delete nope", "Could not find user: nope."),
        ("role grant nope --project admin --role member", "Could not find user: nope."),
        ("role grant admin --project nope --role member", "Could not find project: nope."),
    ],
)
def test_what_can_not_be_done_is_one_line_and_exit_code_1(patchbay, database, line, problem):
    store = opened(database)
    first_start(store, Passwords(CHEAP))
    revision = store.revision
    code, out, err = patchbay(line)
    assert (code, out) == (1, "")
    assert problem in err and err.startswith("patchbay: ") and err.count("\n") == 1
    assert store.catch_up() == revision
    store.close()


def test_a_bad_command_or_database_is_exit_code_2(patchbay, capsys):
    for line in ("role grant a --project b --role king", "user create ann", "project", "user frobnicate x"):
        with pytest.raises(SystemExit) as raised:
            patchbay(line)
        assert raised.value.code == 2
        capsys.readouterr()
    assert cli.run(["user", "list", "--database", "nonsense"]) == 2
    assert "nonsense" in capsys.readouterr().err
    assert cli.run(["user", "list", "--config", "/nonexistent.ini"]) == 2


def test_keys_are_rotated_after_the_first_start(patchbay, database):
    assert patchbay("tokens rotate")[0] == 1
    store = opened(database)
    first_start(store, Passwords(CHEAP))
    assert patchbay("tokens rotate")[0] == 0
    store.catch_up()
    assert {key.number for key in store.net.all(TokenKey)} == {1, 2}
    store.close()


def test_the_first_start_takes_its_password_from_the_environment_or_makes_one_up(tmp_path, monkeypatch):
    monkeypatch.delenv(PASSWORD, raising=False)
    made_up = first_start(Store("sqlite://", Settings()), Passwords(CHEAP))
    assert len(made_up) >= 20
    store = Store("sqlite://", Settings())
    monkeypatch.setenv(PASSWORD, "given")
    assert first_start(store, Passwords(CHEAP)) == ""
    (admin,) = store.net.all(User)
    assert Passwords(CHEAP).fits(admin.password_hash, "given")
    monkeypatch.setenv(PASSWORD, "later")
    assert first_start(store, Passwords(CHEAP)) == ""
    assert next(store.net.all(User)) == admin


def test_what_the_configuration_names_is_put_together(tmp_path):
    store = Store("sqlite://", Settings())
    assert access(load(None, {}), store) == (None, None, None, "")
    built = access(load(None, {"auth": "builtin"}), store)
    assert built.authenticate and built.policy and built.identity and built.password


def test_clouds_is_yaml_for_openstack(capsys, tmp_path):
    yaml = pytest.importorskip("yaml")
    ini = tmp_path / "x.ini"
    ini.write_text("[identity]\nregion = north\nlisten = *:5001\n")
    assert cli.run(["clouds", "--config", str(ini), "--user", "ann", "--project", "blue", "--password", 'a"b: c']) == 0
    cloud = yaml.safe_load(capsys.readouterr().out)["clouds"]["patchbay"]
    assert cloud["region_name"] == "north" and cloud["identity_api_version"] == 3
    assert cloud["auth"] == {
        "auth_url": "http://CONTROLLER:5001/v3",
        "username": "ann",
        "password": 'a"b: c',
        "project_name": "blue",
        "user_domain_name": "Default",
        "project_domain_name": "Default",
    }
