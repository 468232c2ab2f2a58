"""`patchbay serve` and the commands that look at it, as a person runs them: output, errors in one line, exit codes."""

from __future__ import annotations

import json
import socket
from pathlib import Path

import pytest

from tests.ovs.cloud import Cloud, ask_for, dump, frame
from tests.ovs.controller import Controller, free_port, run_patchbay

# ---------------------------------------------------------------------------------------------------------------------
# To look inside


def test_what_is_running_can_be_looked_at(cloud: Cloud) -> None:
    controller, network = cloud.controller, cloud.network(name="blue")
    port = cloud.plug(network, cloud.h1, "tap1")
    hosts = controller.patchbay("hosts")
    assert (hosts.returncode, hosts.stderr) == (0, "")
    head, *rows = hosts.stdout.splitlines()
    assert head.split()[:3] == ["HOST", "JOINED", "BY"]
    assert [row.split()[:4] for row in rows] == [
        ["h1", "manager", "192.0.2.1", "physnet1:br-eth1"],
        ["h2", "manager", "192.0.2.2", "physnet1:br-eth1"],
    ]
    ports = controller.patchbay("ports").stdout.splitlines()[1]
    assert all(word in ports for word in (port["id"], "blue", "vxlan:1", port["mac_address"], "h1", "tap1", "ACTIVE"))
    switches = controller.patchbay("switches").stdout.splitlines()[1:]
    assert [row.split()[0] for row in switches] == ["h1/br-eth1", "h1/br-int", "h2/br-eth1", "h2/br-int"]


def test_what_a_protected_port_must_not_send_is_counted(cloud: Cloud) -> None:
    network = cloud.network()
    free, port = cloud.plug(network, cloud.h1, "tap1"), cloud.plug(network, cloud.h1, "tap2", protected=True)
    assert spoofed(cloud) == {free["id"]: None, port["id"]: 0}
    for number in range(1, 4):
        for vif, source in (("tap1", free), ("tap2", port)):
            cloud.h1.appctl("netdev-dummy/receive", vif, frame(source, free))
        cloud.controller.wait(lambda count=number: spoofed(cloud)[port["id"]] == count, f"{number} to be counted")
    assert spoofed(cloud)[free["id"]] is None
    head, *rows = cloud.controller.patchbay("ports").stdout.splitlines()
    row = next(row for row in rows if port["id"] in row)
    assert row[head.index("SPOOFED") :].split()[0] == "3"


def spoofed(cloud: Cloud) -> dict[str, int | None]:
    return {port["id"]: port["spoofed"] for port in cloud.controller.look("ports")}


def test_a_path_is_checked(cloud: Cloud) -> None:
    controller, network = cloud.controller, cloud.network()
    one, two = (cloud.plug(network, cloud.h1, tap, protected=True) for tap in ("tap1", "tap2"))
    far = cloud.plug(network, cloud.h2, "tap1", protected=True)
    bare = controller.make("port", network_id=network["id"], name="bare")
    for ports in ([one], [one, two], [far]):
        shown = controller.patchbay("check", *(port["id"] for port in ports))
        assert (shown.returncode, shown.stdout, shown.stderr) == (0, "ready\n", "")
    assert json.loads(controller.patchbay("check", one["id"], "--json").stdout)["ready"] is True
    shown = controller.patchbay("check", "bare")
    text = f"not ready: port {bare['id']}: no VIF of it was found on any host\n"
    assert (shown.returncode, shown.stdout) == (1, text)
    # No wire joins these hosts.
    shown = controller.patchbay("check", one["id"], far["id"])
    assert shown.returncode == 1
    begin = f"not ready: port {one['id']}: h2/br-int, table admission: no probe gets there: its flow table=admission,"
    assert shown.stdout.startswith(begin)
    missing = controller.patchbay("check", "nobody")
    assert (missing.returncode, missing.stderr) == (1, "patchbay: 'nobody' names no port\n")


