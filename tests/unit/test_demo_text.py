"""What the demo and the testbed read from other programs: ofproto/trace and ping, as Debian 12 prints them."""

from __future__ import annotations

import pytest

from demo import spell, trace
from demo.testbed import ping

TRACE = """\
Flow: icmp,in_port=2,vlan_tci=0x0000,nw_dst=192.168.9.2

bridge("br-int")
----------------
 0. in_port=2, priority 32768, cookie 0x9b00000000000001
    load:0x7->NXM_NX_TUN_ID[]
    goto_table:56
56. reg0=0x1, priority 100, cookie 0x9b00000000000002
    output:1

    bridge("br-eth1")
    -----------------
         0. priority 0
            NORMAL
             -> forwarding to learned port
        11. No match.
            drop
    pop_vlan
57. No match.
    drop

Final flow: unchanged
Megaflow: recirc_id=0,eth,ip,in_port=2,nw_frag=no
Datapath actions: push_vlan(vid=1000,pcp=0),3
"""

TRACKED = """\
bridge("br-int")
----------------
25. ip,reg6=0/0x30000, priority 50, cookie 0x9b00000000000001
    ct(table=26,zone=NXM_NX_REG6[0..15])
    drop
     -> A clone of the packet is forked to recirculate. The forked pipeline will be resumed at table 26.

Final flow: unchanged
Datapath actions: ct(zone=3),recirc(0x1)

===============================================================================
recirc(0x1) - resume conntrack with default ct_state=trk|new (use --ct-next to customize)
===============================================================================

Flow: recirc_id=0x1,ct_state=new|trk,ct_zone=3,eth,icmp,in_port=2

bridge("br-int")
----------------
    thaw
        Resuming from table 26
26. ct_state=-rpl-inv+trk, priority 50, cookie 0x9b00000000000002
    goto_table:32

Final flow: unchanged
Datapath actions: 3
"""

PING = """\
PING 10.0.0.2 (10.0.0.2) 56(84) bytes of data.
64 bytes from 10.0.0.2: icmp_seq=1 ttl=64 time=1.50 ms
64 bytes from 10.0.0.2: icmp_seq=1 ttl=64 time=1.60 ms (DUP!)
64 bytes from 10.0.0.2: icmp_seq=3 ttl=64 time=0.50 ms
64 bytes from 10.0.0.2: icmp_seq=4 ttl=64 time=0.75 ms

--- 10.0.0.2 ping statistics ---
5 packets transmitted, 3 received, +1 duplicates, 40% packet loss, time 406ms
rtt min/avg/max/mdev = 0.500/0.916/1.500/0.430 ms
"""


def test_a_trace_is_read_lookup_by_lookup():
    read = trace.parse(TRACE)
    first, second = 0x9B << 56 | 1, 0x9B << 56 | 2
    assert read.hops == [
        trace.Hop("br-int", 0, "in_port=2", True, 32768, first, ["load:0x7->NXM_NX_TUN_ID[]", "goto_table:56"]),
        trace.Hop("br-int", 56, "reg0=0x1", True, 100, second, ["output:1", "pop_vlan"]),
        trace.Hop("br-eth1", 0, "", True, 0, None, ["NORMAL", "-> forwarding to learned port"]),
        trace.Hop("br-eth1", 11, "", False, None, None, ["drop"]),
        trace.Hop("br-int", 57, "", False, None, None, ["drop"]),
    ]
    assert read.datapath_actions == "push_vlan(vid=1000,pcp=0),3"


def test_what_comes_back_from_the_connection_tracker_goes_on_behind_it():
    read = trace.parse(TRACKED)
    assert [(hop.table, hop.actions[0]) for hop in read.hops] == [
        (25, "ct(table=26,zone=NXM_NX_REG6[0..15])"),
        (26, "goto_table:32"),
    ]
    assert not [action for hop in read.hops for action in hop.actions if "thaw" in action or "Resuming" in action]


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("in_port=2,reg0=0x1", "in_port=tap1,NET=1"),
        ("reg4=0x2/0x2", "PUNT=1"),
        ("reg4=0/0x1,arp", "REMOTE=0,arp"),
        ("reg2=0x10000/0xffff0000", "CHUNK=1"),
        ("reg4=0x4/0x4", "reg4=0x4/0x4"),
        ("load:0x3->NXM_NX_REG2[0..15]", "OUT=3"),
        ("load:0x1->NXM_NX_REG4[1]", "PUNT=1"),
        ("load:0x7->NXM_NX_REG0[]", "NET=7"),
        ("load:0x7->NXM_NX_REG4[2]", "reg4[2..2]=7"),
        ("output:NXM_NX_REG2[0..15]", "output:OUT"),
        ("output:1, output port is 2", "output:int-br-eth1, output port is tap1"),
        ("goto_table:200", "goto_table:200"),
    ],
)
def test_numbers_are_said_with_names(text, names):
    assert spell.named(text, "INT", {1: "int-br-eth1", 2: "tap1"}) == names


def test_a_ping_is_read_with_its_losses_and_duplicates():
    read = ping.parse(PING)
    assert (read.sent, read.received, read.lost, read.duplicates) == (5, 3, 2, 1)
    assert (read.missing, read.rtts, read.rtt, read.ok) == ((2, 5), (1.5, 0.5, 0.75), 0.75, False)


@pytest.mark.parametrize(("uncounted", "sent", "missing"), [(0, 5, (2, 5)), (1, 4, (2,)), (2, 4, (2,)), (4, 3, ())])
def test_of_the_last_requests_only_the_answered_ones_count(uncounted, sent, missing):
    read = ping.parse(PING, uncounted)
    assert (read.sent, read.received, read.missing) == (sent, 3, missing)


def test_output_without_a_summary_is_an_error():
    with pytest.raises(ValueError, match="no summary: ping: connect: Network is unreachable"):
        ping.parse("ping: connect: Network is unreachable\n")
