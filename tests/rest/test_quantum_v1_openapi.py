"""The OpenAPI documents of Quantum's API: valid, complete, and true, in either version."""

from __future__ import annotations

import hypothesis
import pytest
import schemathesis
from hypothesis import strategies as st
from openapi_spec_validator import validate
from schemathesis.generation import GenerationMode

from controller.core.app import load
from rest.quantum_v1 import openapi, routes
from tests.rest.api import Api
from tests.rest.drawing import a_tenth_as_many

TENANT = "t1"
CHECKS = [schemathesis.checks.status_code_conformance, schemathesis.checks.response_schema_conformance]
NONSENSE = ["72d21013-5631-43b5-9a59-16c2c30c3d6b", "x", "%00", "\N{SNOWMAN}", "a" * 300]


@pytest.mark.parametrize("version", routes.VERSIONS)
def test_it_is_valid(version):
    reply = Api(apps=load())("GET", f"/{version}/openapi.json")
    assert reply.status == 200
    validate(reply.body)


def test_it_has_everything_that_can_be_asked():
    served = {(path, method) for path, methods in routes.PATHS.items() for method in methods}
    extensions = {("extensions", "GET"), ("extensions/ALIAS", "GET")}
    assert set(openapi.OPERATIONS) == served | extensions


class Populated:
    """An API in which a tenant always has a network and a port."""

    def __init__(self, version):
        self.api, self.version = Api(apps=load()), version
        self.made = {"tenant": TENANT, "alias": "portstats"}
        self._networks = f"/{version}/tenants/{TENANT}/networks"

    def keys(self):
        """What a path's variables can be; what was deleted is made anew."""
        if "port" not in self.made or self.api("GET", f"{self._ports}/{self.made['port']}").status != 200:
            network = self.api("POST", self._networks, {"network": {"name": "a"}}).body["network"]["id"]
            self.made["network"] = network
            self.made["port"] = self.api("POST", self._ports).body["port"]["id"]
        return self.made

    @property
    def _ports(self):
        return f"{self._networks}/{self.made['network']}/ports"


POPULATED = {version: Populated(version) for version in routes.VERSIONS}


def operations():
    """Every operation of both documents, with its version."""
    for version, populated in POPULATED.items():
        schema = schemathesis.openapi.from_wsgi(f"/{version}/openapi.json", populated.api.application)
        for found in schema.get_all_operations():
            yield pytest.param(version, found.ok(), id=f"{version} {found.ok().label.replace('/', ':')}")


@pytest.mark.parametrize("mode", list(GenerationMode), ids=lambda mode: mode.value)
@pytest.mark.parametrize(("version", "operation"), list(operations()))
def test_every_answer_is_one_that_the_document_has(version, operation, mode):
    """Requests that the document allows, and some that it does not, to what is there and what is not."""

    @hypothesis.given(case=operation.as_strategy(generation_mode=mode), key=st.none() | st.sampled_from(NONSENSE))
    @a_tenth_as_many
    def answered(case, key):
        keys = POPULATED[version].keys()
        for name in case.path_parameters or ():
            case.path_parameters[name] = key or keys[name]
        response = case.call()
        assert response.status_code < 500 or (response.status_code == 501 and case.path.endswith("/stats")), (
            response.text
        )
        if response.status_code not in (405, 501):
            case.validate_response(response, checks=CHECKS)

    answered()