def test_flows_are_shown_with_names_and_in_ovs_ofctls_words(cloud: Cloud) -> None:
    port = cloud.plug(cloud.network(), cloud.h1, "tap1")
    cloud.wait_equal(cloud.h1, "h1")
    for name in ("h1/br-int", "h1"):
        shown = cloud.controller.patchbay("flows", name)
        assert shown.returncode == 0
        assert len(shown.stdout.splitlines()) == len(dump(cloud.h1))
        assert "table=switching, priority=100," in shown.stdout
        assert "goto_table:deliver" in shown.stdout
    words = cloud.controller.patchbay("flows", "h1/br-int", "--openflow").stdout
    assert f"dl_dst={port['mac_address']}" in words
    assert "table=switching" not in words


def test_a_flow_is_explained_by_cookie_or_by_its_words(cloud: Cloud) -> None:
    port = cloud.plug(cloud.network(), cloud.h1, "tap1")
    words = f"table=56, priority=100,reg0=0x1,dl_dst={port['mac_address']}"
    for wanted in (words, next(c for c, text in cloud.controller.flows("h1/br-int").items() if words in text)):
        told = cloud.controller.patchbay("explain", "h1/br-int", wanted)
        assert told.returncode == 0, told.stderr
        assert "function  switching.unicast  (apps.switching:" in told.stdout
        assert f"Port(id='{port['id']}'" in told.stdout
    masked = cloud.controller.patchbay("explain", "h1/br-int", "reg4=0x1/0x1 actions=drop")
    assert "switching.rules" in masked.stdout
    several = cloud.controller.patchbay("explain", "h1/br-int", "table=56")
    assert several.returncode == 1
    assert several.stderr.startswith("patchbay: ")
    assert "flows of h1/br-int match 'table=56'; name one by its cookie" in several.stderr


@pytest.mark.parametrize("command", [["hosts"], ["ports"], ["switches"], ["flows", "h1/br-int"]])
def test_every_answer_is_json_if_asked(controller: Controller, cloud: Cloud, command: list[str]) -> None:
    shown = controller.patchbay(*command, "--json")
    assert shown.returncode == 0
    answer = json.loads(shown.stdout)
    assert isinstance(answer, list)
    assert answer or command == ["ports"]


def test_a_name_that_is_not_there_is_told_with_those_that_are(cloud: Cloud) -> None:
    shown = cloud.controller.patchbay("flows", "h3/br-int")
    assert (shown.returncode, shown.stdout) == (1, "")
    names = "h1/br-eth1, h1/br-int, h2/br-eth1, h2/br-int"
    assert shown.stderr == f"patchbay: 'h3/br-int' names no switch; there are: {names}\n"


@pytest.mark.parametrize(
    "command", [["hosts"], ["ports", "--json"], ["switches"], ["flows", "h1"], ["explain", "h1", "0x1"]]
)
def test_one_line_when_no_controller_is_there(command: list[str]) -> None:
    url = f"http://127.0.0.1:{free_port('127.0.0.1')}"
    shown = run_patchbay(*command, "--url", url)
    assert (shown.returncode, shown.stdout) == (1, "")
    assert shown.stderr == f"patchbay: no controller answers at {url}: [Errno 111] Connection refused\n"


def test_a_run_is_recorded_and_replayed(tmp_path: Path, controller: Controller, cloud: Cloud) -> None:
    """What a second controller over the same network did, step by step, without that network."""
    network = cloud.network()
    one, other = (cloud.plug(network, host, "tap1") for host in cloud.hosts)
    controller.kill9()
    recording = tmp_path / "recording"
    controller.start("--record", str(recording))
    controller.wait(lambda: controller.settled("h1") and controller.settled("h2"), "the hosts to come back")
    ask_for(cloud, one, other)
    cloud.plug(network, cloud.h1, "tap2")
    assert controller.stop()[0] == 0
    shown = run_patchbay("replay", str(recording))
    assert (shown.returncode, shown.stderr) == (0, "")
    lines = shown.stdout.splitlines()
    assert lines[0] == "step 1"
    assert any(line.startswith("  in   SwitchUp(") for line in lines)
    assert any(line.startswith("  in   PacketIn(") for line in lines)
    (flow,) = [line for line in lines if line.startswith("  out    + ") and f"dl_dst={other['mac_address']}" in line]
    assert "set_field:192.0.2.2->tun_dst" in flow
    assert any("propose activate" in line for line in lines)
    assert run_patchbay("replay", str(recording)).stdout == shown.stdout


