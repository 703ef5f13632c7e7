"""A watcher hears of everything: across restarts of the server (CRT-30), the end of its certificate (CRT-31), and among many
strangers (EVT-20)."""

import pytest
from peer import certs
from peer import lab as program
from peer.sipclient import Agent, UdpPeer, certificate_of, credential_of

TRANSPORTS = ["udp", "tcp"]


class Watching:
    """Watches the certificate of a user from a place where it can be reached again, whatever its server does."""

    def __init__(self, server, net, user, transport):
        self.place = UdpPeer(net, ("127.0.0.1", server.port))
        self.agent = Agent(self.place if transport == "udp" else server.peer(net, transport))
        contact = f"<sip:w@{self.place.address}{'' if transport == 'udp' else ';transport=tcp'}>"
        self.subscription = self.agent.subscribe(user.aor, headers={"Contact": contact})
        self.first, self.agent.peer = self.agent.peer, self.place

    def deaf(self, deaf=True):
        """NOTIFYs are received, and not answered."""
        for peer in (self.place, self.first):
            peer.answer = None if deaf else 200

    def told(self):
        self.subscription.last = None
        return certificate_of(self.subscription.next())

    def forget(self):
        """Copies of what came before."""
        self.place.inbox.clear()


@pytest.fixture
def other(server):
    return server("notify.interval=0", "identity.sign=off")


def happen(server, net, user, what):
    """Changes what there is; gives what a watcher must hear then."""
    owner = server.agent(net, user)
    pair = certs.pair(user.aor, 1)
    if what == "change":
        assert owner.publish(*pair).code == 200
        return pair[0]
    if what == "revoke":
        assert owner.revoke().code == 200
    elif what == "deleted":
        assert server.admin("user", "del", user.aor).returncode == 0
    else:
        assert server.admin("revoke", user.aor).returncode == 0
    return b""


@pytest.mark.parametrize("transport", TRANSPORTS)
@pytest.mark.parametrize("what", ["change", "revoke", "revoke by the administrator", "deleted"])
@pytest.mark.parametrize("end", ["SIGTERM", "kill -9"])
def test_CRT_30_what_was_not_delivered_is_told_after_the_restart(other, net, what, end, transport):
    user = other.user()
    assert other.agent(net, user).publish(*certs.pair(user.aor)).code == 200
    watcher = Watching(other, net, user, transport)
    watcher.deaf()
    expected = happen(other, net, user, what)
    other.stop() if end == "SIGTERM" else other.crash()
    net.idle(0.2)
    watcher.forget()
    watcher.deaf(False)
    other.start()
    assert watcher.told() == expected
    # And once only: after another restart it is known that he has it.
    net.idle(0.3)
    other.crash()
    watcher.forget()
    other.start()
    watcher.subscription.silent(1)


@pytest.mark.parametrize("transport", TRANSPORTS)
def test_CRT_30_what_happens_while_the_server_does_not_run(other, net, transport):
    users = [other.user() for _ in range(2)]
    for user in users:
        assert other.agent(net, user).publish(*certs.pair(user.aor)).code == 200
    deleted, stays = (Watching(other, net, user, transport) for user in users)
    net.idle(0.3)  # for the answers to the first NOTIFYs
    other.crash()
    assert other.admin("user", "del", users[0].aor).returncode == 0
    other.start()
    assert deleted.told() == b""
    stays.subscription.silent(0.5)


def test_CRT_30_many_watchers(other, net):
    user = other.user()
    assert other.agent(net, user).publish(*certs.pair(user.aor)).code == 200
    watchers = [Watching(other, net, user, "udp") for _ in range(40)]
    for one in watchers:
        one.deaf()
    assert other.agent(net, user).revoke().code == 200
    other.crash()
    for one in watchers:
        one.forget()
        one.deaf(False)
    other.start()
    assert [one.told() for one in watchers] == [b""] * len(watchers)


def test_EVT_07_an_unknown_package_in_a_dialog(watcher, user):
    subscription = watcher.subscribe(user.aor)
    refused = subscription.refresh(headers={"Event": "presence"})
    assert refused.code == 489 and refused.all("Allow-Events") == ["certificate, credential"]
    assert subscription.refresh(headers={"Event": "credential"}).code == 403
    assert subscription.refresh().code == 200


@pytest.mark.parametrize("limit", ["limits.subscriptions=3", "limits.subscriptions-per-aor=3", "limits.subscriptions-per-source=3"])
def test_EVT_20_strangers_do_not_take_the_room_of_the_owner(server, net, limit):
    other = server(limit, "notify.interval=0")
    user = other.user()
    owner = other.agent(net, user)
    assert owner.publish(*certs.pair(user.aor)).code == 200
    stranger = other.agent(net, transport="tcp")
    codes = [stranger.try_subscribe(user.aor).code for _ in range(5)]
    assert codes == [200, 200, 200, 503, 503]
    held = [owner.subscribe(event="credential") for _ in range(3)]
    assert credential_of(held[0].notify)[0]
    if "source" not in limit:
        assert owner.try_subscribe(owner.sips, event="credential").code == 503


def test_CRT_31_nothing_is_signed_after_the_end_of_the_certificate(labs, server, net):
    """What is owed waits for a new certificate, and is signed by that."""
    directory = labs.directory()

    def make(seconds):
        return program.domain_certificate(directory, "brief", "sip:example.com", "DNS:example.com", until=seconds)

    certificate, key = make(4)
    other = server(f"identity.certificate={certificate}", f"identity.key={key}", "notify.interval=0", directory=directory)
    user = other.user()
    assert other.agent(net, user).publish(*certs.pair(user.aor)).code == 200
    watcher = Watching(other, net, user, "udp")
    net.idle(5)
    assert other.agent(net, user).revoke().code == 200
    watcher.subscription.silent(1)
    make(3600)
    assert other.admin("reload").returncode == 0
    assert watcher.told() == b""
    waits = [line for line in other.process.log.splitlines() if "event=notifies_wait" in line]
    assert len(waits) == 1 and " error " in waits[0]


def keepalive_runs(port):
    """Does TCP ask on a connection of that local port whether the other end is there (/proc/net/tcp: timer 2)?"""
    with open("/proc/net/tcp") as table:
        rows = [line.split() for line in table][1:]
    return [row[5].startswith("02:") for row in rows if row[1].endswith(f":{port:04X}") and row[3] == "01"]


@pytest.mark.parametrize("transport", ["tcp", "tls"])
@pytest.mark.parametrize("package", ["certificate", "credential"])
def test_a_connection_lives_as_long_as_what_was_granted_on_it(server, net, package, transport):
    """By default; any other one ends after the idle time. TCP looks after a peer that is silent."""
    if package == "credential" and transport == "tcp":
        pytest.skip("a credential goes over TLS only")
    other = server("limits.idle-timeout=1", "notify.interval=0")
    user = other.user()
    pair = certs.pair(user.aor)
    watcher = other.agent(net, user if package == "credential" else None, transport)
    held = watcher.subscribe(watcher.sips if package == "credential" else user.aor, event=package)
    idle = other.peer(net, transport)
    assert Agent(idle).options().code == 200
    idle.wait_closed(5)
    net.idle(1.5)
    assert keepalive_runs(other.port + (transport == "tls")) == [True]
    assert other.agent(net, user).publish(*pair).code == 200
    told = held.next()
    assert (credential_of(told) == pair) if package == "credential" else (certificate_of(told) == pair[0])
    assert held.refresh(expires=0).code == 200
    watcher.peer.wait_closed(5)
