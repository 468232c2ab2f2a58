"""Tags of networks, subnets and ports (test_extending has those of the resources of other packages)."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.rest.projects import A, Projects

RECORDED = [json.loads(line) for line in (Path(__file__).parent / "neutron29_tags.jsonl").read_text().splitlines()]


def make(api, collection):
    """The path of something to tag; a resource that is not here is stood for by a network."""
    if collection not in ("subnets", "ports"):
        return f"/v2.0/networks/{api.make('network')['id']}"
    values = {"cidr": "10.0.0.0/24", "ip_version": 4} if collection == "subnets" else {}
    network = api.make("network")["id"]
    return f"/v2.0/{collection}/{api.make(collection[:-1], network_id=network, **values)['id']}"


def recorded(test):
    found = [exchange for exchange in RECORDED if test(exchange)]
    assert found
    return pytest.mark.parametrize("exchange", found, ids=lambda e: f"{e['m']}-{e['p'][:12]}-{e['p'][-9:]}-{e['s']}")


@recorded(lambda exchange: "?" not in exchange["p"])
def test_tags_as_recorded(api, exchange):
    """In the state in which Neutron answered so, the same answer, and what it stands for."""
    _, collection, _, _, *tag = exchange["p"].split("/")
    path = make(api, collection)
    wanted = exchange["s"] != 404 and exchange["m"] in ("GET", "DELETE")
    before = exchange["r"]["tags"] if exchange["m"] == "GET" and not tag else [*tag] if wanted else []
    if any("in all" in one for one in before):
        pytest.skip("the record is cut short")
    assert api("PUT", f"{path}/tags", {"tags": before}).status == 200
    asked = (
        {"tags": [f"{one}" for one in exchange["q"]["tags"]]} if exchange["q"] not in (None, "{}") else exchange["q"]
    )
    reply = api(exchange["m"], "/".join([path, "tags", *tag]), b"{}" if asked == "{}" else asked)
    assert reply.status == exchange["s"]
    if exchange["m"] == "PUT" and not tag:
        assert reply.body == asked
    else:
        assert reply.body == exchange["r"]
    expected = {"PUT": tag or (asked or {}).get("tags") if asked != "{}" else tag, "DELETE": []}.get(
        exchange["m"], before
    )
    assert api.get(path)["tags"] == sorted(expected)


@recorded(lambda exchange: "?" in exchange["p"])
def test_lists_by_tags_as_recorded(api, exchange):
    """Of all the combinations of its tags, the query finds those that Neutron's answer shows to be found."""
    collection, _, text = exchange["p"][1:].partition("?")
    name, _, wanted = text.partition("=")
    wanted = wanted.split("%2C")
    found = {
        "tags": all,
        "tags-any": any,
        "not-tags": lambda each: not all(each),
        "not-tags-any": lambda each: not any(each),
    }
    every = [tuple(tags) for tags in ([], wanted[:1], wanted, [*wanted, "other"], ["other"])]
    made = {make(api, collection).rpartition("/")[2]: tags for tags in every}
    for key, tags in made.items():
        api("PUT", f"/v2.0/{collection}/{key}/tags", {"tags": tags})
    for theirs in exchange["r"][collection]:
        if isinstance(theirs, dict):
            assert found[name](tag in theirs["tags"] for tag in wanted)
    shown = {one["id"] for one in api.get(f"/v2.0/{collection}?{text}")}
    assert shown == {key for key, tags in made.items() if found[name](tag in tags for tag in wanted)}


def test_tags_are_added_replaced_and_taken_away(api):
    path = make(api, "networks")
    assert api.get(path)["tags"] == []
    added = api("POST", f"{path}/tags", {"tags": ["red", "blue"]})
    assert (added.status, added.body) == (200, {"tags": ["red", "blue"]})
    assert api("POST", f"{path}/tags", {"tags": ["blue", "green"]}).status == 200
    shown = api.get(path)
    assert (shown["tags"], shown["revision_number"]) == (["blue", "green", "red"], 2)
    assert api("PUT", f"{path}/tags/red").status == 201
    assert api.get(path)["revision_number"] == 2
    assert api("DELETE", f"{path}/tags/red").status == 204
    assert api("PUT", f"{path}/tags", {"tags": ["x"]}).status == 200
    assert api.get(f"{path}/tags") == ["x"]
    assert api("DELETE", f"{path}/tags").status == 204
    assert api.get(path)["tags"] == []


