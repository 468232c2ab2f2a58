"""What a resource gets by declaring that its rows can be shared."""

from __future__ import annotations

import pytest

from apps.rbac import app as rbac
from controller.core import row as rows
from controller.core.app import APPS, App
from controller.core.model import RbacPolicy
from controller.core.resource import Sharing
from controller.core.row import Standard, attr, index
from tests.rest.projects import A, B, Projects


def declared(sharing):
    """A toy: books can be shared, and loans of other projects use them."""
    app = App("books")

    @app.row(key="id", indexes=[index("project_id")])
    class Book(Standard):
        pages: int = attr(default=1, initial=1, check="integer")

    @app.row(key="id", indexes=[index("book_id")])
    class Loan(Standard):
        book_id: str = attr(default="", put=False, check="uuid", refers=Book)

    app.resource("book", "books", Book, sharing=sharing)
    app.resource("loan", "loans", Loan)
    for verb, check in (("get", "rule:admin_or_owner or field:books:shared=True"), ("create", "")):
        app.policy(f"{verb}_book", check, "Books.")
        app.policy(f"{verb}_loan", "rule:admin_or_owner", "Loans.")
    return app


@pytest.fixture
def library(request):
    before = {kind: dict(registry) for kind, registry in (("kinds", rows.KINDS), ("apps", APPS))}
    app = declared(getattr(request, "param", Sharing()))
    cloud = Projects(apps=[rbac, app], rules=app.policies)
    yield cloud
    for registry, kept in ((rows.KINDS, before["kinds"]), (APPS, before["apps"])):
        registry.clear()
        registry.update(kept)


def give(library, book, target, by="ann"):
    values = {"object_type": "book", "object_id": book, "action": "access_as_shared", "target_tenant": target}
    return library("POST", "/v2.0/rbac-policies", {"rbac_policy": values}, by=by)


def test_a_book_is_shared_and_stays_so_while_it_is_lent(library):
    book = library.made("books", "book", "ann")["id"]
    path = f"/v2.0/books/{book}"
    assert library("GET", path, by="bob").error[:2] == (404, "BookNotFound")
    loan = {"loan": {"book_id": book}}
    assert library("POST", "/v2.0/loans", loan, by="bob").error[:2] == (404, "BookNotFound")
    policy = give(library, book, B).body["rbac_policy"]
    assert library.seen(path, "bob")["shared"] is True
    assert library.seen("/v2.0/books?shared=True", "ann") == []
    assert len(library.seen("/v2.0/books?shared=True", "bob")) == 1
    lent = library("POST", "/v2.0/loans", loan, by="bob").body["loan"]["id"]
    assert library("DELETE", f"/v2.0/rbac-policies/{policy['id']}", by="ann").error == (
        409,
        "RbacPolicyInUse",
        f"RBAC policy on object {book} cannot be removed because other objects depend on it.\nDetails: project_id={B}",
    )
    assert library("DELETE", f"/v2.0/loans/{lent}").status == 204
    assert library("DELETE", f"/v2.0/rbac-policies/{policy['id']}", by="ann").status == 204


def test_shared_can_be_given_and_taken(library):
    book = library.made("books", "book", "admin", shared=True, project_id=A)
    assert book["shared"] is True
    lent = library.made("loans", "loan", "bob", book_id=book["id"])["id"]
    path = f"/v2.0/books/{book['id']}"
    refused = library("PUT", path, {"book": {"shared": False}})
    assert refused.error[:2] == (409, "RbacPolicyInUse")
    assert refused.error[2].endswith("because other objects depend on it.\nDetails: project_id=*")
    assert library("DELETE", f"/v2.0/loans/{lent}").status == 204
    changed = library("PUT", path, {"book": {"shared": False}}).body["book"]
    assert (changed["shared"], changed["revision_number"]) == (False, 1)
    assert library("GET", path, by="bob").status == 404
    assert library("PUT", path, {"book": {"shared": True}}).body["book"]["shared"] is True
    assert library("DELETE", path).status == 204
    assert library.store.net.count(RbacPolicy) == 0


@pytest.mark.parametrize("library", [Sharing(post=False, put=False, users=lambda draft, book: [B])], indirect=True)
def test_a_resource_says_who_writes_shared_and_who_uses_its_rows(library):
    refused = library("POST", "/v2.0/books", {"book": {"shared": True}})
    assert refused.error == (400, "HTTPBadRequest", "Attribute 'shared' not allowed in POST")
    book = library.made("books", "book", "ann")["id"]
    changed = library("PUT", f"/v2.0/books/{book}", {"book": {"shared": True}})
    assert changed.error == (400, "HTTPBadRequest", "Cannot update read-only attribute shared")
    policy = give(library, book, B).body["rbac_policy"]["id"]
    assert library("DELETE", f"/v2.0/rbac-policies/{policy}", by="ann").error[1] == "RbacPolicyInUse"


def test_a_policy_about_what_no_app_knows_any_more_can_be_removed(library):
    book = library.made("books", "book", "ann")["id"]
    policy = give(library, book, B).body["rbac_policy"]["id"]
    bare = Projects(apps=[rbac], store=library.store)
    assert bare("DELETE", f"/v2.0/rbac-policies/{policy}", by="ann").status == 204