def test_what_is_no_recording_is_told(tmp_path: Path) -> None:
    (tmp_path / "letter").write_text("Dear Sir\n")
    for name, reason in (("letter", "line 1 is no recorded event"), ("nothing", "No such file or directory")):
        shown = run_patchbay("replay", str(tmp_path / name))
        assert (shown.returncode, shown.stdout) == (2, "")
        assert len(shown.stderr.splitlines()) == 1
        assert reason in shown.stderr


def test_the_pipeline_is_printed_without_a_controller() -> None:
    shown = run_patchbay("pipeline")
    assert shown.returncode == 0
    assert "switching" in shown.stdout


# ---------------------------------------------------------------------------------------------------------------------
# To start and to stop


def test_it_says_where_it_listens_and_how_to_join(controller: Controller) -> None:
    assert controller.url in controller.output
    assert f"ovs-vsctl set-manager tcp:{controller.address}:{controller.ports['ovsdb']}" in controller.output
    assert len(controller.output.splitlines()) < 25


def test_sigterm_ends_it_cleanly_while_hosts_are_connected(cloud: Cloud) -> None:
    cloud.plug(cloud.network(), cloud.h1, "tap1")
    cloud.wait_equal(cloud.h1, "h1")
    before = dump(cloud.h1)
    code, seconds = cloud.controller.stop()
    assert code == 0
    assert seconds < 2
    assert "Traceback" not in cloud.controller.log
    assert len(dump(cloud.h1)) == len(before)


def refused(controller: Controller, *options: str) -> str:
    """Start it, which must fail with exit code 2 and one line; the line."""
    before = len(controller.log.splitlines())
    controller.launch(*options)
    assert controller.ended() == 2
    (line,) = controller.log.splitlines()[before:]
    assert line.startswith("patchbay: ")
    return line


@pytest.mark.parametrize(("name", "title"), [("api", "REST"), ("openflow", "OpenFlow"), ("ovsdb", "OVSDB")])
def test_a_port_in_use_is_told(tmp_path: Path, name: str, title: str) -> None:
    controller = Controller(tmp_path)
    address = (controller.address, controller.ports[name])
    with socket.create_server(address):
        line = refused(controller)
    assert line == f"patchbay: {title} can't listen on {address[0]}:{address[1]}: Address already in use"


@pytest.mark.parametrize(
    ("ini", "reason"),
    [
        ({"database": {"connection": "sqlite:////proc/nowhere/patchbay.db"}}, "/proc/nowhere"),
        ({"database": {"connection": "oracle8://x"}}, "oracle8"),
        ({"database": {"connection": "postgresql://patchbay:secret@127.0.0.1:1/x"}}, "postgresql"),
        ({"ovs": {"idle_timeout": "soon"}}, "[ovs] idle_timeout: 'soon' is not a number of seconds from 1 to 65535"),
        ({"ovs": {"idle_timeuot": 5}}, "[ovs] idle_timeuot: unknown option"),
        ({"openflow": {"listen": "everywhere"}}, "[openflow] listen: 'everywhere' is not HOST:PORT"),
        ({"openflow": {"listen": "192.0.2.1:6653"}}, "can't listen on 192.0.2.1:6653: Cannot assign requested address"),
    ],
)
def test_what_it_can_not_start_with_is_told(tmp_path: Path, ini: dict[str, dict[str, object]], reason: str) -> None:
    line = refused(Controller(tmp_path, ini))
    assert reason in line
    assert "secret" not in line


def test_a_recording_that_can_not_be_written_is_told(tmp_path: Path) -> None:
    line = refused(Controller(tmp_path), "--record", "/proc/nowhere")
    assert line == "patchbay: --record /proc/nowhere: No such file or directory"
