"""`patchbay quantum`, every command: what it prints, and what is told when it is refused."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from controller import cli
from controller.cli_quantum import ARGUMENTS
from tests.ovs.controller import Controller, free_port, run_patchbay

UUID = re.compile("[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")
NOBODY = "00000000-0000-0000-0000-000000000000"

Say = Callable[..., str]


@pytest.fixture(scope="module")
def controller(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Controller]:
    with Controller(tmp_path_factory.mktemp("controller")) as controller:
        yield controller


@pytest.fixture
def options(controller: Controller, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Where the controller is.  Nobody is named by the environment."""
    for name in ("OS_TOKEN", "OS_AUTH_URL"):
        monkeypatch.delenv(name, raising=False)
    return ["-H", controller.address, "-p", str(controller.ports["api"])]


@pytest.fixture
def type_it(options: list[str], capsys: pytest.CaptureFixture[str]) -> Callable[..., tuple[int, str, str]]:
    """Type a command; its exit code, and what it printed on standard output and standard error."""
    return lambda *words: (cli.run(["quantum", *options, *words]), *capsys.readouterr())


@pytest.fixture
def say(type_it: Callable[..., tuple[int, str, str]]) -> Say:
    """Type a command that works; what it prints."""

    def say(*words: str) -> str:
        code, out, err = type_it(*words)
        assert (code, err) == (0, "")
        return out

    return say


@pytest.fixture
def refused(type_it: Callable[..., tuple[int, str, str]]) -> Say:
    """Type a command that does not; what it tells."""

    def refused(*words: str) -> str:
        code, out, err = type_it(*words)
        assert (code, out) == (1, "")
        return err

    return refused


def made(printed: str) -> str:
    """The id that is printed first."""
    found = UUID.search(printed)
    assert found is not None
    return found[0]


def test_the_commands_of_the_first_release(say: Say) -> None:
    printed = say("create_net", "t1", "network1")
    network = made(printed)
    assert printed == f"Created a new Virtual Network with ID:{network}\n"
    assert say("list_nets", "t1") == f"Virtual Networks on Tenant:t1\n\n\tNetwork ID:{network}\n\n"
    assert say("list_nets", "t2") == "Virtual Networks on Tenant:t2\n\n"
    printed = say("create_port", "t1", network)
    port = made(printed)
    assert printed == f"Created Virtual Port:{port} on Virtual Network:{network}\n"
    assert say("list_ports", "t1", network) == f"Ports on Virtual Network:{network}\n\n\tVirtual Port:{port}\n"
    head = f"Network network1 ({network})\nRemote Interfaces on Virtual Network:{network}\n\n"
    where = f"Virtual Port:{port} on Virtual Network:{network}"
    assert say("detail_net", "t1", network) == head
    assert say("detail_port", "t1", network, port) == f"{where} contains remote interface:<none>\n"
    printed = say("plug_iface", "t1", network, port, "foo")
    assert printed == f'Plugged interface "foo" to port:{port} on network:{network}\n'
    assert say("detail_net", "t1", network) == f"{head}\tRemote interface:foo\n"
    assert say("detail_port", "t1", network, port) == f"{where} contains remote interface:foo\n"
    printed = say("unplug_iface", "t1", network, port)
    assert printed == f"Unplugged interface from port:{port} on network:{network}\n"
    assert say("rename_net", "t1", network, "blue") == f"Renamed Virtual Network with ID:{network}\n"
    assert say("detail_net", "t1", network).startswith(f"Network blue ({network})\n")
    assert say("delete_port", "t1", network, port) == f"Deleted {where}\n"
    assert say("delete_net", "t1", network) == f"Deleted Virtual Network with ID:{network}\n"
    assert say("list_nets", "t1") == "Virtual Networks on Tenant:t1\n\n"


def test_the_commands_of_the_second_release(say: Say) -> None:
    network = made(say("create_net", "t3", "red"))
    assert say("list_nets_detail", "t3") == f"Virtual Networks for Tenant t3\n\tNetwork red with ID: {network}\n"
    shown = f"Network ID: {network}\nnetwork Name: red\noperational Status: UP\n"
    assert say("show_net", "t3", network) == shown
    full = f"Network ID: {network}\nNetwork Name: red\noperational Status: UP\nPorts: "
    nothing = "\tID: <none>\n\t\tadministrative state: <none>\n\t\tinterface: <none>\n"
    assert say("show_net_detail", "t3", network) == full + nothing
    assert say("update_net", "t3", network, "name=green") == (
        f"Updated Virtual Network with ID: {network}\nfor Tenant: t3\n\n"
    )
    port = made(say("create_port", "t3", network))
    where = f"on Virtual Network: {network}\nfor Tenant: t3\n"
    ports = f"Ports {where}\tLogical Port: {port}\n\t\tadministrative State: "
    assert say("list_ports_detail", "t3", network) == f"{ports}ACTIVE\n"
    printed = say("update_port", "t3", network, port, "state=DOWN")
    assert printed == f"Updated Logical Port with ID: {port}\n{where.replace('Tenant', 'tenant')}"
    assert say("list_ports_detail", "t3", network) == f"{ports}DOWN\n"
    head = f"Logical Port ID: {port}\nadministrative State: DOWN\noperational status: DOWN\n"
    assert say("show_port", "t3", network, port) == head + where
    assert say("show_port_detail", "t3", network, port) == f"{head}interface: <none>\n{where}"
    plugged = f"plugged in Logical Port ID: {port}\n{where}"
    assert say("show_iface", "t3", network, port) == f"interface: <none>\n{plugged}"
    say("plug_iface", "t3", network, port, "bar")
    assert say("show_iface", "t3", network, port) == f"interface: bar\n{plugged}"
    assert say("show_port_detail", "t3", network, port) == f"{head}interface: bar\n{where}"
    one = f"\tID: {port}\n\t\tadministrative state: DOWN\n\t\tinterface: bar\n"
    assert say("show_net_detail", "t3", network) == full.replace("red", "green") + one


