"""The runner's pure parts: secrets, limits, bodies, run events, logs, settings."""

from __future__ import annotations

import io
import json
import logging
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.saasodoo.platform.plugins.module_utils.domain import progress
from ansible_collections.saasodoo.platform.plugins.module_utils.errors import InvalidInput
from webhook_runner.authentication import FailureLimit, is_one_of
from webhook_runner.execution import Request, environment
from webhook_runner.intake import parse
from webhook_runner.logs import JsonLines, configure, redact
from webhook_runner.run_events import read
from webhook_runner.settings import Settings, read_private


@given(st.text(), st.lists(st.text(alphabet="abc-_", min_size=1), max_size=2))
def test_only_a_valid_secret_is_one(given_secret: str, valid: list[str]) -> None:
    assert is_one_of(given_secret, valid) is (given_secret in valid)
    assert all(is_one_of(secret, valid) for secret in valid)


def test_failures_are_limited_by_source_and_forgotten() -> None:
    now = [0.0]
    limit = FailureLimit(allowed=2, window=60, clock=lambda: now[0])
    assert [limit.failed("a"), limit.failed("a"), limit.failed("a"), limit.failed("b")] == [False, False, True, False]
    now[0] = 61
    assert not limit.failed("a")


def test_a_client_has_one_share_whichever_of_its_addresses_it_comes_from() -> None:
    limit = FailureLimit(allowed=1, window=60, clock=lambda: 0)
    assert not limit.failed("2001:db8:1:2::3")
    assert limit.failed("2001:db8:1:2:ffff::4")
    assert not limit.failed("2001:db8:1:3::3")
    assert not limit.failed("192.0.2.1")
    assert limit.failed("::ffff:192.0.2.1")
    assert not limit.failed("192.0.2.2")


def test_failures_of_any_number_of_addresses_take_bounded_memory() -> None:
    limit = FailureLimit(allowed=1, window=60, clock=lambda: 0)
    assert not any(limit.failed(f"10.{n >> 16}.{n >> 8 & 255}.{n & 255}") for n in range(30_000))
    assert len(limit) == 10_000


@given(st.binary(max_size=200))
def test_any_bytes_are_an_event_or_invalid_input(body: bytes) -> None:
    with pytest.raises(InvalidInput):
        parse(body)  # no random bytes are an event


values = st.recursive(
    st.none() | st.booleans() | st.floats() | st.integers() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=5,
)
FIELDS = ("eventType", "accountId", "objectType", "objectId", "metaData")


@given(st.dictionaries(st.sampled_from(FIELDS) | st.text(), values))
def test_any_json_is_an_event_of_right_types_or_invalid_input(raw: dict[str, Any]) -> None:
    try:
        event = parse(json.dumps(raw).encode())
    except InvalidInput:
        return
    assert isinstance(raw["eventType"], str)
    assert event.account_id is None or str(event.account_id).replace("-", "")
    assert all(raw.get(name) is None or isinstance(raw[name], str) for name in FIELDS)


def test_run_events_keep_what_tells_something_and_no_values() -> None:
    data = {"task": "Make it", "host": "local", "duration": 1.5, "res": {"changed": True, "msg": "x", "password": "s3cret"}}
    done = read({"event": "runner_on_ok", "counter": 4, "event_data": data})
    assert done is not None
    assert (done.seq, done.task, done.host, done.duration, done.changed, done.message) == (4, "Make it", "local", 1.5, True, "")
    failed = read({"event": "runner_on_failed", "counter": 5, "event_data": data})
    assert failed is not None
    assert failed.failure == "Make it: x"
    assert "s3cret" not in f"{done}{failed}"
    assert read({"event": "verbose", "counter": 6}) is None
    event = read({"event": "verbose", "counter": 8, "stdout": "\x1b[0;34mprogress: 3 of 9 tables\x1b[0m", "event_data": data})
    assert event is not None
    assert (event.event, event.task, event.message, event.failure) == ("progress", "Make it", "3 of 9 tables", "")
    assert read({"event": "verbose", "counter": 9, "stdout": "fatal: progress: s3cret"}) is None
    odd = read({"event": "runner_on_failed", "counter": 7, "event_data": {"res": {"msg": ["a\0b", 1]}}})
    assert odd is not None
    assert "\0" not in odd.message


def test_of_a_loop_that_failed_the_item_says_why() -> None:
    items = [{"failed": False, "msg": "made"}, {"failed": True, "msg": "no such server", "code": "not_found"}]
    result = {"msg": "One or more items failed", "results": items}
    event = read({"event": "runner_on_failed", "counter": 5, "event_data": {"task": "Make each", "res": result}})
    assert event is not None
    assert (event.failure, event.code) == ("Make each: no such server", "not_found")
    hidden = {"msg": "One or more items failed", "results": ["hidden"]}
    event = read({"event": "runner_on_failed", "counter": 6, "event_data": {"task": "Make each", "res": hidden}})
    assert event is not None
    assert event.failure == "Make each: One or more items failed"


