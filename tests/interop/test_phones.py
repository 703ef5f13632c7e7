"""baresip: registrations, messages and calls over UDP, TCP and TLS.

baresip stops at a challenge that it does not know, and sends nothing along a route set whose first URI is `sips`: that is why
MD5 is offered alone, and why Record-Route is a sip URI on TLS, too."""

import re

import pytest
from others.baresip import MODULES, Baresip
from others.program import needs
from peer.lab import running, until
from peer.phone import Dialog, Far, Phone, registered

pytestmark = [needs("baresip-core", "baresip"), pytest.mark.skipif(not MODULES, reason="the modules of baresip are not found")]

ALL = ["udp", "tcp", "tls"]
SDP = ("v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\n"
          "m=audio 9 RTP/AVP 0\r\na=rtpmap:0 PCMU/8000\r\n").encode()


@pytest.fixture(scope="module")
def lab(labs):
    yield from running(labs)


@pytest.fixture
def baresip(lab, tmp_path):
    """Starts phones: baresip(user, transport, ...)."""
    made = []

    def start(*arguments, **options):
        made.append(Baresip(tmp_path, lab, *arguments, **options))
        return made[-1]

    yield start
    for one in made:
        one.stop()


@pytest.fixture
def phones(lab, baresip):
    """Two registered ones: phones("tls")."""
    def start(transport):
        users = [lab.user() for _ in range(2)]
        made = [baresip(user, transport, [other.aor]) for user, other in zip(users, reversed(users))]
        for one in made:
            one.says("[1 binding]")
        return made

    return start


@pytest.mark.parametrize("transport", ALL)
def test_register(lab, net, baresip, user, transport):
    """It registers, and takes its Contact back when it ends."""
    phone = baresip(user, transport)
    phone.says("[1 binding]")
    contacts = registered(lab, net, user, "MD5")
    assert len(contacts) == 1 and contacts[0].startswith(f"<sip:{user.name}-")
    phone.command("quit")
    until(lambda: not phone.running(), 10, "the end of baresip")
    assert registered(lab, net, user, "MD5") == []


def test_register_with_a_wrong_password(lab, net, baresip, user):
    phone = baresip(user, "tls", password="wrong")
    phone.says("\nSIP/2.0 401 Unauthorized", times=2)
    assert "binding]" not in phone.said() and registered(lab, net, user, "MD5") == []


@pytest.mark.parametrize("transport", ALL)
def test_messages(phones, transport):
    """Each is challenged once (407), and reaches the other (EXM-16)."""
    alice, bob = phones(transport)
    for one, other, text in ((alice, bob, "how are you?"), (bob, alice, "well: a=1, \\o/")):
        one.command("contact_next")
        one.command("message", text)
        other.says(f"\n\n{text}")
        until(lambda: re.search(r"\nSIP/2.0 200 OK\n(\S+: .*\n)*CSeq: \d+ MESSAGE\n", one.said()), 5, "the 200")


def set_up(alice, bob):
    alice.command("dial", bob.user.aor)
    bob.wait("CALL_INCOMING")
    alice.wait("CALL_RINGING")
    bob.command("accept")
    alice.says("\nSIP/2.0 200 Answering")


def established_and_ended(alice, bob, ends):
    for one in (alice, bob):
        one.wait("CALL_ESTABLISHED", 2)
    one, other = (alice, bob) if ends == "caller" else (bob, alice)
    one.command("hangup")
    other.wait("CALL_CLOSED")


@pytest.mark.parametrize("ends", ["caller", "callee"])
@pytest.mark.parametrize("transport", ALL)
def test_a_call(phones, transport, ends):
    alice, bob = phones(transport)
    set_up(alice, bob)
    established_and_ended(alice, bob, ends)


@pytest.mark.parametrize("who", ["caller", "callee"])
@pytest.mark.parametrize("transport", ALL)
def test_a_call_that_comes_to_nothing(phones, transport, who):
    """486 or the like of the callee, CANCEL of the caller."""
    alice, bob = phones(transport)
    alice.command("dial", bob.user.aor)
    bob.wait("CALL_INCOMING")
    alice.wait("CALL_RINGING")
    one, other = (alice, bob) if who == "caller" else (bob, alice)
    one.command("hangup")
    other.wait("CALL_CLOSED")