def test_lists_are_filtered(say: Say) -> None:
    networks = [made(say("create_net", "t4", name)) for name in ("a", "b")]
    assert networks[0] in say("list_nets", "t4", "name=a")
    assert networks[1] not in say("list_nets", "t4", "name=a")
    assert say("list_nets_detail", "t4", "has-attachment=True") == "Virtual Networks for Tenant t4\n"
    port = made(say("create_port", "t4", networks[0]))
    assert port in say("list_ports", "t4", networks[0], "state=ACTIVE", "op-status=DOWN")
    assert port not in say("list_ports_detail", "t4", networks[0], "state=DOWN")


def test_refusals_are_told_with_their_code(refused: Say) -> None:
    assert refused("show_net", "t1", NOBODY) == (
        f"Command failed with error code: 404\nError message:Network {NOBODY} could not be found.\n"
    )
    assert refused("list_nets", "t1", "colour=red").startswith("Command failed with error code: 400\nError message:")
    assert refused("update_net", "t1", NOBODY, "colour=red").startswith("Command failed with error code: 404\n")


def test_a_controller_that_is_not_there(refused: Say, controller: Controller) -> None:
    port = str(free_port(controller.address))
    assert refused("list_nets", "-p", port, "t1").startswith(
        f"no controller answers at http://{controller.address}:{port}: "
    )
    assert "no controller answers at https://[::1]:1:" in refused("list_nets", "t1", "-s", "-H", "::1", "-p", "1")


def test_options_stand_anywhere_and_the_log_is_where_one_says(controller: Controller, tmp_path: Path) -> None:
    """In a process of its own: what is logged where is the process's."""
    where = ["-H", controller.address]
    log = tmp_path / "log"
    port = str(controller.ports["api"])
    done = run_patchbay("quantum", *where, "list_nets", "-v", "-f", str(log), "t5", "-p", port)
    assert (done.returncode, done.stdout, done.stderr) == (0, "Virtual Networks on Tenant:t5\n\n", "")
    assert '/v1.1/tenants/t5/networks None: 200 {"networks": []}' in log.read_text()


@pytest.mark.parametrize(
    "words",
    [
        ["dance"],
        ["create_net", "t1"],
        ["create_net", "t1", "a", "b"],
        ["plug_iface", "t1", NOBODY, NOBODY],
        ["list_nets", "t1", "name"],
        ["update_net", "t1", NOBODY, "name"],
        ["list_nets", "t1", "-p", "x"],
    ],
)
def test_what_is_no_command(words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        cli.run(["quantum", *words])
    assert ended.value.code == 2
    assert capsys.readouterr().err.startswith("usage: patchbay")


def test_without_a_command_all_are_shown(capsys: pytest.CaptureFixture[str]) -> None:
    """As the plugin's README says of `python bin/cli`."""
    assert cli.run(["quantum"]) == 1
    shown = capsys.readouterr().out
    assert all(f"\n    {name} " in shown for name in ARGUMENTS)


def test_a_token_goes_along(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.delenv("OS_TOKEN", raising=False)
    guarded = Controller(tmp_path / "guarded")
    guarded.ports["identity"] = free_port(guarded.address)
    guarded.configure({"api": {"auth_strategy": "builtin"}})
    with guarded:
        where = ["quantum", "-H", guarded.address, "-p", str(guarded.ports["api"])]
        for token in ([], ["-t", "nonsense"]):
            assert cli.run([*where, *token, "list_nets", "t1"]) == 1
            assert capsys.readouterr().err.startswith("Command failed with error code: 401\n")
        (password,) = re.findall(r"user admin, project admin, password (\S+) \(", guarded.output)
        named = {
            "AUTH_URL": f"{guarded.url}/identity",
            "USERNAME": "admin",
            "PASSWORD": password,
            "PROJECT_NAME": "admin",
        }
        for name, value in named.items():
            monkeypatch.setenv(f"OS_{name}", value)
        assert cli.run([*where, "list_nets", "t1"]) == 0
        assert capsys.readouterr().out == "Virtual Networks on Tenant:t1\n\n"
