"""linphonec: registrations, messages and calls over UDP, TCP and TLS, ended by both sides.

It takes the SHA-256 challenge. It checks the chain of our certificate; the name would be 127.0.0.1, which its TLS library does
not find among the names of a certificate. Where a server asks for a TLS client certificate linphonec asks its user for a
password and waits, so this server does not ask."""

import pytest
from others.baresip import MODULES, Baresip
from others.linphone import Linphone
from others.program import find, needs
from peer import certs
from peer.lab import running, until
from peer.phone import registered

pytestmark = needs("linphone-cli", "linphonec")


@pytest.fixture(scope="module")
def lab(labs):
    yield from running(labs, "tls.client-certificate=off")


@pytest.fixture
def linphone(lab, tmp_path):
    """Starts phones: linphone(user, transport, ...)."""
    made = []

    def start(*arguments, server=None, **options):
        made.append(Linphone(tmp_path, server or lab, *arguments, **options))
        return made[-1]

    yield start
    for one in made:
        one.stop()


@pytest.fixture(scope="module", params=["udp", "tcp", "tls"])
def phones(request, lab, tmp_path_factory):
    """Two registered ones."""
    folder, made = tmp_path_factory.mktemp("linphone"), []
    try:
        for _ in range(2):
            made.append(Linphone(folder, lab, lab.user(), request.param))
        for one in made:
            one.registration("Ok")
        yield made
    finally:
        for one in made:
            one.stop()


def test_register(lab, net, phones):
    for phone in phones:
        contacts = registered(lab, net, phone.user)
        assert len(contacts) == 1 and contacts[0].startswith(f"<sip:{phone.user.name}@127.0.0.1:")


def test_messages(phones):
    """Each is challenged once (407), and reaches the other, as does the note that it did (EXM-16)."""
    alice, bob = phones
    for one, other, text in ((alice, bob, "how are you?"), (bob, alice, "well: a=1, \\o/")):
        one.command(f"chat {other.user.aor} {text}")
        other.hears(f"Message received from {one.user.aor}: {text}")


def ring(one, other):
    one.command(f"call {other.user.aor}")
    other.hears(f"incoming call from {one.user.aor}")
    one.hears("ringing")


@pytest.mark.parametrize("ends", ["caller", "callee"])
def test_a_call(phones, ends):
    """INVITE, 180, 200, ACK, BYE."""
    alice, bob = phones
    ring(alice, bob)
    bob.command("answer")
    for one in (alice, bob):
        one.hears("connected")
        one.hears("Media streams established")
    one, other = (alice, bob) if ends == "caller" else (bob, alice)
    one.command("terminate")
    for each in (other, one):
        each.hears("ended")


@pytest.mark.parametrize("ends", ["caller", "callee"])
def test_a_call_that_comes_to_nothing(phones, ends):
    """CANCEL, and a refusal."""
    alice, bob = phones
    ring(bob, alice)
    one, other = (bob, alice) if ends == "caller" else (alice, bob)
    one.command("terminate")
    other.hears("ended" if ends == "caller" else "declined")


def test_it_unregisters_when_it_ends(lab, net, linphone, user):
    phone = linphone(user, "tls")
    phone.registration("Ok")
    assert len(registered(lab, net, user)) == 1
    phone.command("quit")
    until(lambda: not phone.running(), 10, "the end of linphonec")
    assert registered(lab, net, user) == []


def test_register_with_a_wrong_password(lab, net, linphone, user):
    linphone(user, "tls", password="wrong").registration("Failed")
    assert registered(lab, net, user) == []


def test_register_where_it_does_not_trust_us(lab, net, linphone, user, tmp_path):
    """TLS-04: no octet of SIP goes to a server whose certificate is of another CA."""
    stranger = tmp_path / "stranger.crt"
    stranger.write_bytes(certs.pem(certs.authority(certs.rsa_key(60), "strangers")[0]))
    phone = linphone(user, "tls", ca=stranger)
    until(lambda: "side=server name=- reason=the\\x20peer\\x20sent\\x20alert" in lab.process.log, 10, "its refusal")
    assert registered(lab, net, user) == [] and "registered, identity" not in phone.said()


@pytest.mark.skipif(not find("baresip") or not MODULES, reason="baresip is not installed (baresip-core)")
def test_it_calls_baresip_over_tls(server, linphone, tmp_path):
    """Phones of two makes. It is linphonec that hangs up, for baresip 1.0 cannot over TLS: see test_phones.py."""
    lab = server("tls.client-certificate=off")
    alice, bob = linphone(lab.user(), "tls", server=lab), Baresip(tmp_path, lab, lab.user(), "tls")
    try:
        alice.registration("Ok")
        bob.says("[1 binding]")
        alice.command(f"call {bob.user.aor}")
        bob.wait("CALL_INCOMING")
        alice.hears("ringing")
        bob.command("accept")
        alice.hears("connected")
        bob.wait("CALL_ESTABLISHED")
        alice.command(f"chat {bob.user.aor} in the call")
        bob.says("\n\nin the call")
        alice.command("terminate")
        bob.wait("CALL_CLOSED")
    finally:
        bob.stop()
