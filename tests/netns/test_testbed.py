"""The testbed itself, with flows written by hand: what it says about packets must be true before it judges ours."""

from __future__ import annotations

import signal
import subprocess
import sys
import tempfile
import threading
from pathlib import Path

import pytest

from demo.testbed import lease
from tests.netns.testbed import CommandFailed, Testbed, run, sweep, wait_until
from tests.one_at_a_time import alone

VLAN, VNI = 1000, 77


def port(number: int, *addresses: str) -> dict:
    fixed = [{"ip_address": address, "subnet_id": "any"} for address in addresses]
    return {"id": f"{number:08x}-0000", "mac_address": f"fa:16:3e:00:00:{number:02x}", "fixed_ips": fixed}


def two_hosts(bed):
    hosts = bed.hypervisor("hv1"), bed.hypervisor("hv2")
    for hv in hosts:
        hv.make_integration_bridge({"vxlan": "vxlan0"})
    return hosts


def by_tunnel(hv, peer, vm):
    field = "tun_ipv6_dst" if ":" in peer.local_ip else "tun_dst"
    out = f"set_field:{VNI}->tun_id,set_field:{peer.local_ip}->{field},output:vxlan0"
    hv.ofctl("add-flow", "br-int", f"in_port={vm.tap},actions={out}")
    hv.ofctl("add-flow", "br-int", f"in_port=vxlan0,tun_id={VNI},actions=output:{vm.tap}")


def by_vlan(hv, vm):
    out = f"push_vlan:0x8100,set_field:{4096 + VLAN}->vlan_vid,output:int-br-eth1"
    hv.ofctl("add-flow", "br-int", f"in_port={vm.tap},actions={out}")
    hv.ofctl("add-flow", "br-int", f"in_port=int-br-eth1,dl_vlan={VLAN},actions=pop_vlan,output:{vm.tap}")


@pytest.mark.parametrize("underlay", ["ipv4", "ipv6"])
def test_packets_cross_a_flow_based_tunnel(underlay):
    with Testbed(underlay=underlay) as bed:
        hv1, hv2 = two_hosts(bed)
        vm1, vm2 = hv1.plug(port(1, "192.168.0.1", "fd01::1")), hv2.plug(port(2, "192.168.0.2", "fd01::2"))
        by_tunnel(hv1, hv2, vm1)
        by_tunnel(hv2, hv1, vm2)
        with hv2.capture("eth0", "udp port 4789") as seen:
            assert vm1.ping("192.168.0.2", count=5, size=1300, args=["-M", "do"]).ok
        assert len([line for line in seen.packets if f"vni {VNI}" in line]) >= 10
        assert vm1.ping(vm2.addresses[1]).ok


def test_frames_with_any_vlan_cross_the_trunk(bed):
    hv1, hv2 = two_hosts(bed)
    vm1, vm2 = hv1.plug(port(1, "192.168.0.1")), hv2.plug(port(2, "192.168.0.2"))
    by_vlan(hv1, vm1)
    by_vlan(hv2, vm2)
    with hv2.capture("eth1", f"vlan {VLAN} and icmp") as seen:
        assert vm1.ping(vm2.ip).ok
    assert len(seen.packets) == 6


