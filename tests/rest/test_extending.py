"""What an app adds to the API by declaring it: attributes, resources, rules, references, quotas."""

from __future__ import annotations

from dataclasses import replace

import pytest

from controller.core import row as rows
from controller.core.app import APPS, App
from controller.core.model import Network
from controller.core.plan import Refusal
from controller.core.plans.revision import existing, update
from controller.core.resource import Action, Parent
from controller.core.row import CASCADE, REQUIRED, Standard, attr, index
from tests.rest.api import SETTINGS, Api


def declared():
    """A toy: racks hold shelves (which go with them) and networks may name the rack that they are cabled in."""
    app = App("racks")
    app.extension("racks", "Racks", "Where networks are cabled.", "2026-11-25T00:00:00-00:00")

    @app.row(key="id", indexes=[index("project_id")])
    class Rack(Standard):
        height: int = attr(default=1, initial=REQUIRED, check="integer")

    @app.row(key=("rack_id", "slot"), indexes=[index("rack_id")])
    class Shelf:
        rack_id: str = attr(default="", post=False, put=False, refers=Rack, on_delete=CASCADE)
        slot: str = attr(default="", put=False, initial=REQUIRED, check="string")
        colour: str = attr(default="", initial="grey", check="string")
        revision_number: int = 0
        updated_at: str = ""

    @app.row(key="network_id", extends=Network, indexes=[index("rack_id")])
    class Cabling:
        network_id: str
        rack_id: str | None = attr(default=None, initial=None, check="uuid_or_null", refers=Rack)

    def make_shelf(draft, values):
        return draft.put(Shelf(**values))

    def remove_shelf(draft, key, revision):
        draft.remove(existing(draft, Shelf, key))

    def paint(draft, key, body):
        for shelf in draft.find(Shelf, "rack_id", key):
            draft.put(replace(shelf, colour=body["colour"]))
        update(draft, existing(draft, Rack, key), {"description": body["colour"]})
        return key

    app.resource("rack", "racks", Rack, quota=2, actions=(Action("paint", paint),))
    app.resource(
        "shelf",
        "shelves",
        Shelf,
        make_shelf,
        lambda draft, key, values, revision: update(draft, existing(draft, Shelf, key), values),
        remove_shelf,
        parent=Parent("racks", "rack_id"),
    )

    @app.prepare(Rack)
    def metric(draft, old, values):
        if values.get("height") == 42:
            values["height"] = 43

    @app.rule(Rack)
    def not_too_high(draft, old, new, values):
        if new is not None and new.height > 50:
            raise Refusal("RackTooHigh", f"{new.height} is too high.", 400)
        if new is None and draft.find(Cabling, "rack_id", old.id):
            raise Refusal("RackInUse", "cabled", 409)

    return app


@pytest.fixture
def api():
    before = {kind: dict(registry) for kind, registry in (("kinds", rows.KINDS), ("apps", APPS))}
    sides = {owner: list(kinds) for owner, kinds in rows.SIDES.items()}
    yield Api(replace(SETTINGS, quotas=(("network", 1),)), apps=[declared()])
    for registry, kept in ((rows.KINDS, before["kinds"]), (APPS, before["apps"]), (rows.SIDES, sides)):
        registry.clear()
        registry.update(kept)


def test_a_resource_of_its_own(api):
    rack = api.make("rack", name="r1", height=3)
    assert rack["height"] == 3
    assert rack["revision_number"] == 0
    assert api.get("/v2.0/racks?height=3") == [rack]
    assert api("POST", "/v2.0/racks", {"rack": {}}).error[2].endswith("Required attribute 'height' not specified")
    changed = api("PUT", f"/v2.0/racks/{rack['id']}", {"rack": {"height": 4}}).body["rack"]
    assert (changed["height"], changed["revision_number"]) == (4, 1)
    assert api("DELETE", f"/v2.0/racks/{rack['id']}").status == 204
    assert api("GET", f"/v2.0/racks/{rack['id']}").error == (
        404,
        "RackNotFound",
        f"Rack {rack['id']} could not be found.",
    )
    assert {"racks"} <= {extension["alias"] for extension in api.get("/v2.0/extensions")}
    assert {"racks"} <= {resource["collection"] for resource in api.get("/v2.0/")}


