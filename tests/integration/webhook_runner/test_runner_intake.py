"""Intake on a real registry by a real HTTP server: what is an event is kept, what is not is refused, nothing is half done."""

from __future__ import annotations

import json
import signal
import socket
import threading
import uuid
from pathlib import Path
from typing import Any

import pytest
import requests

from tests.fixtures.postgres import Cluster
from tests.fixtures.processes import family, kill
from tests.fixtures.runner import NEXT_SECRET, SECRET, TOKEN, Web, process, rows
from tests.fixtures.waiting import eventually
from webhook_runner.settings import Settings

CAPTURED = sorted((Path(__file__).parents[2] / "fixtures/killbill_events").glob("*/*.json"))
ACCOUNT = "5b3a130d-7a9a-42ff-b992-61cf76cc2fdb"


def event(**changes: Any) -> str:
    body = {
        "eventType": "INVOICE_CREATION",
        "accountId": ACCOUNT,
        "objectType": "INVOICE",
        "objectId": str(uuid.uuid4()),
        "metaData": None,
    }
    return json.dumps(body | changes)


def stored(settings: Settings) -> int:
    return int(rows(settings, "SELECT count(*) AS n FROM ops.events")[0]["n"])


def test_every_captured_event_of_kill_bill_is_taken(web: Web) -> None:
    assert len(CAPTURED) == 93
    for file in CAPTURED:
        answer = web.post(json.loads(file.read_text())["raw_body"])
        assert answer.status_code == 202, (file.name, answer.text)
    assert stored(web.settings) == 93
    accounts = rows(web.settings, "SELECT DISTINCT account_id FROM ops.events WHERE account_id IS NOT NULL")
    jobs = rows(web.settings, "SELECT args ->> 'account_id' AS account FROM procrastinate_jobs WHERE status = 'todo'")
    assert {row["account"] for row in jobs} == {str(row["account_id"]) for row in accounts}
    assert len(jobs) == len(accounts)  # one job an account, however many events
    assert not rows(web.settings, "SELECT FROM ops.events WHERE account_id IS NULL AND handled_at IS NULL")


BAD_BODIES: dict[str, bytes | str] = {
    "empty": "",
    "not JSON": "hello",
    "half": event()[:-9],
    "not UTF-8": b'{"eventType": "\xff\xfe"}',
    "a list": "[]",
    "a number": "1",
    "null": "null",
    "no eventType": "{}",
    "eventType a number": event(eventType=7),
    "eventType not one": event(eventType="drop table"),
    "eventType too long": event(eventType="A" * 101),
    "accountId a number": event(accountId=12),
    "accountId no id": event(accountId="bob"),
    "accountId an object": event(accountId={"a": 1}),
    "objectId a list": event(objectId=[]),
    "objectId too long": event(objectId="x" * 201),
    "metaData an object": event(metaData={"actionType": "EFFECTIVE"}),
    "NaN": '{"eventType": "A", "x": NaN}',
    "beyond a float": '{"eventType": "A", "x": 1e999}',
    "thousands of digits": '{"eventType": "A", "x": ' + "9" * 5000 + "}",
    "NUL": event(objectType="a\0b"),
    "NUL elsewhere": event(note="a\0b"),
    "half a surrogate pair": '{"eventType": "A", "objectType": "\\ud800"}',
    "half a surrogate pair elsewhere": '{"eventType": "A", "note": "\\ud800"}',
    "deep": '{"eventType": "A", "x": ' + "[" * 30_000 + "]" * 30_000 + "}",
}


def test_what_is_no_event_is_refused_and_not_stored(web: Web) -> None:
    answers = {name: web.post(body) for name, body in BAD_BODIES.items()}
    assert {name: answer.status_code for name, answer in answers.items()} == dict.fromkeys(BAD_BODIES, 400)
    assert all(answer.json()["code"] == "invalid_input" for answer in answers.values())
    assert stored(web.settings) == 0
    assert not rows(web.settings, "SELECT FROM procrastinate_jobs")


