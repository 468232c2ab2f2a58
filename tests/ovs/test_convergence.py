"""`patchbay wait` over real switches: when it is content the flows are there, else it names who lacks them."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any

import pytest

from tests.ovs.cloud import Cloud, ours
from tests.ovs.controller import ROOT, run_patchbay


def head(cloud: Cloud) -> int:
    return int(cloud.controller.rest("GET", "/v2.0/convergence")["revision"])


def bound(cloud: Cloud, port: Any) -> bool:
    """Whether the VIF of a port was found."""
    return any(shown["id"] == port["id"] and shown["host"] for shown in cloud.controller.look("ports"))


def test_the_flows_are_there_when_it_returns(cloud: Cloud) -> None:
    controller, network = cloud.controller, cloud.network()
    for number in range(5):
        port = controller.make("port", network_id=network["id"])
        cloud.h1.add_vif("br-int", f"tap{number}", port["id"], port["mac_address"])
        controller.wait(lambda port=port: bound(cloud, port), "its VIF to be found")
        waited = controller.patchbay("wait")
        assert (waited.returncode, waited.stderr) == (0, "")
        have = ours(cloud.h1)
        assert set(controller.flows("h1/br-int")) == have
    assert re.fullmatch(r"revision [0-9]+: 4 of 4 switches\n", waited.stdout)
    assert any(port["mac_address"] in flow for flow in controller.flows("h1/br-int").values())


def test_a_switch_that_is_slow_is_waited_for_and_named(cloud: Cloud) -> None:
    controller = cloud.controller
    port = cloud.plug(cloud.network(), cloud.h1, "tap1")
    assert controller.patchbay("wait").returncode == 0
    before, flows = head(cloud), ours(cloud.h1)
    os.kill(cloud.h1.pid(), signal.SIGSTOP)
    try:
        controller.rest("PUT", f"/v2.0/ports/{port['id']}", {"port": {"admin_state_up": False}})
        newest = head(cloud)
        assert newest > before
        short = controller.patchbay("wait", "--revision", str(newest), "--timeout", "0.5")
        assert (short.returncode, short.stderr) == (1, "")
        assert short.stdout.splitlines()[0] == f"revision {newest}: 3 of 4 switches; not h1/br-int"
        assert short.stdout.splitlines()[1].startswith("h1/br-int pending: it has acknowledged ")
        assert controller.patchbay("wait", "--revision", str(before)).returncode == 0
        command = [sys.executable, "-m", "controller", "wait", "--revision", str(newest), "--url", controller.url]
        waiting = subprocess.Popen([*command, "--json"], cwd=ROOT, stdout=subprocess.PIPE, text=True)
        with pytest.raises(subprocess.TimeoutExpired):
            waiting.wait(1.0)
    finally:
        os.kill(cloud.h1.pid(), signal.SIGCONT)
    output, _ = waiting.communicate(timeout=15)
    assert waiting.returncode == 0
    assert json.loads(output)["converged"]
    assert ours(cloud.h1) == set(controller.flows("h1/br-int")) != flows


def test_a_switch_that_is_away_is_named_until_it_is_back(cloud: Cloud) -> None:
    controller, network = cloud.controller, cloud.network()
    cloud.plug(network, cloud.h1, "tap1")
    cloud.h1.stop_vswitchd()
    controller.wait(lambda: not controller.settled("h1"), "its bridges to be away")
    away = controller.patchbay("wait", "--timeout", "0.2")
    assert away.returncode == 1
    assert away.stdout.splitlines()[0].endswith(": 2 of 4 switches; not h1/br-eth1, h1/br-int")
    assert "h1/br-int away: it is not connected" in away.stdout
    assert controller.patchbay("wait", "--timeout", "5", "--connected").returncode == 0
    cloud.h1.start_vswitchd()
    assert controller.patchbay("wait").returncode == 0
    assert ours(cloud.h1) == set(controller.flows("h1/br-int"))


def test_what_is_wrong_with_the_command_is_told(cloud: Cloud) -> None:
    shown = cloud.controller.patchbay("wait", "--revision", "99999")
    assert (shown.returncode, shown.stdout) == (1, "")
    told = r"patchbay: Revision 99999 could not be found: the newest is [0-9]+\.\n"
    assert re.fullmatch(told, shown.stderr)
    for option, value, rule in (
        ("--revision", "-1", "argument --revision: '-1' is not an integer of 0 or more"),
        ("--revision", "x", "argument --revision: 'x' is not an integer of 0 or more"),
        ("--timeout", "nan", "argument --timeout: 'nan' is not a number of seconds of 0 or more"),
    ):
        shown = run_patchbay("wait", option, value)
        assert shown.returncode == 2
        assert rule in shown.stderr


@pytest.mark.parametrize("command", [["hosts", "--json"], ["forget", "h1"], ["wait", "--json"]])
def test_a_token_goes_along_with_whatever_is_asked(command: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    """A server that notes the header; by option, by environment, and none."""
    heard: list[str | None] = []

    class Server(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            heard.append(self.headers["X-Auth-Token"])
            self.send_response(200)
            self.end_headers()
            counts = {"done": 0, "pending": 0, "away": 0, "refused": 0}
            answer = {"revision": 1, "known": True, "converged": True, "counts": counts, "switches": []}
            self.wfile.write(json.dumps(answer if "convergence" in self.path else []).encode())

        do_DELETE = do_GET  # noqa: N815

        def log_message(self, *_: Any) -> None:
            pass

    monkeypatch.delenv("OS_TOKEN", raising=False)
    with HTTPServer(("127.0.0.1", 0), Server) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        url = f"http://127.0.0.1:{server.server_address[1]}"
        codes = [run_patchbay(*command, "--url", url, "--token", "secret").returncode]
        codes.append(run_patchbay(*command, "--url", url).returncode)
        monkeypatch.setenv("OS_TOKEN", "other")
        codes.append(run_patchbay(*command, "--url", url).returncode)
        server.shutdown()
    assert heard == ["secret", None, "other"]
    assert codes == [0, 0, 0]
