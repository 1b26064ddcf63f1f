"""The whole OpenAPI against a real web process and registry: whatever is asked, no answer is the runner's own failure."""

from __future__ import annotations

import os
import random
from collections.abc import Iterator
from contextlib import suppress
from itertools import product
from typing import Any
from urllib.parse import quote

import pytest
import requests
import schemathesis
from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis.errors import Unsatisfiable
from schemathesis import GenerationMode

from tests.fixtures.reporting import Report
from tests.fixtures.runner import SECRET, TOKEN, Web

_SEED = "SAASODOO_OPENAPI_SEED"
_EACH = 12  # requests of each operation, of each kind, with a token or without
#: As they stand in an address: NUL, half a surrogate pair, no UTF-8, paths, numbers no type holds, what is another's language.
_ODD = ("%00", "a%00b", "%ed%a0%80", "%ff", "%C0%AF", "..%2f..%2fetc%2fx", "%2e%2e", "%20", "%0a", "%25s", "%7B%7B1%7D%7D", "'--",
        "-1", "0", "1e999", "9" * 10, "9" * 400, "NaN", "x" * 3000,
        "%F0%9F%98%80", "\u00b2")  # fmt: skip
_TYPES = ("application/json", "text/plain", "application/xml", "multipart/form-data", "application/json; charset=utf-7", "", "x")
_BODIES = (b"", b"{", b"[]", b"null", b"1", b'"\\ud800"', b'{"tenants": ["\\u0000"]}', b'{"tenants": ["\\ud800"]}', b"\xff\xfe",
           b'{"status": "\\ud800"}',
           b'{"status": "error", "approved": 1e400}',
           b'{"status": "error", "approved": ' + b"9" * 400 + b"}",
           b'{"status": "error", "approved": ' + b"9" * 5000 + b"}",
           b'{"eventType": "A", "x": "\\u0000"}', b"[" * 30_000)  # fmt: skip


def operations(spec: dict[str, Any]) -> Iterator[tuple[str, str, dict[str, str]]]:
    """Give each operation: its method, its path, and where each of its parameters stands."""
    for path, methods in spec["paths"].items():
        for method, operation in methods.items():
            yield method, path, {each["name"]: each["in"] for each in operation.get("parameters", ())}


def ask(web: Web, method: str, address: str, body: bytes | None = None, content_type: str = "") -> int:
    """Return the status of the answer to an operator; the address goes out as it is."""
    headers = {"Authorization": f"Bearer {TOKEN}"} | ({"Content-Type": content_type} if content_type else {})
    request = requests.Request(method.upper(), web.url, headers=headers, data=body).prepare()
    request.url = web.url + address
    with requests.Session() as session:
        return session.send(request, timeout=20, allow_redirects=False).status_code


@pytest.mark.parametrize("token", [TOKEN, "", "wrong"])
def test_nothing_drawn_from_the_openapi_is_answered_500(web: Web, report: Report, token: str) -> None:
    chosen = int(os.environ.get(_SEED) or random.SystemRandom().randrange(2**32))
    report(f"{_SEED}={chosen}")
    schema = schemathesis.openapi.from_dict(web.get("/openapi.json").json())
    answers: list[tuple[int, str]] = []
    for found, mode in product(schema.get_all_operations(), GenerationMode):
        operation = found.ok()

        @seed(chosen)
        @settings(
            max_examples=_EACH, deadline=None, database=None, phases=[Phase.generate], suppress_health_check=list(HealthCheck)
        )
        @given(case=operation.as_strategy(generation_mode=mode))
        def draw(case: Any) -> None:
            if "secret" in (case.path_parameters or {}) and token == TOKEN:
                case.path_parameters["secret"] = SECRET
            headers = {"Authorization": f"Bearer {token}"} if token else {}
            answer = case.call(base_url=web.url, headers=headers, timeout=20)
            answers.append((answer.status_code, f"{case.method} {case.formatted_path}"))

        with suppress(Unsatisfiable):  # what has no parameters has no wrong ones
            draw()
    report(f"{len(answers)} requests, of which {sum(status < 300 for status, _ in answers)} were taken")
    assert [answer for answer in answers if answer[0] >= 500] == []
    assert len(answers) > 100


def test_nothing_odd_in_an_address_is_answered_500(web: Web) -> None:
    spec = web.get("/openapi.json").json()
    wrong = []
    for method, path, parameters in operations(spec):
        for odd, name in product(_ODD, parameters):
            filled = path.format(**{each: odd if each == name else _right(each) for each in parameters})
            address = filled + (f"?{name}={odd}" if parameters[name] == "query" else "")
            status = ask(web, method, quote(address, safe="/%?=&'-"))
            if status >= 500:
                wrong.append((status, method, address))
    assert wrong == []
    assert "Traceback" not in web.log.read_text()


def _right(name: str) -> str:
    return SECRET if name == "secret" else "00000000-0000-0000-0000-000000000000"


def test_no_body_of_any_type_is_answered_500(web: Web) -> None:
    addresses = (f"/api/billing/webhook/{SECRET}", "/api/admin/tenants/retry", "/api/admin/tenants/stop", "/api/admin/attention")
    wrong = [
        (status, address, content_type, body[:40])
        for address, content_type, body in product(addresses, _TYPES, _BODIES)
        if (status := ask(web, "post", address, body, content_type)) >= 500
    ]
    assert wrong == []
    assert "Traceback" not in web.log.read_text()