def test_a_body_too_large_is_refused_announced_or_not(web: Web) -> None:
    body = event(metaData="x" * web.settings.body_limit)
    assert web.post(body).status_code == 413
    url = f"{web.url}/api/billing/webhook/{SECRET}"
    chunks = (body[i : i + 8192].encode() for i in range(0, len(body), 8192))
    answer = requests.post(url, data=chunks, timeout=20)
    assert answer.status_code == 413, answer.text
    assert stored(web.settings) == 0


def test_a_wrong_secret_is_401_stores_nothing_and_is_held_back_but_never_the_right_one(web: Web) -> None:
    codes = [web.post(event(), secret=f"wrong-{number}").status_code for number in range(14)]
    assert codes == [401] * 10 + [429] * 4
    assert "Retry-After" in web.post(event(), secret="wrong").headers
    assert stored(web.settings) == 0
    assert web.post(event()).status_code == 202
    assert web.post(event(), secret=NEXT_SECRET).status_code == 202  # both hold while one is being replaced
    assert web.post(event(), secret="%C3%A4%00%ff").status_code == 429


def test_the_secret_is_in_no_log(web: Web) -> None:
    web.post(event())
    web.post("not JSON")
    web.post(event(), secret=f"{SECRET}-almost")
    requests.get(f"{web.url}/api/billing/webhook/{SECRET}", timeout=20)
    requests.post(f"{web.url}/api/billing/webhok/{SECRET}", timeout=20)
    requests.post(f"{web.url}/api/billing/webhook/{SECRET}/{'x' * 9000}", timeout=20)
    web.process.send_signal(signal.SIGTERM)
    web.process.wait(timeout=20)
    text = web.log.read_text()
    assert "/api/billing/webhook/<secret>" in text
    assert SECRET not in text


def test_events_of_one_account_coalesce_while_their_job_waits(web: Web) -> None:
    first = [web.post(event()).status_code for _ in range(5)]
    assert first == [202] * 5
    assert stored(web.settings) == 5
    assert len(rows(web.settings, "SELECT FROM procrastinate_jobs")) == 1
    with_job_begun = "UPDATE procrastinate_jobs SET status = 'doing' RETURNING id"
    assert len(rows(web.settings, with_job_begun)) == 1
    web.post(event())
    assert (
        len(rows(web.settings, "SELECT FROM procrastinate_jobs WHERE status = 'todo'")) == 1
    )  # what came after needs a reading after


def test_the_registry_away_is_503_and_comes_back(web: Web, postgres: Cluster) -> None:
    assert web.post(event()).status_code == 202
    postgres.kill()
    try:
        assert web.post(event()).status_code == 503
        assert web.get("/health").status_code == 200
        assert web.get("/health/database").status_code == 503
        doubt = web.get("/api/billing/trial-eligibility/c1", token=TOKEN).json()
        assert (doubt["eligible"], doubt["reason"], doubt["show_trials"]) == (False, "unknown", False)
        assert "saasodoo_registry_up 0.0" in web.get("/metrics").text
    finally:
        postgres.start()
    eventually(lambda: web.post(event()).status_code == 202)
    assert stored(web.settings) >= 2


def test_it_starts_before_the_registry_and_refuses_to_without_a_user_of_its_own(
    runner_settings: Settings, tmp_path: Path
) -> None:
    log = tmp_path / "web.log"
    for changed in (
        {"registry": "host=127.0.0.1 dbname=saasodoo"},
        {"registry": "user=saasodoo_runner passfile=/nonexistent"},
        {"registry": runner_settings.registry + " password=x"},
        {"secret_file": tmp_path / "nothing"},
    ):
        with process(Settings(**{**vars(runner_settings), **changed}), "web", log) as started:
            assert started.wait(timeout=30) == 2
    (tmp_path / "runner/secret").chmod(0o644)
    with process(runner_settings, "web", log) as started:
        assert started.wait(timeout=30) == 2
    assert SECRET not in log.read_text()
    assert "is open to others" in log.read_text()
    (tmp_path / "runner/secret").chmod(0o600)
    away = Settings(**{**vars(runner_settings), "registry": "host=127.0.0.1 port=1 user=saasodoo_runner passfile=/dev/null"})
    with process(away, "web", log) as started:
        web = Web(runner_settings, log, started)
        eventually(web.is_up)
        assert web.post(event()).status_code == 503


