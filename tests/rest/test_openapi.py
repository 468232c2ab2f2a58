"""The OpenAPI document: valid, complete, and true: what it describes is what is answered."""

from __future__ import annotations

from dataclasses import replace

import hypothesis
import pytest
import schemathesis
from hypothesis import strategies as st
from openapi_spec_validator import validate
from schemathesis.generation import GenerationMode

from controller.core.accounts import with_implied
from controller.core.app import load
from controller.core.caller import Caller
from controller.core.resources import declare
from controller.core.row import REQUIRED
from rest.policy import Policy
from tests.rest.api import SETTINGS, Api
from tests.rest.drawing import a_tenth_as_many


@pytest.fixture(scope="module")
def api():
    return Api(replace(SETTINGS, quotas=()), apps=load())


def test_it_is_valid(api):
    validate(api("GET", "/v2.0/openapi.json").body)


def test_it_has_every_resource_and_attribute(api):
    document = api("GET", "/v2.0/openapi.json").body
    for resource in api.get("/v2.0/"):
        assert f"/{resource['collection'].replace('_', '-')}" in document["paths"] or resource["collection"] in str(
            document["paths"].keys()
        )
        assert resource["name"] in document["components"]["schemas"]
    network = api.make("network")
    network["segments"] = "shown of a network that has several"
    assert set(network) - {"tenant_id"} == set(document["components"]["schemas"]["network"]["properties"])
    create = document["components"]["schemas"]["network_create"]
    assert "status" not in create["properties"]
    assert create["properties"]["admin_state_up"] == {"type": "boolean"}


def test_only_get(api):
    assert api("POST", "/v2.0/openapi.json", {}).error[:2] == (405, "HTTPMethodNotAllowed")


WHOS = [None, "admin/p1", "manager/p1", "member/p1", "member/p2", "reader/p1"]
"""Who asks: without a policy, or with it somebody of a role and a project."""
SAMPLES = {"ip_version": 4, "cidr": "10.0.0.0/24", "name": "a"}
"""Values for attributes without which there is no such resource."""
NONSENSE = ["72d21013-5631-43b5-9a59-16c2c30c3d6b", "x", "%00", "\N{SNOWMAN}", "a" * 300]


def who_asks(environ):
    role, _, project = environ["HTTP_WHO"].partition("/")
    return Caller("u", project, with_implied([role]), role == "admin")


class Populated:
    """An API in which there is always one of each resource that can be made of SAMPLES and references.

    `headers` are those by which it lets everybody in.
    """

    def __init__(self, headers, **more):
        self.api = Api(replace(SETTINGS, quotas=()), apps=load(), **more)
        self.headers = headers
        self.resources = [resource for resource in declare(SETTINGS, load()) if resource.parent is None]
        self.made = {}
        assert {"networks", "subnets", "ports"} <= set(self.keys())

    def keys(self):
        """The id of one by its collection; where one was deleted, of a new one."""
        net = self.api.store.net
        kinds = {resource.collection: resource.row_type for resource in self.resources}
        if not self.made or any(net.get(kinds[name], key) is None for name, key in self.made.items()):
            self.made = {}
            for resource in self.resources:
                self._make(resource)
        return self.made

    def _make(self, resource):
        values = {"project_id": "p1"}
        for wire, slot in resource.attributes.items():
            if slot.attribute.post and slot.attribute.default is REQUIRED and slot.attribute.refers:
                values[wire] = self.referred(slot.attribute.refers)
            elif slot.attribute.post and wire in SAMPLES:
                values[wire] = SAMPLES[wire]
        reply = self.api("POST", f"/v2.0/{resource.collection}", {resource.name: values}, **self.headers)
        if reply.status == 201:
            self.made[resource.collection] = reply.body[resource.name]["id"]

    def referred(self, row_type):
        """The id of the one of that class."""
        names = [resource.collection for resource in self.resources if resource.row_type is row_type]
        return self.made.get(names[0]) if names else None


OPEN, POLICED = Populated({}), Populated({"Who": "admin/p0"}, policy=Policy(), authenticate=who_asks)


def either(environ, start_response):
    """The API with a policy for those who say who they are, else the one without."""
    return (POLICED if "HTTP_WHO" in environ else OPEN).api.application(environ, start_response)


def operations():
    """Every operation of the document."""
    schema = schemathesis.openapi.from_wsgi("/v2.0/openapi.json", either)
    return [found.ok() for found in schema.get_all_operations()]


@pytest.mark.parametrize("mode", list(GenerationMode), ids=lambda mode: mode.value)
@pytest.mark.parametrize("operation", operations(), ids=lambda operation: operation.label.replace("/", ":"))
def test_no_drawn_request_is_a_server_error(operation, mode):
    """Schemathesis draws requests that the document allows, and some that it does not, to what is there and what is
    not, by anybody.  What one request does, the next one finds."""

    @hypothesis.given(
        case=operation.as_strategy(generation_mode=mode),
        key=st.none() | st.none() | st.sampled_from(NONSENSE),
        who=st.sampled_from(WHOS),
    )
    @a_tenth_as_many
    def answered(case, key, who):
        keys = (OPEN if who is None else POLICED).keys()
        for name in case.path_parameters or ():
            case.path_parameters[name] = key or keys.get(case.path.split("/")[1], "x")
        refer_to(case.body, keys["networks"] if key is None else key)
        response = case.call(headers={} if who is None else {"Who": who})
        assert response.status_code < 500, (case.as_curl_command(), response.text)
        if response.status_code >= 400:
            assert set(response.json()) == {"NeutronError"}

    answered()


def refer_to(body, network_id):
    """Let what a body says of a network be of this one."""
    for item in body.values() if isinstance(body, dict) else ():
        if isinstance(item, dict) and "network_id" in item:
            item["network_id"] = network_id