def test_a_ping_tells_losses_and_duplicates(bed):
    hv = bed.hypervisor()
    hv.make_integration_bridge({})
    vm1, vm2 = hv.plug(port(1, "192.168.0.1")), hv.plug(port(2, "192.168.0.2"))
    hv.ofctl("add-flow", "br-int", f"in_port={vm2.tap},actions=output:{vm1.tap}")
    hv.ofctl("add-flow", "br-int", f"in_port={vm1.tap},actions=output:{vm2.tap}")
    running = vm1.start_ping(vm2.ip, interval=0.02)
    running.wait_for_replies(5)
    hv.ofctl("add-flow", "br-int", f"priority=65000,icmp,in_port={vm1.tap},actions=drop")
    lossy = vm1.ping(vm2.ip, count=3, interval=0.05, timeout=0.3)
    hv.ofctl("--strict", "del-flows", "br-int", f"priority=65000,icmp,in_port={vm1.tap}")
    assert vm1.ping(vm2.ip).ok
    ping = running.stop()
    assert (lossy.sent, lossy.received, lossy.missing) == (3, 0, (1, 2, 3))
    assert ping.lost > 10
    assert ping.duplicates == 0
    hv.ofctl("add-flow", "br-int", f"in_port={vm1.tap},actions=output:{vm2.tap},output:{vm2.tap}")
    doubled = vm1.ping(vm2.ip)
    assert (doubled.lost, doubled.ok) == (0, False)
    assert doubled.duplicates in (2, 3)  # ping need not wait for the double of the last reply


def test_a_background_ping_counts_nothing_lost_that_was_only_on_its_way(bed):
    hv = bed.hypervisor()
    hv.make_integration_bridge({})
    vm1, vm2 = hv.plug(port(1, "192.168.0.1")), hv.plug(port(2, "192.168.0.2"))
    hv.ofctl("add-flow", "br-int", f"in_port={vm2.tap},actions=output:{vm1.tap}")
    hv.ofctl("add-flow", "br-int", f"in_port={vm1.tap},actions=output:{vm2.tap}")
    running = vm1.start_ping(vm2.ip, interval=0.005)
    running.wait_for_replies(100)
    ping = running.stop()
    assert ping.ok
    assert ping.sent >= 100
    hv.unplug(vm2)
    assert vm1.ping(vm2.ip, count=1, timeout=0.5).received == 0


def test_capture_and_send_show_frames_as_they_are(bed):
    hv = bed.hypervisor()
    hv.make_integration_bridge({})
    vm1, vm2 = hv.plug(port(1)), hv.plug(port(2))
    hv.ofctl("add-flow", "br-int", f"in_port={vm1.tap},actions=output:{vm2.tap}")
    frame = bytes.fromhex("ffffffffffff" + "fa163e000099" + "88b5") + b"x" * 50
    with vm2.capture("ether proto 0x88b5") as seen:
        vm1.send(frame, count=3)
    assert len(seen.packets) == 3
    assert "fa:16:3e:00:00:99 > ff:ff:ff:ff:ff:ff" in seen.packets[0]
    with vm2.capture("ether proto 0x88b6") as nothing:
        vm1.send(frame)
    assert nothing.packets == []


_SEND = """
import socket, sys, time
nic = socket.socket(socket.AF_PACKET, socket.SOCK_RAW)
nic.bind((sys.argv[1], 0))
for _ in range(int(sys.argv[3])):
    nic.send(bytes.fromhex(sys.argv[2]))
    time.sleep(0.0001)
"""


def test_a_capture_begun_in_the_middle_of_other_packets_ends_and_misses_nothing(bed):
    """The packets come over the VM's own cable, for a switch may drop some when there are many."""
    hv = bed.hypervisor()
    hv.make_integration_bridge({})
    vm = hv.plug(port(1))

    def send(kind: str, count: int) -> None:
        frame = "ffffffffffff" + "fa163e000099" + kind + "78" * 50
        hv.run(sys.executable, "-c", _SEND, vm.tap, frame, str(count))

    others = threading.Thread(target=send, args=("88b6", 15_000))
    others.start()
    for _ in range(4):
        with vm.capture("ether proto 0x88b5") as seen:
            send("88b5", 20)
        assert len(seen.packets) == 20
    others.join()


