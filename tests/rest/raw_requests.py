"""Requests as they may come off the wire, well formed or not: hypothesis strategies of WSGI environments (PEP 3333).

What is drawn is near to what is right, for a request that is refused at its first byte finds nothing further on.
"""

from __future__ import annotations

import io
import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any
from urllib.parse import quote_from_bytes, unquote_to_bytes

from hypothesis import strategies as st

TOKEN = "!#$%&'*+-.^_`|~0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
METHODS = (
    "GET",
    "GET",
    "GET",
    "POST",
    "POST",
    "PUT",
    "PUT",
    "DELETE",
    "PATCH",
    "HEAD",
    "OPTIONS",
    "TRACE",
    "CONNECT",
    "get",
    "PROPFIND",
)
UNKNOWN_ID = "72d21013-5631-43b5-9a59-16c2c30c3d6b"

NUMBERS = ["0", "-1", "1", "007", "1.5", "1e3", "٣", "²", "9" * 18, "9" * 19, "9" * 5000, "-" + "9" * 400, "0x10"]
TEXTS = [
    "",
    " ",
    "a",
    "ä",
    "\U0001f600",
    "\x00",
    "a\x00b",
    "a\r\nb",
    "'\"",
    "%",
    "%s",
    "{}",
    "{0}",
    "..",
    "null",
    "True",
]
ADDRESSES = ["10.0.0.5", "10.0.0.300", "::1", "fe80::1%eth0", "10.0.0.0/24", "0.0.0.0/0", "::/0", "10.0.0.0/33", "10/8"]


def environ(method: str, target: bytes, headers: dict[str, str] | None = None, body: bytes = b"") -> dict[str, Any]:
    """The environment that a server makes of a request.  `target` is path and query as they are on the wire; headers
    that are not given are left out, also Content-Length."""
    path, _, query = target.partition(b"?")
    made: dict[str, Any] = {
        "REQUEST_METHOD": method,
        "SCRIPT_NAME": "",
        "PATH_INFO": unquote_to_bytes(path).decode("latin-1"),
        "QUERY_STRING": query.decode("latin-1"),
        "SERVER_NAME": "127.0.0.1",
        "SERVER_PORT": "9696",
        "SERVER_PROTOCOL": "HTTP/1.1",
        "wsgi.version": (1, 0),
        "wsgi.url_scheme": "http",
        "wsgi.input": io.BytesIO(body),
        "wsgi.errors": io.StringIO(),
        "wsgi.multithread": True,
        "wsgi.multiprocess": False,
        "wsgi.run_once": False,
    }
    for name, value in (headers or {}).items():
        key = name.replace("-", "_").upper()
        made[key if key in ("CONTENT_LENGTH", "CONTENT_TYPE") else f"HTTP_{key}"] = value
    return made


