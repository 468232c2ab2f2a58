"""The options of authentication, identity and policy."""

from __future__ import annotations

from pathlib import Path

import pytest

from controller.config import ConfigError, load
from controller.config_access import AccessSettings
from controller.config_types import Address


def written(directory: Path, text: str) -> str:
    path = directory / "patchbay.ini"
    path.write_text(text)
    return str(path)


def test_nothing_said_nobody_is_asked() -> None:
    assert load(None, {}).access == AccessSettings("none", Address("127.0.0.1", 5000), "", "", "RegionOne", 3600, None)


def test_every_option_arrives(tmp_path: Path) -> None:
    path = written(
        tmp_path,
        """
[api]
auth_strategy = Builtin
endpoint = https://net.example.org/networking/
[identity]
listen = [::1]:5001
endpoint = http://id.example.org:5000
region = north
token_hours = 24
[oslo_policy]
policy_file = rules.yaml
""",
    )
    access = load(path, {}).access
    assert access == AccessSettings(
        strategy="builtin",
        listen=Address("::1", 5001),
        network_endpoint="https://net.example.org/networking",
        identity_endpoint="http://id.example.org:5000",
        region="north",
        token_lifetime=86400,
        policy_file=str(tmp_path / "rules.yaml"),
    )
    assert access.file == path


def test_the_command_line_goes_before_the_file(tmp_path: Path) -> None:
    path = written(tmp_path, "[api]\nauth_strategy = keystone\n")
    access = load(path, {"auth": "builtin", "identity": "*:1"}).access
    assert (access.strategy, access.listen) == ("builtin", Address("", 1))


def test_a_policy_beside_the_file_is_found_and_another_may_be_anywhere(tmp_path: Path) -> None:
    path = written(tmp_path, "")
    assert load(path, {}).access.policy_file is None
    (tmp_path / "policy.yaml").write_text("")
    assert load(path, {}).access.policy_file == str(tmp_path / "policy.yaml")
    elsewhere = written(tmp_path, "[oslo_policy]\npolicy_file = /etc/rules.yaml\n")
    assert load(elsewhere, {}).access.policy_file == "/etc/rules.yaml"


def test_keystones_section_is_not_ours_to_check(tmp_path: Path) -> None:
    path = written(tmp_path, "[keystone_authtoken]\nauth_url = http://k\nanything = 5\n")
    assert load(path, {}) == load(None, {})


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("[api]\nauth_strategy = yes\n", "[api] auth_strategy: 'yes' is not one of none, builtin, keystone"),
        ("[api]\nendpoint = net.example.org\n", "[api] endpoint: 'net.example.org' is not a URL"),
        ("[identity]\nendpoint = http://\n", "[identity] endpoint: 'http://' is not a URL"),
        ("[identity]\ntoken_hours = 0\n", "[identity] token_hours: '0' is not a number of hours from 1 to 8760"),
        ("[identity]\nregion =\n", "[identity] region: it can't be empty"),
        ("[identity]\nnonsense = 1\n", "[identity] nonsense: unknown option"),
    ],
)
def test_a_bad_value_is_named(tmp_path: Path, text: str, problem: str) -> None:
    with pytest.raises(ConfigError) as raised:
        load(written(tmp_path, text), {})
    assert problem in str(raised.value)