@given(st.text())
def test_any_progress_is_one_line_that_is_read_again(text: str) -> None:
    line = progress.line(text)
    assert len(line.splitlines()) == 1
    assert len(line) <= 300
    assert progress.read(line) in " ".join(text.split())


@pytest.mark.parametrize(
    "text",
    [
        "Error handling request /api/billing/webhook/s3cret",
        "POST /api/billing/webhook/s3cret HTTP/1.1",
        "'/api/billing/webhook/s3cret'",
        "/api/billing/webhook/s3cret?x=1",
        "http://127.0.0.1:1/api/billing/webhook/s3cret/more",
    ],
)
def test_a_log_line_never_has_the_secret(text: str) -> None:
    assert "s3cret" not in redact(text)
    stream = io.StringIO()
    handler = logging.StreamHandler(stream)
    handler.setFormatter(JsonLines())
    logger = logging.Logger("some")
    logger.addHandler(handler)
    try:
        int(text)
    except ValueError:
        logger.exception("failed: %s", text)
    assert "s3cret" not in stream.getvalue()
    assert json.loads(stream.getvalue())["level"] == "error"


def test_what_the_server_says_of_a_request_has_no_path(capsys: pytest.CaptureFixture[str]) -> None:
    configure()
    logging.getLogger("waitress").error("Exception while serving %s", "/api/billing/webhok/s3cret")
    written = capsys.readouterr().err
    assert json.loads(written)["message"] == "Exception"


def test_a_private_file_is_private(tmp_path: Path) -> None:
    file = tmp_path / "secret"
    file.write_text("words")
    file.chmod(0o600)
    assert read_private(file) == "words"
    file.chmod(0o640)
    with pytest.raises(InvalidInput, match="open to others"):
        read_private(file)
    with pytest.raises(InvalidInput, match="can't be read"):
        read_private(tmp_path / "nothing")


def _environ(folder: Path) -> dict[str, str]:
    files = {
        "secret_file": "a-secret-of-more-than-24-characters",
        "token_file": "a-token-of-more-than-24-characters",
        "killbill_file": json.dumps({"url": "http://u", "user": "u", "password": "p", "api_key": "k", "api_secret": "s"}),
    }
    for name, text in files.items():
        (folder / name).touch(mode=0o600)
        (folder / name).write_text(text)
    passfile = folder / "pgpass"
    passfile.touch(mode=0o600)
    paths = {f"SAASODOO_RUNNER_{name.upper()}": str(folder / name) for name in files}
    return {**paths, "SAASODOO_REGISTRY": f"user=saasodoo_runner passfile={passfile}", "SAASODOO_RUNNER_HOME": str(folder)}


def test_settings_come_typed_from_the_environment(tmp_path: Path) -> None:
    environ = _environ(tmp_path) | {"SAASODOO_RUNNER_PORT": "4000", "SAASODOO_RUNNER_RUN_LIMIT": "7.5"}
    settings = Settings.from_environment(environ)
    assert (settings.port, settings.run_limit, settings.home) == (4000, 7.5, tmp_path)
    assert repr(settings.killbill()) == "Access(http://u, tenant k)"
    with pytest.raises(InvalidInput, match="SAASODOO_RUNNER_PORT"):
        Settings.from_environment(environ | {"SAASODOO_RUNNER_PORT": "many"})


@pytest.mark.parametrize(
    "missing",
    [
        "SAASODOO_REGISTRY",
        "SAASODOO_RUNNER_SECRET_FILE",
        "SAASODOO_RUNNER_TOKEN_FILE",
        "SAASODOO_RUNNER_KILLBILL_FILE",
        "SAASODOO_RUNNER_HOME",
    ],
)
def test_it_refuses_to_start_without(missing: str, tmp_path: Path) -> None:
    environ = _environ(tmp_path)
    del environ[missing]
    with pytest.raises(InvalidInput, match=missing):
        Settings.from_environment(environ)


def test_a_short_or_a_third_secret_is_refused(tmp_path: Path) -> None:
    environ = _environ(tmp_path)
    for text in ("", "short", "\n".join(f"a-secret-that-is-long-enough-{number}" for number in range(3))):
        (tmp_path / "secret_file").write_text(text)
        with pytest.raises(InvalidInput, match="is not fit"):
            Settings.from_environment(environ)


def test_a_run_inherits_only_what_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    settings = Settings.from_environment(_environ(tmp_path))
    monkeypatch.setenv("PGPASSWORD", "s3cret")
    monkeypatch.setenv("SAASODOO_REGISTRY", "user=saasodoo_runner")
    monkeypatch.setenv("SAASODOO_HOME", "/somewhere")
    tenant = uuid4()
    found = environment(settings, Request(uuid4(), "tenant_stop.yml", tenant, "run:1", "c"))
    assert found["SAASODOO_HOME"] == "/somewhere"
    assert (found["SAASODOO_TENANT"], found["SAASODOO_CAUSE"]) == (str(tenant), "run:1")
    assert not {"PGPASSWORD", "SAASODOO_REGISTRY"} & set(found)
