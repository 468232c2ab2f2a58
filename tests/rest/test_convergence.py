"""`GET /v2.0/convergence`: the parameters' rules, and the answer over a real machine."""

from __future__ import annotations

from typing import Any

import pytest

from controller.core.inspect import Inspector
from tests.rest.api import Api
from tests.world.world import World

PATH = "/v2.0/convergence"


@pytest.fixture
def world() -> World:
    world = World()
    world.host()
    return world.settle()


@pytest.fixture
def waits() -> list[float]:
    """How long each request was willing to wait."""
    return []


@pytest.fixture
def api(world: World, waits: list[float]) -> Api:
    """An API over a store that is as far as the world's, whose switches acknowledge when somebody waits for them."""
    api = Api(inspector=Inspector(world.machine, lambda reached, seconds: waits.append(seconds) or world.settle()))
    api.store.revision = world.store.revision
    return api


def ask(api: Api, query: str = "") -> Any:
    reply = api("GET", PATH + query)
    assert reply.status == 200, reply
    return reply.body


def test_the_newest_revision_is_asked_for_unless_one_is_named(api: Api, world: World) -> None:
    newest = world.store.revision
    done = {"done": 2, "pending": 0, "away": 0, "refused": 0}
    assert ask(api) == {"revision": newest, "known": True, "converged": True, "counts": done, "switches": []}
    assert ask(api, "?revision=1")["revision"] == 1
    assert ask(api, "?revision=0")["converged"]


def test_the_answer_is_held_back_for_as_long_as_asked(api: Api, world: World, waits: list[float]) -> None:
    world.network("local")
    api.store.revision = world.store.revision
    assert not ask(api)["converged"]
    assert waits == [], "nobody waits unasked"
    assert not ask(api, "?wait=0")["converged"]
    assert ask(api, "?wait=2.5")["converged"]
    assert ask(api, "?wait=60")["converged"]
    assert waits == [2.5, 60.0]


def test_switches_that_are_away_are_named_or_left_out(api: Api, world: World) -> None:
    (host,) = world.hypervisors.values()
    world.disconnect(host.bridges["br-eth1"])
    world.settle()
    answer = ask(api)
    assert (answer["converged"], answer["counts"]["away"]) == (False, 1)
    away = {"name": "h1/br-eth1", "dpid": "0000000000000101", "acknowledged": answer["revision"], "state": "away"}
    assert answer["switches"] == [away]
    assert ask(api, "?connected=true")["converged"]
    assert not ask(api, "?connected=False")["converged"]


def test_a_revision_that_is_not_there_yet_is_not_found(api: Api, world: World) -> None:
    newest = world.store.revision
    message = f"Revision {newest + 1} could not be found: the newest is {newest}."
    assert api("GET", f"{PATH}?revision={newest + 1}").error == (404, "RevisionNotFound", message)


@pytest.mark.parametrize(
    ("query", "message"),
    [
        ("revision=-1", "revision: '-1' is not a revision number, an integer of 0 or more"),
        ("revision=", "revision: '' is not a revision number, an integer of 0 or more"),
        ("revision=%C2%B2", "revision: '²' is not a revision number, an integer of 0 or more"),
        ("revision=1234567890123456789", "revision: '1234567890123456789' is not a revision number, an integer of 0"),
        ("wait=61", "wait: '61' is not a number of seconds from 0 to 60"),
        ("wait=60.1", "wait: '60.1' is not a number of seconds from 0 to 60"),
        ("wait=-1", "wait: '-1' is not a number of seconds from 0 to 60"),
        ("wait=nan", "wait: 'nan' is not a number of seconds from 0 to 60"),
        ("wait=soon", "wait: 'soon' is not a number of seconds from 0 to 60"),
        ("wait=1%0A", "wait: '1\n' is not a number of seconds from 0 to 60"),
        ("connected=yes", "connected: 'yes' is neither 'true' nor 'false'"),
        ("revision=1&revision=2", "revision: may be given once only"),
        ("revison=1", "'revison' is no parameter here: there are revision, wait, connected"),
    ],
)
def test_what_can_not_be_asked_is_told_with_the_rule(api: Api, waits: list[float], query: str, message: str) -> None:
    status, type, told = api("GET", f"{PATH}?{query}").error
    assert (status, type) == (400, "HTTPBadRequest")
    assert told.startswith(message)
    assert waits == []


def test_it_is_only_there_to_be_read_and_where_a_controller_is(api: Api) -> None:
    assert api("POST", PATH, {}).status == 404
    assert api("GET", f"{PATH}/1").status == 404
    assert Api()("GET", PATH).status == 404


class Tenants:
    """A policy by which nobody may look inside the controller."""

    def allows(self, rule: str, caller: Any, target: Any) -> bool:
        return rule != "patchbay_inspect"

    def always(self, rule: str, caller: Any) -> bool:
        return rule != "patchbay_inspect"

    def has(self, rule: str) -> bool:
        return False


def test_who_may_not_look_inside_is_not_told_the_switches_names(world: World) -> None:
    (host,) = world.hypervisors.values()
    world.disconnect(host.bridges["br-int"])
    world.settle()
    api = Api(inspector=Inspector(world.machine), policy=Tenants())
    assert ask(api) == {
        "revision": 0,
        "known": True,
        "converged": False,
        "counts": {"done": 1, "pending": 0, "away": 1, "refused": 0},
    }
