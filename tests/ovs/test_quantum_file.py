"""A cloud of Quantum's first days goes on under Patchbay: its INI file, its database, its hosts."""

from __future__ import annotations

from pathlib import Path

from tests.db import foreign
from tests.ovs.cloud import dump
from tests.ovs.controller import Controller, run_patchbay
from tests.ovs.sandbox import Sandbox

PLUGIN = """\
[DATABASE]
sql_connection = {url}
[OVS]
enable_tunneling = False
integration_bridge = br-int
tunnel_bridge = br-tun
local_ip = 10.0.0.3
"""


def test_the_plugins_file_its_database_and_a_host_with_its_nic_on_br_int(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/ovs_quantum.sqlite"
    foreign.build(url, foreign.quantum_v1())
    controller = Controller(tmp_path / "controller")
    controller.config.write_text(PLUGIN.format(url=url))
    listen = {"rest": "api", "openflow": "openflow", "ovsdb": "ovsdb"}
    options = [
        word for name, key in listen.items() for word in (f"--{name}", f"{controller.address}:{controller.ports[key]}")
    ]
    with Sandbox(tmp_path / "h1") as host:
        try:
            controller.start(*options)
            told = f"{controller.config}: [OVS] tunnel_bridge: no longer applies: tunnels are ports of the integration"
            assert told in controller.output
            assert "[DATABASE] sql_connection: taken as [database] connection\n" in controller.output
            done = run_patchbay("import", "--config", str(controller.config), "--apply")
            assert (done.returncode, "Written, up to revision" in done.stdout) == (0, True), done.stdout + done.stderr
            controller.wait(lambda: controller.rest("GET", "/v2.0/networks")["networks"], "the controller to follow")
            network = controller.rest("GET", f"/v2.0/networks/{foreign.NET}")["network"]
            assert (network["name"], network["provider:segmentation_id"]) == ("network1", 1)
            host.vsctl("add-br", "br-int", "--", "set", "Bridge", "br-int", "datapath_type=dummy")
            host.vsctl("add-port", "br-int", "eth1", "--", "set", "Interface", "eth1", "type=dummy")
            controller.join(host, "compute1")
            host.add_vif("br-int", "vif1.0", "foo", "52:54:00:00:00:01")
            controller.wait(lambda: controller.status(foreign.PORT) == "ACTIVE", "the port to be ACTIVE")
            port = controller.rest("GET", f"/v2.0/ports/{foreign.PORT}")["port"]
            assert port["mac_address"] == "52:54:00:00:00:01"
            trunk = host.vsctl("get", "Interface", "eth1", "ofport")
            assert [line for line in dump(host) if f"in_port={trunk},dl_vlan=1 " in line]
            assert [line for line in dump(host) if f"4097->vlan_vid,output:{trunk}," in line]
        finally:
            controller.kill9()