@pytest.fixture
def eve(lab, net):
    """A phone of the tests' own, on TLS."""
    made = Phone(lab.peer(net, "tls"), lab.user())
    made.agent.algorithm = "MD5"
    return made.register()


# What whoever is called says in the name of example.com, with a nonce of its server.
CHALLENGES = {
    "plain": ("udp", 401, "WWW-Authenticate", 'Digest realm="example.com", nonce="%s", qop="auth"'),
    "proxy": ("tcp", 407, "Proxy-Authenticate", 'Digest realm="example.com", nonce="%s", qop="auth", algorithm=MD5'),
    "capital": ("tcp", 401, "www-authenticate", 'DIGEST realm="EXAMPLE.com", nonce="%s"'),
    "escaped": ("udp", 401, "WWW-Authenticate", 'Digest realm="ex\\ample.com", nonce="%s", qop="auth"')}


@pytest.fixture(params=[True, False], ids=["user", "stranger"])
def mallory(lab, net, request):
    """Who is called, and asks for passwords: a user of the domain, or somebody at another address."""
    if request.param:
        made = Phone(lab.peer(net, "udp"), lab.user())
        made.agent.algorithm = "MD5"
        return made.register()
    made = Far(lab, net, "udp")
    made.peer.answer = None
    return made


@pytest.mark.parametrize("method", ["MESSAGE", "INVITE", "BYE"])
@pytest.mark.parametrize("form", CHALLENGES)
def test_it_proves_itself_to_its_server_only(lab, net, baresip, user, mallory, form, method):
    """baresip answers whoever asks, as repro-call-as-another has its victim do. It is not asked, and nobody gets an answer."""
    transport, code, name, challenge = CHALLENGES[form]
    called = mallory.aor if isinstance(mallory, Phone) else mallory.uri
    phone = baresip(user, transport, [called])
    phone.says("[1 binding]")
    probe = Phone(lab.peer(net, "tcp"), lab.user())
    probe.agent.algorithm = "MD5"
    message = probe.agent.new("MESSAGE", "sip:x@example.org")
    probe.send(message)
    nonce = probe.agent.pick(probe.told(message, 407))["nonce"]
    if method == "MESSAGE":
        phone.command("contact_next")
        phone.command("message", "hello")
    else:
        phone.command("dial", called)
    came = mallory.peer.take(lambda m: m.method in ("MESSAGE", "INVITE"), 5)
    if method == "BYE":
        mallory.answer(came, 200, "OK", [("Contact", mallory.contact), ("Content-Type", "application/sdp")], SDP)
        mallory.peer.take(lambda m: m.method == "ACK", 5)
        phone.wait("CALL_ESTABLISHED")
        phone.command("hangup")
        came = mallory.peer.take(lambda m: m.method == "BYE", 5)
    mallory.answer(came, code, "Who Are You", [(name, challenge % nonce)])
    phone.says("\nSIP/2.0 502 Challenge In The Name Of This Server")
    net.idle(0.5)
    assert "Who Are You" not in phone.said()
    assert not [m for m in [came] + mallory.peer.inbox if m.all("Authorization") or m.all("Proxy-Authorization")]
    assert not [m for m in mallory.peer.inbox if m.method != "ACK"]


def test_a_call_to_it_over_tls(net, baresip, user, eve):
    """Set up and ended by the other side, which follows the route set: ACK and BYE reach it."""
    phone = baresip(user, "tls")
    phone.says("[1 binding]")
    invite = eve.agent.new("INVITE", user.aor, {"Contact": eve.contact, "Content-Type": "application/sdp"}, SDP)
    sent = eve.prove_first(invite)
    eve.told(sent, 180)
    net.wait(lambda: phone.happened("CALL_INCOMING"), 5, "the call")
    phone.command("accept")
    answer = eve.told(sent, 200)
    assert b"m=audio" in answer.body
    dialog = Dialog.of_caller(eve, sent, answer)
    eve.send(dialog.new("ACK", number=sent.get("CSeq").split()[0]))
    net.wait(lambda: phone.happened("CALL_ESTABLISHED"), 5, "the ACK")
    net.idle(0.7)  # no 200 comes again
    assert not eve.find(sent, lambda m: m.code == 200)
    bye = dialog.new("BYE")
    eve.send(bye)
    eve.told(bye, 200)
    net.wait(lambda: phone.happened("CALL_CLOSED"), 5, "the end of the call")