_EVENTS_AND_JOBS = """
SELECT (SELECT array_agg(account_id::text) FROM ops.events) AS events,
    (SELECT array_agg(args ->> 'account_id') FROM procrastinate_jobs) AS jobs
"""


def test_what_was_answered_202_is_event_and_job_however_the_process_dies(runner_settings: Settings, tmp_path: Path) -> None:
    """Kill -9 among many requests: every event answered is there, and no event is there without its job."""
    taken: list[str] = []

    def post_until_dead(web: Web) -> None:
        while True:
            account = str(uuid.uuid4())
            try:
                if web.post(event(accountId=account)).status_code == 202:
                    taken.append(account)
            except requests.RequestException:
                return

    with process(runner_settings, "web", tmp_path / "web.log") as started:
        web = Web(runner_settings, tmp_path / "web.log", started)
        eventually(web.is_up)
        threads = [threading.Thread(target=post_until_dead, args=(web,)) for _ in range(6)]
        for thread in threads:
            thread.start()
        eventually(lambda: len(taken) > 100)
        kill(family(started.pid))
        for thread in threads:
            thread.join()
    found = rows(runner_settings, _EVENTS_AND_JOBS)[0]  # at one moment: the registry may be ending a dead client's transaction
    assert set(taken) <= set(found["events"])
    assert set(found["events"]) == set(found["jobs"])


_ELIGIBILITY = "/api/billing/trial-eligibility"


@pytest.mark.parametrize("path", ["runs", "runs/5b3a130d-7a9a-42ff-b992-61cf76cc2fdb", "pools", "pools/stats", "pools/pool-1"])
def test_administration_wants_its_token(web: Web, path: str) -> None:
    assert web.get(f"/api/admin/{path}").status_code == 401
    assert web.get(f"/api/admin/{path}", token="wrong").status_code == 401
    assert web.get(f"/api/admin/{path}", token=TOKEN).status_code in (200, 404)


def test_wrong_tokens_are_held_back_and_counted_but_never_the_right_one(web: Web) -> None:
    codes = [web.get("/api/admin/runs", token=f"wrong-{number}").status_code for number in range(12)]
    assert codes == [401] * 10 + [429] * 2
    answer = web.get(f"{_ELIGIBILITY}/c1")
    assert (answer.status_code, answer.json()["code"], answer.headers["Retry-After"]) == (429, "unauthorized", "60")
    assert web.post(event(), secret="wrong").status_code == 429, "secrets and tokens are one share"
    assert web.get("/api/admin/runs", token=TOKEN).status_code == 200
    assert web.post(event()).status_code == 202
    text = web.get("/metrics").text
    for credential, outcome, count in (("token", "unauthorized", 10), ("token", "held_back", 3), ("secret", "held_back", 1)):
        assert f'saasodoo_refused_callers_total{{credential="{credential}",outcome="{outcome}"}} {count}.0' in text


def test_no_header_makes_another_address_of_a_client(web: Web) -> None:
    for number in range(11):
        headers = {"X-Forwarded-For": f"192.0.2.{number}", "Forwarded": f"for=192.0.2.{number}", "Authorization": "Bearer x"}
        answer = requests.get(f"{web.url}/api/admin/runs", headers=headers, timeout=20)
    assert answer.status_code == 429


