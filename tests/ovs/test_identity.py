"""`patchbay serve --auth builtin` as a process: from its first start to a user's network, over a restart."""

from __future__ import annotations

import json
import re
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.ovs.controller import Controller, free_port, run_patchbay


@pytest.fixture
def controller(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Controller]:
    for name in ("PATCHBAY_ADMIN_PASSWORD", "OS_TOKEN", "OS_AUTH_URL"):
        monkeypatch.delenv(name, raising=False)
    made = Controller(tmp_path / "controller")
    made.ports["identity"] = free_port(made.address)
    made.configure({"api": {"auth_strategy": "builtin"}})
    made.start("--record", str(tmp_path / "recording"))
    yield made
    made.kill9()


def ask(url: str, method: str = "GET", body: Any = None, token: str = "") -> tuple[int, Any, Any]:
    """Status, JSON and headers."""
    headers = {"Content-Type": "application/json"} | ({"X-Auth-Token": token} if token else {})
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(url, data, headers, method=method)
    try:
        with urllib.request.urlopen(request, timeout=15) as answer:
            return answer.status, json.loads(answer.read() or "null"), answer.headers
    except urllib.error.HTTPError as error:
        return error.code, json.loads(error.read() or "null"), error.headers


def sign_in(base: str, name: str, password: str, project: str) -> tuple[int, Any, Any]:
    user = {"name": name, "password": password, "domain": {"id": "default"}}
    scope = {"project": {"name": project, "domain": {"id": "default"}}}
    identity = {"methods": ["password"], "password": {"user": user}}
    return ask(f"{base}/v3/auth/tokens", "POST", {"auth": {"identity": identity, "scope": scope}})


def test_from_the_first_start_to_a_users_network(controller: Controller, monkeypatch: pytest.MonkeyPatch) -> None:
    identity = f"http://{controller.address}:{controller.ports['identity']}"
    (password,) = re.findall(r"user admin, project admin, password (\S+) \(", controller.output)
    status, body, headers = ask(f"{controller.url}/v2.0/networks")
    assert status == 401 and body["error"]["code"] == 401
    assert headers["WWW-Authenticate"] == f'Keystone uri="{identity}"'
    assert ask(f"{controller.url}/v2.0/")[0] == 200

    for base in (identity, f"{controller.url}/identity"):
        status, body, headers = sign_in(base, "admin", password, "admin")
        assert status == 201
        urls = {service["type"]: service["endpoints"][0]["url"] for service in body["token"]["catalog"]}
        assert urls == {"network": controller.url, "identity": f"{base}/v3"}
    admin = headers["X-Subject-Token"]
    assert sign_in(identity, "admin", "wrong", "admin")[0] == 401

    database = ["--config", str(controller.config)]
    assert run_patchbay("project", "create", "blue", *database).returncode == 0
    made = run_patchbay("user", "create", "ann", "--project", "blue", "--password", "secret", *database)
    assert made.returncode == 0, made.stderr
    status, body, headers = sign_in(identity, "ann", "secret", "blue")
    assert status == 201
    ann, project = headers["X-Subject-Token"], body["token"]["project"]["id"]
    status, body, _ = ask(f"{controller.url}/v2.0/networks", "POST", {"network": {"name": "n"}}, ann)
    assert status == 201 and body["network"]["project_id"] == project
    refused = ask(f"{controller.url}/v2.0/networks", "POST", {"network": {"shared": True}}, ann)
    assert refused[0] == 403 and refused[1]["NeutronError"]["type"] == "PolicyNotAuthorized"

    # To look inside is for administrators, who may say so in the environment.
    assert ask(f"{controller.url}/patchbay/v1/hosts", token=ann)[0] == 403
    assert ask(f"{controller.url}/patchbay/v1/hosts", token=admin)[0] == 200
    looked = controller.patchbay("hosts")
    assert looked.returncode == 1 and "the controller asks who you are" in looked.stderr
    for name, value in {"AUTH_URL": f"{identity}/v3", "USERNAME": "admin", "PASSWORD": password}.items():
        monkeypatch.setenv(f"OS_{name}", value)
    monkeypatch.setenv("OS_PROJECT_NAME", "admin")
    looked = controller.patchbay("hosts")
    assert (looked.returncode, looked.stderr) == (0, "")
    monkeypatch.setenv("OS_PASSWORD", "wrong")
    looked = controller.patchbay("hosts")
    assert looked.returncode == 1 and "gives no token: HTTP 401" in looked.stderr

    # Tokens outlive the process, and what is done beside it counts within a second.
    assert controller.stop()[0] == 0, controller.log[-2500:]
    controller.start()
    assert "shown only once" not in controller.output[controller._begin :]
    assert ask(f"{controller.url}/v2.0/networks", token=ann)[0] == 200
    revoked = run_patchbay("role", "revoke", "ann", "--project", "blue", "--role", "member", *database)
    assert revoked.returncode == 0
    controller.wait(lambda: ask(f"{controller.url}/v2.0/networks", token=ann)[0] == 401, "the role to be gone", 5)

    # Hashes, keys and passwords are where they belong.
    recording = (controller.directory.parent / "recording").read_text()
    assert '"Changed"' in recording and '"Network"' in recording
    for secret in ("argon2", "RoleAssignment", "TokenKey", password, "secret"):
        assert secret not in recording
        assert secret not in controller.log
    assert "argon2" not in controller.output


def test_the_password_from_the_environment_is_not_shown(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATCHBAY_ADMIN_PASSWORD", "given by me")
    controller = Controller(tmp_path / "controller")
    controller.ports["identity"] = free_port(controller.address)
    controller.configure({"api": {"auth_strategy": "builtin"}})
    with controller:
        assert sign_in(f"{controller.url}/identity", "admin", "given by me", "admin")[0] == 201
        assert "given by me" not in controller.output + controller.log


def test_rules_that_can_not_be_used_keep_it_from_starting(tmp_path: Path) -> None:
    controller = Controller(tmp_path / "controller", {"api": {"auth_strategy": "builtin"}})
    (controller.directory / "policy.yaml").write_text("get_netwrok: role:admin\n")
    controller.launch()
    assert controller.ended() == 2
    assert controller.log.splitlines()[-1].endswith(
        "policy.yaml: get_netwrok: there is no such rule, and no other rule of the file uses it"
    )