def test_a_restarted_vswitchd_has_its_ports_and_underlay_but_no_flows(bed):
    hv1, hv2 = two_hosts(bed)
    vm1, vm2 = hv1.plug(port(1, "192.168.0.1")), hv2.plug(port(2, "192.168.0.2"))
    by_tunnel(hv1, hv2, vm1)
    by_tunnel(hv2, hv1, vm2)
    assert vm1.ping(vm2.ip).ok
    hv1.restart_vswitchd()
    assert hv1.flows() == []
    assert hv1.ofport(vm1.tap) > 0
    by_tunnel(hv1, hv2, vm1)
    assert vm1.ping(vm2.ip).ok


def test_cut_cables_carry_nothing(bed):
    hv1, hv2 = two_hosts(bed)
    vm1, vm2 = hv1.plug(port(1, "192.168.0.1")), hv2.plug(port(2, "192.168.0.2"))
    by_vlan(hv1, vm1)
    by_vlan(hv2, vm2)
    hv2.set_link("eth1", up=False)
    assert vm1.ping(vm2.ip, count=1, timeout=0.5).received == 0
    hv2.set_link("eth1", up=True)
    assert vm1.ping(vm2.ip).ok
    hv1.run("ping", "-c1", bed.controller_ip)
    hv1.set_link("ctl0", up=False)
    with pytest.raises(CommandFailed):
        hv1.run("ping", "-c1", "-W1", bed.controller_ip)


def test_joining_describes_the_host_and_dials_the_controller(bed):
    hv = bed.hypervisor(physnets=("physnet1", "physnet2"))
    hv.join()
    assert hv.vsctl("get-manager").strip() == f"tcp:{bed.controller_ip}:6640"
    ids = hv.vsctl("get", "Open_vSwitch", ".", "external_ids")
    assert 'bridge_mappings="physnet1:br-eth1,physnet2:br-eth2"' in ids
    assert f'local_ip="{hv.local_ip}"' in ids
    assert "hostname=hv1" in ids


def test_close_leaves_nothing(bed):
    hv = bed.hypervisor()
    hv.make_integration_bridge({})
    vm = hv.plug(port(1, "192.168.0.1"))
    sleeper = vm.start(["sleep", "60"])
    pids = [int(path.read_text()) for path in hv.directory.glob("*.pid")]
    bed.close()
    assert sleeper.wait(5) == -signal.SIGKILL
    assert len(pids) == 2
    assert not any(lease.alive(pid) for pid in pids)
    assert lease.namespaces(bed.number) == []
    assert not bed.directory.exists()
    assert lease.link_name(bed.number) not in run(["ip", "link"]).stdout


ABORTED = """
import sys, time
from demo.testbed import Testbed
bed = Testbed()
bed.hypervisor()
if "keep" in sys.argv:
    bed.keep()
print(bed.number, flush=True)
time.sleep(60)
"""


def aborted(*arguments: str) -> tuple[subprocess.Popen, int]:
    root = Path(__file__).resolve().parents[2]
    process = subprocess.Popen([sys.executable, "-c", ABORTED, *arguments], cwd=root, stdout=subprocess.PIPE, text=True)
    return process, int(process.stdout.readline())


def test_sweep_removes_the_beds_of_dead_runs_and_no_others(bed):
    bed.hypervisor()
    process, number = aborted()
    assert number not in sweep()
    assert len(lease.namespaces(number)) == 2
    process.kill()
    process.wait()
    assert number in lease.present()
    wait_until(lambda: number in sweep() or number not in lease.present(), what="the dead bed is removed")
    assert lease.namespaces(number) == []
    assert not lease.directory(number).exists()
    assert len(lease.namespaces(bed.number)) == 2


def test_a_kept_bed_outlives_its_process():
    with alone(tempfile.gettempdir()):  # a demo ends a kept bed that it finds
        process, number = aborted("keep")
        process.kill()
        process.wait()
        assert number not in sweep()
        assert len(lease.namespaces(number)) == 2
        lease.end(number)
    assert lease.namespaces(number) == []


def test_unknown_underlay_is_refused():
    with pytest.raises(ValueError, match="underlay is 'ipx'"):
        Testbed(underlay="ipx")
