"""What a newcomer meets, from the clone to `make down`, in this order on one machine."""

from __future__ import annotations

import re
from urllib.parse import urlsplit

import yaml

from tests.fixtures.ansible import ROOT
from tests.fixtures.waiting import eventually
from tests.fresh.conftest import Newcomer
from tests.fresh.load import writers
from tests.fresh.state import failed, read, said_to_be_left, units, unsaid

#: Seconds. The longest seen on a busy machine is 31, while the platform's packages are installed. Whoever sees nothing new
#: for four times as long takes it for hung.
_SILENCE = 120
#: Seconds after which there has to be a word of what goes on. From one task to the next it is one or two, on a busy machine
#: some five.
_UNNAMED = 60
#: Lines. What runs in the background tells the machine's journal that it was called; nothing else does.
_CALLS = 5
_RESULT = re.compile(r"(ok|changed|skipping|included|PLAY RECAP)\b")
#: What says that something went wrong, or may have.
_TROUBLE = re.compile(r"^.*(FAILED|\bfatal:|(?i:\bwarning)|DEPRECATED|Traceback).*$", re.MULTILINE)
_TESTS = 600  # seconds for make test-systemd, which first gets what tests need
_REBOOTS = 3
_DOWN = 60  # seconds a machine may take to go down: some five on a quiet one, 90 where something hangs
_UP = 90  # seconds after a boot until the page is there; some ten on a quiet machine


def _answers(newcomer: Newcomer) -> str:
    """Return the HTTP status that somebody on another machine gets at the last tenant's address."""
    place = urlsplit(newcomer.address)
    resolve = f"{place.hostname}:{place.port}:{newcomer.machine.address}"
    words = ["curl", "-s", "-o", "/dev/null", "-m", "20", "-w", "%{http_code}", "--noproxy", "*"]
    page = f"{newcomer.address}/web/login"
    return newcomer.machine.outside("sh", "-c", '"$@" || true', "sh", *words, "--resolve", resolve, page)


def test_the_demo_ends_well_and_asks_for_the_password_of_sudo_only_where_one_is_needed(newcomer: Newcomer) -> None:
    assert newcomer.demo.status == 0, newcomer.demo.shown[-3000:]
    assert newcomer.demo.asked <= (0 if newcomer.user == "root" else 2)


def test_the_demo_says_what_it_does_and_nothing_that_sounds_wrong(newcomer: Newcomer) -> None:
    demo = newcomer.demo
    assert not demo.silences(_SILENCE)
    assert not [(seconds, text) for seconds, text in demo.silences(_UNNAMED) if not text or _RESULT.match(text)]
    assert not [found[0] for found in _TROUBLE.finditer(demo.shown)]


def test_the_demo_is_quiet_in_the_journal_and_lists_packages_in_one_order(newcomer: Newcomer) -> None:
    calls = newcomer.machine.run("journalctl --quiet --no-pager | grep -c 'ansible-.* Invoked with' || true")
    assert int(calls) <= _CALLS
    installed = re.search(r"Needs root: installing ([^\"\n]+)", newcomer.demo.shown)
    assert installed
    role = yaml.safe_load((ROOT / "roles/host/defaults/main.yml").read_text())
    wanted = [each.partition("{{")[0] for each in (*role["host_packages"], *role["host_killbill_packages"])]
    names = installed[1].split(", ")
    assert names == [each for each in wanted if each in names]


def test_the_demo_ends_with_the_way_from_another_machine_and_what_to_try(newcomer: Newcomer) -> None:
    port = urlsplit(newcomer.address).port
    assert re.search(rf"^ *From another machine: ssh -L {port}:localhost:{port} {newcomer.user}@\S+$", newcomer.demo.shown, re.M)
    next_steps = newcomer.demo.shown.partition("What to try next:")[2]
    assert {"ansible-inventory --graph", "tenant_suspend.yml", "tenant_resume.yml", "make down"} <= set(
        re.findall(r"ansible-inventory --graph|tenant_\w+\.yml|make down", next_steps)
    )


def test_the_page_is_seen_from_here_and_from_another_machine(newcomer: Newcomer) -> None:
    inside = f"curl -s -o /dev/null -m 20 --noproxy '*' -w '%{{http_code}}' {newcomer.address}/web/login"
    assert (newcomer.machine.run(inside, newcomer.user), _answers(newcomer)) == ("200", "200")


def test_only_the_proxy_is_reached_from_other_machines(newcomer: Newcomer) -> None:
    ports = read(newcomer.machine, newcomer.user).ports - newcomer.before.ports
    addresses = [each.split()[1] for each in ports]
    loopback = ("127.", "[::1]", "[::ffff:127.")
    assert any(each.startswith(loopback) for each in addresses)
    assert [each for each in addresses if not each.startswith(loopback)] == [f"*:{urlsplit(newcomer.address).port}"]


def test_after_each_reboot_all_is_back_and_nothing_acknowledged_is_lost(newcomer: Newcomer) -> None:
    machine, place = newcomer.machine, urlsplit(newcomer.address)
    wanted = units(machine, newcomer.user)
    database = newcomer.ask(f"Platform.here().tenant({str(place.hostname).split('.')[0]!r}).database_name")
    url = f"http://{machine.address}:{place.port}"
    with writers(machine, url, place.netloc, database, newcomer.password) as load:
        for _ in range(_REBOOTS):
            load.go_on()
            assert machine.reboot() < _DOWN
            eventually(lambda: _answers(newcomer) == "200", "the page is back", _UP)
            eventually(lambda: units(machine, newcomer.user) == wanted, f"its units are {sorted(wanted)}", _UP)
            assert failed(machine, newcomer.user) == frozenset()
        load.go_on()
    lost = {each: load.found[each] for each in load.acknowledged if load.found[each] != 1}
    assert not lost, f"of {len(load.acknowledged)} acknowledged writes, how often these are there: {lost}"


def test_down_leaves_what_the_readme_names_and_nothing_else(newcomer: Newcomer) -> None:
    done = newcomer.type("make down", 300)
    assert done.status == 0, done.shown[-3000:]
    now, before = read(newcomer.machine, newcomer.user), newcomer.before
    assert now.failed == frozenset()
    assert newcomer.machine.run("systemctl is-system-running") == "running\n"
    for what in ("units", "processes", "mounts", "ports"):
        assert getattr(now, what) - getattr(before, what) == frozenset(), what
    assert unsaid(now.files - before.files, said_to_be_left(newcomer.user)) == []


def test_the_tests_that_need_systemd_pass_there(newcomer: Newcomer) -> None:
    clone = "git clone -q /srv/saasodoo.bundle saasodoo-tests && cd saasodoo-tests"
    done = newcomer.machine.type(f"{clone} && make test-systemd", "root", newcomer.log, _TESTS)
    assert done.status == 0, done.shown[-3000:]
    assert " passed" in done.shown
    assert "skipped" not in done.shown
