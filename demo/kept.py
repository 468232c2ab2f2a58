"""What to try while a demo is kept running (`make demo KEEP=1`)."""

from __future__ import annotations

from demo.screen import Screen
from demo.testbed import Hypervisor, Testbed


def explain(screen: Screen, bed: Testbed) -> None:
    """Print the commands that explore a running demo; each can be pasted as it is."""
    controller = bed.controllers[0]
    url = controller.rest
    vm, peer = (hv.vms[0] for hv in bed.hypervisors)
    screen.heading("It is still running")
    for title, commands in (
        (
            "Ask the controller",
            [f".venv/bin/patchbay {what} --url {url}" for what in ("hosts", "ports", "flows hv1/br-int")],
        ),
        ("Use the API", [f"curl -s {url}/v2.0/networks", f"curl -s '{url}/v2.0/ports?binding:host_id=hv1'"]),
        ("Look at a hypervisor", [line for hv in bed.hypervisors[:1] for line in _switch_commands(hv)]),
        ("Be a VM", [f"ip netns exec {vm.namespace} ping {peer.ip}"]),
        ("Kill the controller; the pings go on", [f"kill -9 $(cat {controller.directory}/controller.pid)"]),
        ("Start it again", [f"{' '.join(controller.command())} &"]),
        ("Read its log", [f"less {controller.directory}/log"]),
        ("End it", ["make demo-clean"]),
    ):
        screen.line(f"\n  {title}:")
        for command in commands:
            screen.line(f"    {command}")
    screen.line()


def _switch_commands(hv: Hypervisor) -> list[str]:
    env = f"OVS_RUNDIR={hv.directory}"
    return [
        f"{env} ovs-vsctl show",
        f"{env} ovs-ofctl -O OpenFlow14 dump-flows br-int",
        f"{env} ovs-ofctl -O OpenFlow14 dump-flows br-eth1",
    ]
