"""The clock: days go by, or somebody sets it, while the server runs. libfaketime shows the program another time."""

import email.utils
import glob
import re
import time

import pytest
from peer import certs
from peer.lab import domain_certificate, until
from peer.phone import Phone, registered
from peer.sipclient import Agent

LIBRARY = glob.glob("/usr/lib/*/faketime/libfaketimeMT.so.1")
pytestmark = pytest.mark.skipif(not LIBRARY, reason="libfaketime is not installed (faketime)")
HOUR, DAY = 3600, 86400


class Clock:
    """What a server sees: `all`: the monotonic clock goes on, too, as when days go by; else somebody sets the time of day."""

    def __init__(self, folder, everything):
        self.file = folder / "clock"
        self.set(0)
        self.environment = {"LD_PRELOAD": LIBRARY[0], "FAKETIME_TIMESTAMP_FILE": str(self.file), "FAKETIME_NO_CACHE": "1",
                            "FAKETIME_DONT_FAKE_MONOTONIC": "0" if everything else "1"}

    def set(self, seconds):
        self.file.write_text(f"{seconds:+d}\n")


def date_of(message):
    return email.utils.parsedate_to_datetime(message.one("Date")).timestamp()


def test_who_runs_a_server_is_told_each_day_that_its_certificate_ends(labs, net, tmp_path):
    clock = Clock(tmp_path, True)
    server = labs.server(environment=clock.environment)
    certificate, key = domain_certificate(server.directory, "short", "sip:example.com", "DNS:example.com", until=32 * DAY - HOUR)
    server.options = [f"tls.certificate={certificate}", f"tls.key={key}"]
    server.start()

    def told():
        assert Agent(server.peer(net, "udp")).options().code == 200  # wakes it: its timers are due by its own clock
        return len(re.findall(r" warn event=certificate_ends key=tls.certificate file=\S*short.crt days=\d+\n", server.process.log))

    try:
        assert told() == 0
        for day, times in ((1, 0), (2, 1), (3, 2), (4, 3)):
            clock.set(day * DAY)
            until(lambda n=times: told() >= n, 5, f"the line of day {day}")
            assert told() == times
        assert "days=27\n" in server.process.log
    finally:
        server.stop()


@pytest.mark.parametrize("jump", [HOUR, -HOUR, DAY, -DAY, 400 * DAY, -400 * DAY])
def test_somebody_sets_the_clock(server, net, tmp_path, jump):
    """What was granted goes on for as long as was said: registrations, subscriptions, calls, challenges."""
    clock = Clock(tmp_path, False)
    server = server(environment=clock.environment)
    alice, bob = (Phone(server.peer(net, transport), server.user()) for transport in ("udp", "tcp"))
    alice.register()
    bob.register()
    sent, came = alice.ask(alice.agent.new("MESSAGE", bob.aor), bob)
    bob.answer(came, 200)
    assert abs(date_of(came) - time.time()) < 5
    clock.set(jump)
    contacts = registered(server, net, bob.user, "MD5")
    assert contacts == [bob.contact]
    again = alice.agent.new("MESSAGE", bob.aor)
    sent, came = alice.ask(again, bob)
    bob.answer(came, 200)
    if came.all("Identity"):  # the certificate of the domain is valid then
        assert abs(date_of(came) - time.time() - jump) < 5
    else:
        assert abs(jump) > 300 * DAY
    alice.register()
    assert registered(server, net, alice.user, "MD5") == [alice.contact]


@pytest.mark.parametrize("jump", [HOUR, -HOUR, -DAY // 4, 400 * DAY])
def test_the_clock_is_another_one_after_a_restart(server, net, tmp_path, jump):
    """Contacts live for what was left by the time of day, and never longer than was granted."""
    clock = Clock(tmp_path, False)
    server = server(environment=clock.environment)
    bob = Phone(server.peer(net, "udp"), server.user())
    made = bob.agent.new("REGISTER", "sip:example.com", {"To": f"<{bob.aor}>", "Expires": "1800"})
    made.add("Contact", bob.contact)
    assert bob.agent.run(made)[1].code == 200
    server.stop()
    clock.set(jump)
    server.start()
    agent = server.agent(net, bob.user, "tcp")
    agent.peer.behind_proxy = True
    answer = agent.run(agent.new("REGISTER", "sip:example.com", {"To": f"<{bob.aor}>"}))[1]
    left = [int(n) for value in answer.values("Contact") for n in re.findall(r";expires=(\d+)", value)]
    assert left == [] if jump > 0 else len(left) == 1 and 0 < left[0] <= 1800, left


def test_a_credential_does_not_outlive_its_certificate_when_the_clock_is_set(server, net, tmp_path):
    clock = Clock(tmp_path, False)
    server = server(environment=clock.environment)
    user = server.user()
    owner = server.agent(net, user)
    assert owner.publish(*certs.pair(user.aor, until=2 * DAY)).code == 200
    watcher = server.agent(net, transport="tcp")
    assert watcher.fetch(user.aor)
    clock.set(3 * DAY)
    assert Agent(server.peer(net, "udp")).options().code == 200
    assert not watcher.fetch(user.aor)
