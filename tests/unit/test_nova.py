"""Nova is told of servers' ports over HTTP: together, again when it can't be reached, and nobody waits for it."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from controller.config_nova import NovaSettings
from controller.core.effects import TellServers
from controller.core.model import ServerEvent
from controller.core.server_events import CHANGED, COMPLETED, DELETED, PLUGGED, UNPLUGGED
from controller.io import nova as edge
from controller.io.nova import Nova
from tests.compute_api import Compute

SERVERS = [f"00000000-0000-4000-8000-00000000000{n}" for n in range(4)]
PORTS = [f"11111111-0000-4000-8000-00000000000{n}" for n in range(4)]


def event(number=0, name=PLUGGED, status=COMPLETED):
    return ServerEvent(number, name, SERVERS[number], PORTS[number], status)


@pytest.fixture
def compute():
    made = Compute()
    yield made
    made.close()


class Told(Nova):
    """Its pauses are noted, and take no time; `forgotten` are the numbers of what is not to be told any more."""

    def __init__(self, compute, **options):
        self.pauses, self.forgotten = [], []
        settings = NovaSettings(**{"endpoint": compute.endpoint, "retries": 3} | options)
        super().__init__(settings, self.forgotten.extend, self.pauses.append)

    def send(self, *events):
        for one in events:
            self.tell(TellServers((one,)))
        self.send_waiting()
        return self.taken, self.refused, self.dropped


def test_all_that_waits_is_one_request_in_its_order(compute):
    told = Told(compute)
    sent = [event(), event(1, CHANGED, ""), event(2, DELETED, ""), event(3, UNPLUGGED)]
    assert told.send(*sent) == (4, 0, 0)
    assert told.forgotten == [0, 1, 2, 3]
    assert compute.requests == [
        [
            {"name": "network-vif-plugged", "server_uuid": SERVERS[0], "tag": PORTS[0], "status": "completed"},
            {"name": "network-changed", "server_uuid": SERVERS[1], "tag": PORTS[1]},
            {"name": "network-vif-deleted", "server_uuid": SERVERS[2], "tag": PORTS[2]},
            {"name": "network-vif-unplugged", "server_uuid": SERVERS[3], "tag": PORTS[3], "status": "completed"},
        ]
    ]


def test_what_nova_knows_nothing_of_is_not_told_again(compute):
    told = Told(compute)
    compute.servers = {SERVERS[0]}
    compute.codes = {SERVERS[2]: 422}
    assert told.send(event(0), event(1), event(2)) == (1, 2, 0)
    assert told.send(event(1)) == (1, 3, 0)
    assert (len(compute.tried), told.pauses) == (2, [])
    assert told.forgotten == [0, 1, 2, 1]


@pytest.mark.parametrize("trouble", [500, 502, 503, 401, 403, 408, 429])
def test_what_may_be_otherwise_the_next_time_is_tried_again(compute, trouble):
    told = Told(compute)
    compute.trouble = [trouble, trouble]
    forgotten_at = []
    told._sleep = lambda seconds: (told.pauses.append(seconds), forgotten_at.append(list(told.forgotten)))
    assert told.send(event()) == (1, 0, 0)
    assert (forgotten_at, told.forgotten) == ([[], []], [0])
    assert (len(compute.tried), told.pauses) == (3, [1.0, 2.0])


def test_after_the_last_attempt_events_are_dropped_and_counted(compute):
    told = Told(compute, retries=7)
    compute.trouble = [500] * 8
    assert told.send(event(0), event(1)) == (0, 0, 2)
    assert told.pauses == [1.0, 2.0, 4.0, 8.0, 16.0, 30.0, 30.0]
    assert told.forgotten == [0, 1]
    assert told.send(event(2)) == (1, 0, 2)


def test_a_nova_that_is_not_there_is_found_when_it_is(compute):
    told = Told(compute)
    compute.close()
    assert told.send(event()) == (0, 0, 1)
    back = Compute(port=int(compute.url.rpartition(":")[2]))
    assert told.send(event(1)) == (1, 0, 1)
    back.close()


def test_a_nova_that_does_not_answer_is_asked_again(compute):
    told = Told(compute, timeout=0.3)
    compute.trouble = [1.0]
    assert told.send(event()) == (1, 0, 0)
    assert (len(compute.tried), told.pauses) == (2, [1.0])


def test_one_event_that_is_refused_as_malformed_keeps_back_no_other(compute):
    told = Told(compute)
    odd = ServerEvent(3, "network-vif-plugged", "no-uuid", PORTS[3], COMPLETED)
    assert told.send(event(0), odd, event(1)) == (2, 1, 0)
    assert told.forgotten == [0, 3, 1]
    assert compute.events == [edge._body(event(0)), edge._body(event(1))]


def test_a_queue_that_is_full_drops_what_comes(compute, monkeypatch):
    monkeypatch.setattr(edge, "MOST", 2)
    told = Told(compute)
    told.tell(TellServers((event(0), event(1), event(2))))
    told.tell(TellServers((event(3),)))
    assert (told.dropped, told.forgotten) == (2, [2, 3])
    told.send_waiting()
    assert [one["tag"] for one in compute.events] == PORTS[:2]


def test_a_body_is_no_longer_than_novas_api_takes(compute):
    told = Told(compute)
    many = tuple(ServerEvent(n, UNPLUGGED, SERVERS[0], PORTS[0], COMPLETED) for n in range(1200))
    told.tell(TellServers(many))
    for _ in range(3):
        told.send_waiting()
    assert [len(request) for request in compute.requests] == [500, 500, 200]
    longest = {"events": [edge._body(one) for one in many[:500]]}
    assert len(json.dumps(longest)) < 114688
    assert told.forgotten == list(range(1200))


def test_a_token_is_asked_for_and_again_when_it_has_expired(compute):
    keystone = {"auth_url": f"{compute.url}/v3", "username": "patchbay", "password": "secret", "endpoint": ""}
    told = Told(compute, region_name="RegionOne", endpoint_type="internal", **keystone)
    compute.expired = True
    assert (told.send(event()), compute.tokens) == ((1, 0, 0), 1)
    compute.tokens = 5  # the one that was given is good no more
    assert (told.send(event(1)), compute.tokens) == ((2, 0, 0), 6)
    wrong = Told(compute, **keystone | {"password": "guessed"})
    assert wrong.send(event()) == (0, 0, 1)


RUN = """
import controller.green
import sys, time
from os_ken.lib import hub
from controller.config_nova import NovaSettings
from controller.core.effects import TellServers
from controller.core.model import ServerEvent
from controller.io.nova import Nova

nova = Nova(NovaSettings(sys.argv[1], interval=0.3), lambda numbers: None)
hub.spawn(nova.run)
start, slowest = time.monotonic(), 0.0
for number in range(20):
    before = time.monotonic()
    nova.tell(TellServers((ServerEvent(number, "network-changed", sys.argv[2], str(number)),)))
    hub.sleep(0.01)
    slowest = max(slowest, time.monotonic() - before)
while nova.taken < 20:
    assert time.monotonic() - start < 20
    hub.sleep(0.02)
print(slowest)
"""


def test_nobody_waits_for_a_slow_nova_and_what_happens_meanwhile_is_told_together(compute):
    compute.trouble = [0.6]
    command = [sys.executable, "-c", RUN, compute.endpoint, SERVERS[0]]
    root = Path(__file__).parents[2]
    done = subprocess.run(command, cwd=root, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    assert float(done.stdout) < 0.3
    assert [one["tag"] for one in compute.events] == [str(number) for number in range(20)]
    assert len(compute.requests[0]) == 1
    assert len(compute.requests) <= 3
    first, second = (when for when, _ in compute.tried)
    assert second - first >= 0.6 + 0.3 - 0.05