BAD_HOSTS = (
    "acme:99999",
    "acme:x",
    "acme:-1",
    "acme:",
    "a b",
    "a/b",
    "a,b",
    "[::1",
    "::1",
    "\x80",
    "x" * 300,
    "[]",
    "acme:80:80",
)


@pytest.mark.parametrize("path", ["/health", "/nothing", "/openapi.json", "/api/admin/runs"])
def test_a_host_that_is_none_is_the_askers_mistake(web: Web, path: str) -> None:
    def status(host: str) -> int:
        with socket.create_connection(("127.0.0.1", web.settings.port), timeout=10) as client:
            client.send(f"GET {path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n".encode("latin-1"))
            return int(client.recv(20).split()[1])

    assert {host: status(host) for host in BAD_HOSTS} == dict.fromkeys(BAD_HOSTS, 400)
    assert {status(host) for host in ("acme", "127.0.0.1:21090", "[::1]:80", "a_b.svc:65535", "")} <= {200, 401, 404, 429}


NO_REQUESTS = {
    400: [b"\0\1\2\r\n\r\n", b"GET / HTTP/1.1\r\nA b\r\n\r\n", b"POST / HTTP/1.1\r\nContent-Length: -1\r\n\r\n"],
    413: [b"POST /api/billing/webhook/some HTTP/1.1\r\nContent-Length: 99999999\r\n\r\n"],
    431: [b"GET / HTTP/1.1\r\nA: ".ljust(16 * 1024, b"x")],
    501: [b"POST / HTTP/1.1\r\nTransfer-Encoding: gzip\r\n\r\n"],
}


def test_what_is_no_request_is_told_so_counted_and_logged_without_its_path(web: Web) -> None:
    for status, requests_of_it in NO_REQUESTS.items():
        for sent in requests_of_it:
            with socket.create_connection(("127.0.0.1", web.settings.port), timeout=10) as client:
                client.sendall(sent)
                answer = client.makefile("rb").read()
            assert answer.startswith((f"HTTP/1.1 {status} ".encode(), f"HTTP/1.0 {status} ".encode())), sent
            assert b'"code": "http_error"' in answer
            assert b"\r\nServer:" not in answer
    text = web.get("/metrics").text
    assert 'saasodoo_webhooks_total{outcome="too_large"} 1.0' in text
    assert 'saasodoo_http_requests_total{route="-",status="400"} 3.0' in text
    assert "webhook/some" not in web.log.read_text()


def test_strangers_do_not_learn_who_is_a_customer(web: Web) -> None:
    for customer in ("c1", "unknown", "%00"):
        assert web.get(f"{_ELIGIBILITY}/{customer}").status_code == 401
    assert web.get(f"{_ELIGIBILITY}/c1", token=TOKEN).json()["eligible"]


@pytest.mark.parametrize("bad", ["%00", "a%00b", "%ff", "%20", "%ed%a0%80"])
def test_a_customer_or_server_that_can_not_be_is_the_askers_mistake(web: Web, bad: str) -> None:
    answer = web.get(f"{_ELIGIBILITY}/{bad}", token=TOKEN)
    assert (answer.status_code, answer.json()["code"]) == (400, "invalid_input")
    assert web.get(f"/api/admin/pools/{bad}", token=TOKEN).status_code in (400, 404)


def test_metrics_openapi_and_bad_questions(web: Web) -> None:
    web.post(event())
    text = web.get("/metrics").text
    assert 'saasodoo_webhooks_total{outcome="stored"} 1.0' in text
    assert "saasodoo_registry_up 1.0" in text
    assert "saasodoo_events_open 1.0" in text
    assert 'saasodoo_jobs_waiting{queue="sync"} 1.0' in text
    assert "/api/billing/webhook/{secret}" in web.get("/openapi.json").json()["paths"]
    for query in ("status=odd", "tenant=bob", "limit=-1", "limit=9999", "limit=²"):
        assert web.get(f"/api/admin/runs?{query}", token=TOKEN).status_code == 400, query
    assert web.get("/nothing").json()["code"] == "http_error"
