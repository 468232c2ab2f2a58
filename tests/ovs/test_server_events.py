"""What Nova is to be told outlives the controller: it is told by the next one, whoever was away when."""

from __future__ import annotations

import sqlite3
from pathlib import Path

from tests.compute_api import Compute
from tests.ovs.cloud import Cloud
from tests.ovs.controller import Controller
from tests.ovs.sandbox import Sandbox

SERVER = "00000000-0000-4000-8000-000000000001"
PLUGGED, UNPLUGGED = "network-vif-plugged", "network-vif-unplugged"


def plug(cloud: Cloud, network: object, name: str, device_id: str) -> str:
    """A server's port whose VIF is plugged and ACTIVE."""
    values = {"device_owner": "compute:nova", "device_id": device_id, "port_security_enabled": False}
    port = cloud.controller.make("port", network_id=network["id"], **values)  # type: ignore[index]
    cloud.h1.add_vif("br-int", name, port["id"], port["mac_address"])
    cloud.wait_status(port, "ACTIVE")
    return str(port["id"])


def test_what_nova_was_not_told_before_kill_9_it_is_told_after_the_start(tmp_path: Path, hosts: list[Sandbox]) -> None:
    nova = Compute()
    address = int(nova.url.rpartition(":")[2])
    ini = {"nova": {"endpoint": nova.endpoint, "send_events_interval": 0}}
    with Controller(tmp_path / "controller", ini) as controller:
        cloud = Cloud(controller, hosts)
        network = cloud.network()
        first = plug(cloud, network, "tap1", SERVER)
        nova.wait_for(PLUGGED, first)
        nova.close()
        later = [plug(cloud, network, f"tap{n}", SERVER) for n in (2, 3)]
        cloud.h1.vsctl("del-port", "tap1")
        controller.wait(lambda: controller.status(first) == "DOWN", "the first port to be DOWN")
        controller.wait(lambda: "Nova was not told" in controller.log, "an attempt that fails")
        controller.kill9()
        back = Compute(port=address)
        controller.start()
        back.wait_for(UNPLUGGED, first)
        assert [(event["name"], event["tag"]) for event in back.events] == [
            *((PLUGGED, port) for port in later),
            (UNPLUGGED, first),
        ]
        assert {(event["server_uuid"], event["status"]) for event in back.events} == {(SERVER, "completed")}

        # It has been told, and is told no more.
        fourth = plug(cloud, network, "tap4", SERVER)
        back.wait_for(PLUGGED, fourth)
        controller.wait(lambda: not waiting(tmp_path), "nothing to wait for Nova")
        controller.kill9()
        controller.start()
        fifth = plug(cloud, network, "tap5", SERVER)
        back.wait_for(PLUGGED, fifth)
        assert [event["tag"] for event in back.events] == [*later, first, fourth, fifth]
        back.close()


def waiting(directory: Path) -> list[str]:
    """The ports of events that are stored."""
    with sqlite3.connect(directory / "controller" / "patchbay.db") as database:
        return [tag for (tag,) in database.execute("select tag from server_event")]
