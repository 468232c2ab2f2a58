"""Nova: tells it of its servers' ports, by its API `os-server-external-events`, with keystoneauth1.

Events are stored rows, and wait here in a bounded queue; one green thread sends what waits in one request, and tries
again while Nova can't be reached.  Nobody waits for it.  What is done with is told, so that the rows go.
"""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import eventlet
from eventlet.event import Event
from keystoneauth1 import noauth
from keystoneauth1.adapter import Adapter
from keystoneauth1.exceptions import ClientException
from keystoneauth1.identity.generic import Password
from keystoneauth1.plugin import BaseAuthPlugin
from keystoneauth1.session import Session

from controller.config_nova import NovaSettings
from controller.core.effects import TellServers
from controller.core.model import ServerEvent

LOG = logging.getLogger("patchbay.nova")

MOST = 100_000
"""Events that wait at most; what comes then is dropped."""
TOGETHER = 500
"""Events in one request at most: Nova's API takes a body of 112 KiB (oslo.middleware, `max_request_body_size`)."""
LONGEST_PAUSE = 30.0
"""Seconds between two attempts at most."""
PATH = "/os-server-external-events"
OK, BAD_REQUEST, NOT_FOUND, NOT_YET = 200, 400, 404, 422
"""What Nova answers, of all events or of one: taken; malformed; it has no such server; which has no host (yet)."""
LATER = frozenset({401, 403, 408, 429})
"""What may be otherwise the next time, beside all errors of the server (5xx)."""


class Nova:
    """`taken`, `refused` (by Nova, one by one) and `dropped` (never told) count events; `forget` is given the numbers
    of all three, which are not to be told (again)."""

    def __init__(
        self,
        options: NovaSettings,
        forget: Callable[[tuple[int, ...]], object],
        sleep: Callable[[float], object] = eventlet.sleep,
    ) -> None:
        self.taken = self.refused = self.dropped = 0
        self._forget = forget
        self._options = options
        self._sleep = sleep
        self._adapter = _adapter(options)
        self._queue: deque[ServerEvent] = deque()
        self._wake: Any = Event()

    def tell(self, effect: TellServers) -> None:
        """Put events into the queue; returns at once."""
        room = MOST - len(self._queue)
        self._queue.extend(effect.events[:room])
        if len(effect.events) > room:
            self._drop(effect.events[room:], "too many wait already")
        if not self._wake.ready():
            self._wake.send()

    def run(self) -> None:
        """Send what waits, for ever."""
        while True:
            self._wake.wait()
            self._wake = Event()
            while self._queue:
                self.send_waiting()
                self._sleep(self._options.interval)

    def send_waiting(self) -> None:
        """Send the events that wait as one request, until Nova took them or there are attempts no more."""
        events = [self._queue.popleft() for _ in range(min(len(self._queue), TOGETHER))]
        for attempt in range(self._options.retries + 1):
            if attempt:
                self._sleep(min(2.0 ** (attempt - 1), LONGEST_PAUSE))
            problem = self._post(events)
            if not problem:
                return
            LOG.warning("Nova was not told of %d events (attempt %d): %s", len(events), attempt + 1, problem)
        self._drop(events, "Nova could not be told")

    def _drop(self, events: Sequence[ServerEvent], why: str) -> None:
        self.dropped += len(events)
        LOG.error("%d events for Nova are dropped: %s (%d so far)", len(events), why, self.dropped)
        self._done(events)

    def _done(self, events: Iterable[ServerEvent]) -> None:
        self._forget(tuple(event.number for event in events))

    def _post(self, events: list[ServerEvent]) -> str:
        """One request; what was wrong when it has to be sent again, else ""."""
        body = {"events": [_body(event) for event in events]}
        try:
            answer = self._adapter.post(PATH, json=body, raise_exc=False, timeout=self._options.timeout)
        except (ClientException, OSError, ValueError) as error:
            return f"{type(error).__name__}: {error}"
        if answer.status_code in LATER or answer.status_code >= 500:
            return f"it answers {answer.status_code}"
        if answer.status_code == BAD_REQUEST and len(events) > 1:
            # It refuses all for the sake of one: that one is found by itself.
            return next(filter(None, [self._post([event]) for event in events]), "")
        self._take(events, answer)
        return ""

    def _take(self, events: list[ServerEvent], answer: Any) -> None:
        """Note what became of each event.  Nova knows by itself what it has refused: nothing is sent again."""
        codes = _codes(answer) if answer.status_code < 300 else {}
        whole = OK if answer.status_code < 300 else answer.status_code
        for event in events:
            code = codes.get((event.name, event.server_uuid, event.tag), whole)
            self.taken += code == OK
            self.refused += code != OK
            if code != OK:
                level = logging.INFO if code in (NOT_FOUND, NOT_YET) else logging.ERROR
                about = (event.name, event.tag, event.server_uuid)
                LOG.log(level, "Nova answers %s to %s of port %s, server %s", code, *about)
        self._done(events)


def _codes(answer: Any) -> dict[tuple[str, str, str], int]:
    """What Nova says of each event (its answers 200 and 207)."""
    try:
        said: Iterable[dict[str, Any]] = answer.json()["events"]
        return {(one["name"], one["server_uuid"], one["tag"]): one.get("code", OK) for one in said}
    except (ValueError, KeyError, TypeError):
        return {}


def _body(event: ServerEvent) -> dict[str, str]:
    body = {"name": event.name, "server_uuid": event.server_uuid, "tag": event.tag}
    return {**body, "status": event.status} if event.status else body


def _adapter(options: NovaSettings) -> Adapter:
    """Who asks, and where."""
    if options.auth_url:
        auth: BaseAuthPlugin = Password(
            options.auth_url,
            username=options.username,
            password=options.password,
            project_name=options.project_name,
            user_domain_name=options.user_domain_name,
            project_domain_name=options.project_domain_name,
        )
    else:
        auth = noauth.NoAuth(options.endpoint)
    return Adapter(
        Session(auth=auth, verify=options.cafile or True, user_agent="patchbay"),
        service_type="compute",
        interface=options.endpoint_type,
        region_name=options.region_name or None,
        endpoint_override=options.endpoint or None,
    )
