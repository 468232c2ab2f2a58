"""The OpenAPI document: valid, complete, and true: what it describes is what is answered."""

from __future__ import annotations

from dataclasses import replace

import hypothesis
import pytest
import schemathesis
from openapi_spec_validator import validate
from schemathesis.generation import GenerationMode

from controller.core.app import load
from tests.rest.api import SETTINGS, Api


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
    assert set(network) - {"tenant_id"} == set(document["components"]["schemas"]["network"]["properties"])
    create = document["components"]["schemas"]["network_create"]
    assert "status" not in create["properties"]
    assert create["properties"]["admin_state_up"] == {"type": "boolean"}


def test_only_get(api):
    assert api("POST", "/v2.0/openapi.json", {}).error[:2] == (405, "HTTPMethodNotAllowed")


def operations():
    """Every operation of the document, and the schema that they are of."""
    made = Api(replace(SETTINGS, quotas=()), apps=load())
    schema = schemathesis.openapi.from_wsgi("/v2.0/openapi.json", made.application)
    return [found.ok() for found in schema.get_all_operations()]


@pytest.mark.parametrize("mode", list(GenerationMode), ids=lambda mode: mode.value)
@pytest.mark.parametrize("operation", operations(), ids=lambda operation: operation.label.replace("/", ":"))
def test_no_drawn_request_is_a_server_error(operation, mode):
    """Schemathesis draws requests that the document allows, and some that it does not."""

    @hypothesis.given(case=operation.as_strategy(generation_mode=mode))
    @hypothesis.settings(
        max_examples=15,
        deadline=None,
        database=None,
        derandomize=True,
        suppress_health_check=list(hypothesis.HealthCheck),
    )
    def answered(case):
        response = case.call()
        assert response.status_code < 500, (case.as_curl_command(), response.text)
        if response.status_code >= 400:
            assert set(response.json()) == {"NeutronError"}

    answered()