def test_preparations_and_rules_run_in_the_same_plan(api):
    assert api.make("rack", height=42)["height"] == 43
    many = [{"height": 1}, {"height": 51}]
    assert api("POST", "/v2.0/racks", {"racks": many}).error[1] == "RackTooHigh"
    assert len(api.get("/v2.0/racks")) == 1


def test_an_attribute_of_somebody_elses_resource(api):
    rack = api.make("rack", height=1)["id"]
    network = api.make("network", rack_id=rack)
    assert network["rack_id"] == rack
    path = f"/v2.0/networks/{network['id']}"
    assert api("DELETE", f"/v2.0/racks/{rack}").error[1] == "RackInUse"
    changed = api("PUT", path, {"network": {"rack_id": None}}).body["network"]
    assert (changed["rack_id"], changed["revision_number"]) == (None, 1)
    again = api("PUT", path, {"network": {"rack_id": None, "name": ""}}).body["network"]
    assert again["revision_number"] == 1
    gone = "11111111-1111-4111-8111-111111111111"
    assert api("PUT", path, {"network": {"rack_id": gone}}).error[:2] == (404, "RackNotFound")
    assert api.get(path)["rack_id"] is None


def test_a_side_row_is_stored_only_when_it_says_something_and_goes_with_its_owner(api):
    kind = rows.KINDS["Cabling"]
    rack = api.make("rack", height=1)["id"]
    plain, cabled = api.make("network", project_id="a")["id"], api.make("network", rack_id=rack, project_id="b")["id"]
    assert [row.network_id for row in api.store.net.all(kind)] == [cabled]
    assert api.get(f"/v2.0/networks/{plain}")["rack_id"] is None
    api("DELETE", f"/v2.0/networks/{cabled}")
    assert api.store.net.count(kind) == 0


def test_a_resource_below_another_one(api):
    rack = api.make("rack", height=1)["id"]
    shelves = f"/v2.0/racks/{rack}/shelves"
    made = api("POST", shelves, {"shelf": {"slot": "top"}}).body["shelf"]
    assert made == {"rack_id": rack, "slot": "top", "colour": "grey"}
    assert api("GET", shelves).body == {"shelves": [made]}
    assert api("PUT", f"{shelves}/top", {"shelf": {"colour": "red"}}).body["shelf"]["colour"] == "red"
    assert api("GET", f"{shelves}/bottom").error[:2] == (404, "ShelfNotFound")
    assert api("GET", "/v2.0/racks/nope/shelves").error[:2] == (404, "RackNotFound")
    assert api("DELETE", f"/v2.0/racks/{rack}").status == 204
    assert api.store.net.count(rows.KINDS["Shelf"]) == 0


def test_an_action(api):
    rack = api.make("rack", height=1)["id"]
    api("POST", f"/v2.0/racks/{rack}/shelves", {"shelf": {"slot": "top"}})
    answered = api("PUT", f"/v2.0/racks/{rack}/paint", {"colour": "blue"})
    assert answered.body["rack"]["description"] == "blue"
    assert api.get(f"/v2.0/racks/{rack}/shelves/top")["colour"] == "blue"
    assert api("GET", f"/v2.0/racks/{rack}/paint").status == 405
    assert api("PUT", f"/v2.0/racks/{rack}/burn", {}).error[:2] == (404, "HTTPNotFound")


def test_quotas_count_what_a_project_has(api):
    for _ in range(2):
        api.make("rack", height=1, project_id="p1")
    reply = api("POST", "/v2.0/racks", {"rack": {"height": 1, "project_id": "p1"}})
    assert reply.error == (409, "OverQuota", "Quota exceeded for resources: ['rack'].")
    api.make("rack", height=1, project_id="p2")
    bulk = api("POST", "/v2.0/networks", {"networks": [{"project_id": "p1"}, {"project_id": "p1"}]})
    assert bulk.error[1] == "OverQuota"
    assert api.get("/v2.0/networks") == []


def test_a_write_says_its_revision(api):
    made = api("POST", "/v2.0/racks", {"rack": {"height": 1}})
    assert made.headers["X-Patchbay-Revision"] == str(api.store.revision)
    assert "X-Patchbay-Revision" not in api("GET", "/v2.0/racks").headers
