"""What an app adds to the API by declaring it: attributes, resources, rules, references, quotas."""

from __future__ import annotations

from dataclasses import replace
from functools import partial

import pytest

from controller.core import row as rows
from controller.core.app import APPS, App
from controller.core.model import Network
from controller.core.plan import Refusal
from controller.core.plans import once
from controller.core.plans.revision import existing, update
from controller.core.resource import Action, Computed, Filter, Parent, Source
from controller.core.row import CASCADE, REQUIRED, Attribute, Check, Tagged, attr, index
from tests.rest.api import SETTINGS, Api

LABELS = Check(lambda value: tuple(value), {"type": "array", "items": {"type": "string"}})


def declared():
    """A toy: racks hold shelves (which go with them) and networks may name the rack that they are cabled in."""
    app = App("racks")
    app.extension("racks", "Racks", "Where networks are cabled.", "2026-11-25T00:00:00-00:00")

    @app.row(key="id", indexes=[index("project_id")])
    class Rack(Tagged):
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

    @app.row(key="network_id", extends=Network, indexes=[index("labels", each=lambda row: row.labels)])
    class Labels:
        network_id: str
        labels: tuple[str, ...] = attr(default=(), initial=(), check=LABELS)

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

    @app.once("first rack")
    def first(draft):
        draft.put(Rack(id="first", project_id="stock"))

    @app.before_list(Rack)
    def looked_for(net, caller, filters):
        project_id = filters.get("project_id", [""])[0]
        if not project_id or net.has(Rack, "project_id", project_id):
            return None
        return lambda draft: draft.put(Rack(id=f"of {project_id}", project_id=project_id, height=1))

    def read_only(name, read):
        return Computed(name, Attribute(name, post=False, put=False), read)

    def has_colour(net, rack, wanted, project_id):
        return any(shelf.colour in wanted for shelf in net.find(Shelf, "rack_id", rack.id))

    def those_colours(value, wanted):
        return {**value, "colours": [colour for colour in value["colours"] if colour in wanted]}

    def is_named(net, network, wanted, project_id):
        return bool(network.name) in wanted

    app.extend(
        Network,
        [Computed("", Attribute("floor", post=False, put=False, filter=False), lambda net, network: 0)],
        filters=[Filter("named", is_named, "boolean")],
    )
    app.resource(
        "painting",
        "paintings",
        Rack,
        own=False,
        methods=frozenset(),
        computed=(
            read_only("id", lambda net, rack: rack.id),
            read_only("colours", lambda net, rack: [s.colour for s in net.find(Shelf, "rack_id", rack.id)]),
        ),
        sources=(Source(Shelf, lambda net, shelf: (shelf.rack_id,)),),
        filters=(Filter("colour", has_colour, shows=those_colours),),
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
    assert len(api.get("/v2.0/racks?name=")) == 2


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


def test_a_resource_of_what_is_computed_from_anothers_rows(api):
    racks = [api.make("rack", height=height)["id"] for height in (1, 2, 3)]
    red, both, none = (f"/v2.0/paintings/{rack}" for rack in racks)
    assert api.get(red) == {"id": racks[0], "colours": []}
    for rack, slot, colour in ((0, "a", "red"), (1, "a", "red"), (1, "b", "blue")):
        api("POST", f"/v2.0/racks/{racks[rack]}/shelves", {"shelf": {"slot": slot, "colour": colour}})
    assert (api.get(red)["colours"], api.get(both)["colours"], api.get(none)["colours"]) == (
        ["red"],
        ["red", "blue"],
        [],
    )
    assert api.get("/v2.0/paintings?colour=blue") == [{"id": racks[1], "colours": ["blue"]}]
    assert len(api.get("/v2.0/paintings?colour=blue&colour=red")) == 2
    assert api.get(f"/v2.0/paintings?id={racks[0]}") == [{"id": racks[0], "colours": ["red"]}]
    assert [found["id"] for found in api.get("/v2.0/paintings?limit=2")] == sorted(racks)[:2]
    assert api("POST", "/v2.0/paintings", {"painting": {}}).status == 405
    assert api("GET", "/v2.0/paintings?sort_key=colour&sort_dir=asc").status == 400
    assert api.get(f"/v2.0/racks/{racks[0]}")["height"] == 1


def test_an_attribute_and_a_filter_computed_for_somebody_elses_resource(api):
    for number, name in enumerate(("a", "", "b")):
        assert api.make("network", name=name, project_id=f"p{number}")["floor"] == 0
    assert {network["name"] for network in api.get("/v2.0/networks?named=true")} == {"a", "b"}
    assert api.get("/v2.0/networks?named=yes&named=no&name=a&fields=name") == [{"name": "a"}]
    assert api("GET", "/v2.0/networks?floor=0").status == 400


def test_rows_without_an_id_are_paged_by_their_key(api):
    rack = api.make("rack", height=1)["id"]
    shelves = f"/v2.0/racks/{rack}/shelves"
    for slot in ("c", "a", "b"):
        api("POST", shelves, {"shelf": {"slot": slot}})
    first = api("GET", f"{shelves}?limit=2").body
    assert [shelf["slot"] for shelf in first["shelves"]] == ["a", "b"]
    assert first["shelves_links"][0]["href"].endswith("marker=b")
    assert [shelf["slot"] for shelf in api.get(f"{shelves}?limit=2&marker=b")] == ["c"]


def test_an_action(api):
    rack = api.make("rack", height=1)["id"]
    api("POST", f"/v2.0/racks/{rack}/shelves", {"shelf": {"slot": "top"}})
    answered = api("PUT", f"/v2.0/racks/{rack}/paint", {"colour": "blue"})
    assert answered.body["rack"]["description"] == "blue"
    assert api.get(f"/v2.0/racks/{rack}/shelves/top")["colour"] == "blue"
    assert api("GET", f"/v2.0/racks/{rack}/paint").status == 405
    assert api("PUT", f"/v2.0/racks/{rack}/burn", {}).error[:2] == (404, "HTTPNotFound")


def test_tags(api):
    rack = api.make("rack", height=1)
    assert rack["tags"] == []
    assert api("PUT", f"/v2.0/racks/{rack['id']}/tags/tall").status == 201
    assert [found["tags"] for found in api.get("/v2.0/racks?tags=tall")] == [["tall"]]
    assert api.get("/v2.0/racks?project_id=&not-tags-any=tall") == []


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


def test_rows_that_are_there_from_the_start_come_once(api):
    (first,) = api.get("/v2.0/racks?name=")
    assert (first["id"], first["project_id"]) == ("first", "stock")
    assert api("DELETE", "/v2.0/racks/first").status == 204
    before = api.store.revision
    api.store.execute(partial(once.run, [APPS["racks"]]), who="")
    assert api.get("/v2.0/racks?name=") == []
    assert api.store.revision == before


def test_rows_that_are_made_when_they_are_first_looked_for(api):
    made = api("GET", "/v2.0/racks?project_id=p9")
    assert [rack["id"] for rack in made.body["racks"]] == ["of p9"]
    assert made.headers["X-Patchbay-Revision"] == str(api.store.revision)
    before = api.store.statements
    assert api.get("/v2.0/racks?project_id=p9") == made.body["racks"]
    assert api.store.statements == before


def test_a_list_is_found_by_its_items(api):
    one, _, two = (api.make("network", labels=found, project_id=f"{found}") for found in (["a", "b"], [], ["b"]))
    assert api.get("/v2.0/networks?labels=a") == [one]
    assert {network["id"] for network in api.get("/v2.0/networks?labels=b&labels=a")} == {one["id"], two["id"]}
    assert api.get("/v2.0/networks?labels=c") == []
