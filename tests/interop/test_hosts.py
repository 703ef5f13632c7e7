"""Three hosts: a server as `vouch init` makes it, on all of its addresses; a network with phones; and another domain, which is
Kamailio and a phone of its own. Everybody else is a program of others: baresip, Kamailio, and a watcher in Python.

IDLE in the environment says for how many seconds the connection between the two proxies rests; it is 2 where nobody has the
time for more, and 150 are longer than either of them keeps one by its defaults."""

import os
import subprocess

import pytest
from others.baresip import MODULES, Baresip
from others.kamailio import TLS, Kamailio
from others.program import find, needs, serves
from peer import certs, hosts
from peer.identity import Judge
from peer.lab import User, until
from peer.phone import Dialog, Phone
from peer.sipclient import Agent, UdpPeer, certificate_of, token

IDLE = int(os.environ.get("IDLE", "2"))
pytestmark = [hosts.needed, pytest.mark.limit(300 + 4 * IDLE), needs("kamailio", "kamailio"), needs("baresip-core", "baresip"),
              pytest.mark.skipif(not TLS, reason="the TLS module of Kamailio is not found (kamailio-tls-modules)"),
              pytest.mark.skipif(not MODULES, reason="the modules of baresip are not found")]


@pytest.fixture(scope="module")
def wires():
    made = hosts.Wires("server", "lan", "far")
    yield made
    made.close()


@pytest.fixture(scope="module")
def domains(wires, tmp_path_factory):
    """example.com on its host, and example.net on the far one; TLS between them."""
    folder, (server, _, far) = tmp_path_factory.mktemp("hosts"), wires.hosts
    com = hosts.Made(folder / "s", server, ["route.example.net=tls:10.9.2.2:5061"]).start()
    net = Kamailio(folder, "example.net", {"example.com": ("tls", 5061, "10.9.2.1")}, com.directory, com.ca, at=far)
    try:
        until(lambda: serves(5061, at=far) or not net.running(), 10, "the ports of Kamailio")
        yield com, net
    finally:
        net.stop()
        com.stop()


@pytest.fixture(scope="module")
def phones(domains, wires, tmp_path_factory):
    """Alice (UDP) and carol (TLS) of example.com on the LAN, and bob of example.net; all of them are registered."""
    (com, net), (_, lan, far), folder = domains, wires.hosts, tmp_path_factory.mktemp("phones")
    users = [com.user("alice"), com.user("carol"), User("bob", "none", "example.net")]
    made = []
    try:
        for user, server, transport, at, proxy in zip(users, (com, com, net), ("udp", "tls", "udp"), (lan, lan, far),
                                                      ("10.9.1.1", "10.9.1.1", "10.9.2.2")):
            made.append(Baresip(folder, server, user, transport, [one.aor for one in users if one is not user], at=at, proxy=proxy,
                                seconds=30 + 2 * IDLE))
            made[-1].registers()
        yield dict(zip(("alice", "carol", "bob"), made))
    finally:
        for one in made:
            one.stop()


PAIRS = [(one, other) for one in ("alice", "carol", "bob") for other in ("alice", "carol", "bob") if one != other]
cut_or_not = pytest.mark.parametrize("cut", [False, True], ids=["", "cut"])
pairs = pytest.mark.parametrize("caller, callee", PAIRS)


def talk(one, other):
    one.calls(other.user.aor)
    other.rings(one.user.aor)
    one.hears_it_ring()
    other.answers()
    one.talks()
    other.talks()


@pairs
@pytest.mark.parametrize("ends", ["caller", "callee"])
def test_a_call(phones, caller, callee, ends):
    one, other = phones[caller], phones[callee]
    talk(one, other)
    for holder, held in ((one, other), (other, one)):
        holder.holds()
        held.is_held()
        holder.resumes()
        held.is_resumed()
    last, left = (one, other) if ends == "caller" else (other, one)
    last.ends_it()
    left.is_left()


@pairs
def test_a_caller_cancels(phones, caller, callee):
    one, other = phones[caller], phones[callee]
    one.calls(other.user.aor)
    other.rings(one.user.aor)
    one.hears_it_ring()
    one.cancels()
    other.is_left()


@pairs
def test_a_message(phones, caller, callee):
    one, other = phones[caller], phones[callee]
    one.writes(other.user.aor, f"from {caller}")
    other.reads(one.user.aor, f"from {caller}")


@pytest.fixture
def watcher(wires, net):
    """Somebody else of example.net."""
    with wires.hosts[2].here():
        peer = UdpPeer(net, ("10.9.2.2", 5060), host="10.9.2.2")
    yield Phone(peer, User(token("watcher"), None, "example.net"), "example.net").register()
    peer.close()


def links(wires):
    """The connections between the two proxies, as the server's host has them."""
    with wires.hosts[0].here(), open("/proc/thread-self/net/tcp") as lines:
        rows = [line.split() for line in lines][1:]
    return [row for row in rows if row[2].startswith("0202090A:") and row[3] == "01"]  # established, with 10.9.2.2


def rested(wires, net, cut):
    """Nothing is said, and then the connection between the proxies is there or, if it is to be `cut`, not."""
    assert links(wires)
    net.idle(IDLE)
    if cut:
        with wires.hosts[0].here():
            subprocess.run([find("ss"), "-K", "dst", "10.9.2.2"], check=True, capture_output=True)
        if links(wires):
            pytest.skip("this kernel ends no connections for others (CONFIG_INET_DIAG_DESTROY)")


@cut_or_not
def test_a_certificate_is_watched_when_the_connection_has_rested(domains, wires, watcher, net, cut):
    """CRT-28: each NOTIFY of the certificate of a user of example.com reaches a watcher of example.net, signed, by a new
    connection where the one before has ended; and calls are as good as before, whichever side begins."""
    com, between = domains
    owner = com.user()

    def agent():
        """On a connection of its own each time."""
        return Agent(com.at(net, wires.hosts[1], "tls"), owner.name, com.domain, owner.password)

    first, second = (certs.certificate(owner.aor, key=certs.rsa_key(number)) for number in (1, 2))
    assert agent().publish(first).code == 200
    asked = watcher.agent.new("SUBSCRIBE", owner.aor, {"Event": "certificate", "Expires": 3600, "Contact": watcher.contact})
    watcher.send(asked)
    Dialog.of_caller(watcher, asked, watcher.told(asked, 200))

    def notified(content):
        notify = watcher.peer.take(lambda m: m.method == "NOTIFY", 10)
        assert certificate_of(notify) == content
        with wires.hosts[2].here():
            judge.check(notify)
        watcher.answer(notify, 200)

    judge = Judge(com.ca, address="10.9.2.1")
    for content in (second, b""):
        notified(first)
        first = content
        rested(wires, net, cut)
        if content:
            assert agent().publish(content).code == 200
        else:
            agent().revoke()
    notified(b"")


@cut_or_not
@pytest.mark.parametrize("caller, callee", [("alice", "bob"), ("bob", "carol")])
def test_a_call_goes_on_when_the_connection_has_rested(wires, phones, net, caller, callee, cut):
    """Whoever speaks first, in the call and after it."""
    one, other = phones[caller], phones[callee]
    talk(one, other)
    rested(wires, net, cut)
    other.holds()
    one.is_held()
    rested(wires, net, cut)
    one.ends_it()
    other.is_left()
    rested(wires, net, cut)
    other.writes(one.user.aor, "afterwards")
    one.reads(other.user.aor, "afterwards")