def mostly(usual: st.SearchStrategy[Any], other: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    """Of the other, one in eight."""
    return st.integers(0, 7).flatmap(lambda number: other if number == 7 else usual)


def methods() -> st.SearchStrategy[str]:
    return mostly(st.sampled_from(METHODS), st.text(TOKEN, min_size=1, max_size=12))


def targets(places: Sequence[str], words: Sequence[str], parameters: Sequence[str]) -> st.SearchStrategy[bytes]:
    """Path and query.  Paths begin at a place and may go on with words; parameters are names that queries know."""
    odd = st.sampled_from([*TEXTS, ".", "%2e%2e", "%00", "%ff%fe", "%c3%28", "a" * 300, ".json", "networks.json"])
    parts = st.lists(mostly(st.sampled_from(list(words)), odd), max_size=2)
    near = st.builds(
        lambda place, found, slash, end: (slash.join([place, *found]) + end).encode("utf-8", "replace"),
        st.sampled_from(list(places)),
        parts | st.just([]),
        mostly(st.just("/"), st.sampled_from(["//", "/./", "%2f", "\\"])),
        mostly(st.just(""), st.sampled_from(["/", ".json", "?", "#x"])),
    )
    path = mostly(near, st.binary(max_size=40).map(lambda found: b"/" + found))
    return st.builds(lambda path, query: path + query, path, queries(parameters))


def queries(parameters: Sequence[str]) -> st.SearchStrategy[bytes]:
    """With the question mark; nothing at all, mostly.  What has values of its own (`limit`) has them mostly."""
    texts = st.sampled_from([*TEXTS, *NUMBERS, *ADDRESSES, UNKNOWN_ID])
    own = {
        **dict.fromkeys(("limit", "revision", "wait"), st.sampled_from(NUMBERS)),
        **dict.fromkeys(("sort_key", "fields"), st.sampled_from(list(parameters))),
        "sort_dir": st.sampled_from(["asc", "desc", "up", ""]),
        "fixed_ips": texts.map(lambda text: f"ip_address={text}"),
    }
    value = texts | st.text(max_size=8)
    name = st.sampled_from(list(own)) | st.sampled_from(list(parameters)) | st.text(max_size=4)
    pair = name.flatmap(lambda name: mostly(own.get(name, value), value).map(lambda text: _pair(name, text)))
    pairs = st.lists(pair, min_size=1, max_size=4).map(b"&".join)
    sorts = st.lists(own["sort_key"], min_size=1, max_size=3).map(
        lambda keys: b"&".join(_pair("sort_key", key) + b"&sort_dir=desc" for key in keys)
    )
    odd = st.binary(max_size=30) | pair.map(lambda found: b"&".join([found] * 1500)) | st.just(b"=&==;&%&%zz&" * 9)
    return st.just(b"") | (pairs | pairs | sorts | odd).map(lambda found: b"?" + found)


def _pair(name: str, value: str) -> bytes:
    return f"{_quoted(name)}={_quoted(value)}".encode()


def _quoted(text: str) -> str:
    return quote_from_bytes(text.encode("utf-8", "surrogatepass"))


def headers(**values: Iterable[str]) -> st.SearchStrategy[dict[str, str]]:
    """`values` are what a header may have besides the usual ones, by its name with `_` for `-`."""
    known = {
        "Host": ["", "a b", "[::1", "[::1]:x", "h:99999", "ä.example", "x" * 300, "evil.example/../", "\x80"],
        "If-Match": ["", "revision_number=1", "revision_number=", "revision_number=-1", "revision_number=" + "9" * 30]
        + ['"revision_number=0"', "*", ",,,", "revision_number=1,revision_number=2", "revision_number=²"],
        "Accept": ["", "*/*", "text/html", "application/xml;q=NaN", "a" * 999],
        "Content-Type": [
            "",
            "text/plain",
            "application/json; charset=utf-16",
            "multipart/form-data",
            "x/y; charset=\xff",
        ],
        "X-Project-Id": ["", "p1", "\x00", "x" * 256, "\xff", "admin"],
        "X-Auth-Token": ["", "x", "\xff" * 9, "A" * 5000, "gAAAAA==", "\x00"],
        "Transfer-Encoding": ["chunked", "gzip, chunked", "identity", "CHUNKED", "x"],
        "Content-Length": ["", "0", "3", "-5", "+5", "1_0", "x", "9" * 30, "9" * 5000, "1048577", " 7 ", "٣"],
        "Range": ["bytes=0-1", "bytes=-"],
        "If-None-Match": ["*", '"x"'],
        "X-Http-Method-Override": ["DELETE"],
        "X-Forwarded-For": ["\xff", "1.2.3.4, x"],
        "Openstack-System-Scope": ["all"],
    }
    for name, more in values.items():
        known.setdefault(name.replace("_", "-"), []).extend(more)
    fixed = {name: st.sampled_from(found) for name, found in known.items()}
    latin = st.text(st.characters(min_codepoint=0x20, max_codepoint=0xFF), max_size=20)
    drawn = st.lists(st.sampled_from(list(known)), unique=True, max_size=3)
    return drawn.flatmap(lambda names: st.fixed_dictionaries({name: fixed[name] | latin for name in names}))


# ---------------------------------------------------------------------------------------------------------------------
# Bodies: JSON as text, so that it can be what json.dumps never writes


def values(ids: Sequence[str]) -> st.SearchStrategy[str]:
    """The text of a JSON value, or of what is nearly one."""
    atoms = st.sampled_from(
        [json.dumps(found) for found in [*NUMBERS, *TEXTS, *ADDRESSES, *ids, UNKNOWN_ID, "fa:16:3e:00:00:01", "vlan"]]
        + ["null", "true", "false", "0", "-1", "4", "6", "1.0", "100", "9" * 18, "9" * 19, "9" * 4299, "-" + "9" * 4299]
        + [
            "1e400",
            "-1e400",
            "1e-400",
            "NaN",
            "Infinity",
            "-0.0",
            '"\\ud800"',
            '"\\udc00\\ud800"',
            '"\\u0000"',
            "[]",
            "{}",
        ]
    )
    keys = st.sampled_from(["start", "end", "ip_address", "subnet_id", "destination", "nexthop", "interface", "", "x"])

    def deeper(inner: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
        pair = st.builds(lambda key, value: f"{json.dumps(key)}: {value}", keys, inner)
        return st.lists(inner, max_size=3).map(lambda found: f"[{', '.join(found)}]") | st.lists(pair, max_size=3).map(
            lambda found: "{" + ", ".join(found) + "}"
        )

    return st.recursive(atoms | atoms | st.text(max_size=10).map(json.dumps), deeper, max_leaves=6)


def objects(names: Sequence[str], ids: Sequence[str], good: Mapping[str, Any] | None = None) -> st.SearchStrategy[str]:
    """The text of an object with some of these names, which may be there twice; after `good` values, half of it."""
    pair = st.builds(lambda name, value: f"{json.dumps(name)}: {value}", st.sampled_from(list(names)), values(ids))
    start = [f"{json.dumps(name)}: {json.dumps(value)}" for name, value in (good or {}).items()]
    return st.builds(
        lambda begin, found: "{" + ", ".join(begin + found) + "}",
        st.sampled_from([[], start]),
        st.lists(pair, max_size=4),
    )


def bodies(names: dict[str, Sequence[str]], ids: Sequence[str]) -> st.SearchStrategy[bytes]:
    """Wrapped objects (`names` of attributes by the name of what they are of), and what is none."""
    wrapped = st.sampled_from(list(names)).flatmap(
        lambda name: objects(names[name], ids).map(lambda found: f'{{"{name}": {found}}}')
    )
    many = st.sampled_from(list(names)).flatmap(
        lambda name: st.lists(objects(names[name], ids) | values(ids), max_size=3).map(
            lambda found: f'{{"{name}s": [{", ".join(found)}]}}'
        )
    )
    text = wrapped | wrapped | many | values(ids)
    cut = st.builds(lambda found, end: found.encode()[:end], text, st.integers(0, 60))
    encoded = text.map(str.encode)
    return encoded | encoded | text.map(lambda found: found.encode("utf-16")) | cut | st.binary(max_size=30)