def test_ports_are_made_with_tags(api):
    network = api.make("network")["id"]
    ports = [{"network_id": network, "tags": ["b", "a"]}, {"network_id": network}]
    reply = api("POST", "/v2.0/ports", {"ports": ports})
    assert [port["tags"] for port in reply.body["ports"]] == [["a", "b"], []]
    refused = api("POST", "/v2.0/networks", {"network": {"tags": ["a"]}})
    assert refused.error == (400, "HTTPBadRequest", "Attribute 'tags' not allowed in POST")
    key = reply.body["ports"][0]["id"]
    assert api("PUT", f"/v2.0/ports/{key}", {"port": {"tags": []}}).error[2] == "Cannot update read-only attribute tags"


MANY = [f"{number}" for number in range(51)]
LIMIT = (400, "BadRequest", "Bad networks request: The number of tags exceed the per-resource limit of 50.")


def wrong(text):
    return (400, "InvalidInput", f"Invalid input for operation: {text}.")


@pytest.mark.parametrize(
    ("method", "below", "document", "error"),
    [
        ("PUT", "", {"tags": MANY}, LIMIT),
        ("POST", "", {"tags": MANY[1:]}, LIMIT),
        ("PUT", "", {"tags": ["a", "b", "a"]}, wrong("Duplicate items in the list: 'a'")),
        ("PUT", "", {"tags": "a"}, wrong("'a' is not a list")),
        ("PUT", "", {"tags": [5]}, wrong("'5' is not a valid string")),
        ("PUT", "", {"tags": ["a" * 256]}, wrong(f"'{'a' * 256}' exceeds maximum length of 255")),
        ("PUT", f"/{'a' * 256}", None, wrong(f"'{'a' * 256}' exceeds maximum length of 255")),
        ("PUT", "", {"tag": []}, wrong("Invalid tags body")),
        ("POST", "", None, (400, "HTTPBadRequest", "Resource body required")),
        (
            "POST",
            "/a",
            {"tags": []},
            (405, "HTTPMethodNotAllowed", "The method specified is not allowed for this resource."),
        ),
        ("GET", "/a/b", None, (404, "HTTPNotFound", "The resource could not be found.")),
        ("GET", "/b", None, (404, "TagNotFound", "Tag b could not be found.")),
        ("DELETE", "/b", None, (404, "TagNotFound", "Tag b could not be found.")),
    ],
)
def test_tags_that_are_refused(api, method, below, document, error):
    path = make(api, "networks")
    api("PUT", f"{path}/tags", {"tags": ["a"]})
    assert api(method, f"{path}/tags{below}", document).error == error
    assert api.get(path)["tags"] == ["a"]


def test_tags_of_what_is_not_there(api):
    gone = "11111111-1111-4111-8111-111111111111"
    for method in ("GET", "PUT", "DELETE"):
        assert api(method, f"/v2.0/networks/{gone}/tags/a").error[:2] == (404, "NetworkNotFound")
    network = api.make("network")["id"]
    port = api.make("port", network_id=network)["id"]
    many = {"network_id": network, "tags": MANY}
    assert api("POST", "/v2.0/ports", {"port": many}).error[1] == "BadRequest"
    assert [found["id"] for found in api.get("/v2.0/ports")] == [port]


def test_who_may_tag():
    cloud = Projects()
    made = cloud.made("networks", "network", "admin", shared=True)["id"]
    own = cloud.made("networks", "network", "bob")["id"]
    tags = f"/v2.0/networks/{made}/tags"
    assert cloud("PUT", f"{tags}/red").status == 201
    assert cloud.seen(tags, "rob") == ["red"]
    for method, verb in (("PUT", "update"), ("DELETE", "delete")):
        text = f"rule:{verb}_network:tags is disallowed by policy"
        assert cloud(method, f"{tags}/red", by="bob").error == (403, "PolicyNotAuthorized", text)
    assert cloud("POST", tags, {"tags": ["a"]}, by="bob").error[0] == 403
    assert cloud("PUT", f"/v2.0/networks/{own}/tags/red", by="rob").error[0] == 403
    assert cloud("PUT", f"/v2.0/networks/{own}/tags/red", by="bob").status == 201
    assert cloud("GET", f"/v2.0/networks/{own}/tags/red", by="ann").error[:2] == (404, "NetworkNotFound")
    assert cloud.seen("/v2.0/networks?tags=red", "rob") != []
    assert {found["project_id"] for found in cloud.seen("/v2.0/networks?tags=red", "ann")}.isdisjoint({A})
