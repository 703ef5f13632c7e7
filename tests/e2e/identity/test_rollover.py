"""The certificate of the domain is rolled over while users send: no verifier of another domain is left behind (row AUT-17)."""

import threading

import pytest
from cryptography import x509
from peer import certs, identity
from peer import lab as program
from peer.abroad import ASSERTED
from peer.lab import OrgServer
from peer.phone import Far, Phone, Sender
from peer.sipclient import addr_spec

MESSAGES, ROLLS = 240, (60, 140)


class Signing:
    """A server whose identity certificate is made anew by roll()."""

    def __init__(self, labs, *options):
        self.directory = labs.directory()
        self.keys = [certs.rsa_key(number) for number in (50, 51, 52)]
        paths = self.make(0)
        self.server = labs.server(f"identity.certificate={paths[0]}", f"identity.key={paths[1]}", *options,
                                  directory=self.directory)

    def make(self, number):
        return program.domain_certificate(self.directory, "domain", "sip:example.com", "DNS:example.com", key=self.keys[number])

    def roll(self, number):
        self.make(number)
        done = self.server.admin("reload")
        assert done.returncode == 0, done.stderr


@pytest.fixture
def signing(labs, tmp_path):
    """example.com, which signs, and example.org, which demands that."""
    com = Signing(labs)
    org = OrgServer(tmp_path / "org")
    org.start()
    org.stop()
    both = tmp_path / "both.crt"
    both.write_text(com.server.ca.read_text() + org.ca.read_text())
    com.server.options += [f"tls.ca={both}", f"route.example.org=tls:127.0.0.1:{org.port + 1}"]
    org.options = [f"tls.ca={both}", "identity.verify-inbound=reject", "identity.require=example.com"]
    com.server.start()
    org.start()
    yield com, org
    com.server.stop()
    org.stop()


def served(uri, server):
    """The certificate at that URL."""
    response = identity.http_get(uri, server.ca)
    assert response.status == 200 and response.getheader("Content-Type") == "application/pkix-cert"
    return x509.load_der_x509_certificate(response.content)


def test_AUT_17_a_stream_of_messages_across_two_roll_overs(signing, net):
    """Each is taken by a server that refuses what it cannot verify; the new URL is used at once; the old ones go on."""
    com, org = signing
    alice = Sender(com.server.peer(net, "tcp"), com.server.user())
    user = org.lab_user("bob")
    bob = Phone(org.peer(net, "tcp"), user, "example.org").register()
    bob.peer.answer = 200
    calls, answers, came, rolled = [], {}, {}, []

    def roll(number):
        com.roll(number)
        rolled.append(len(calls))

    def gather():
        for message in alice.peer.inbox:
            if message.code >= 200:
                answers[message.one("Call-ID")] = message
        for message in bob.peer.inbox:
            came[message.one("Call-ID")] = message
        alice.peer.inbox.clear()
        bob.peer.inbox.clear()

    threads = []
    for number in range(MESSAGES):
        if number in ROLLS:  # while what was sent before is under way
            threads.append(threading.Thread(target=roll, args=(ROLLS.index(number) + 1,)))
            threads[-1].start()
        call_id, raw = alice.octets("MESSAGE", bob.aor, {"To": f"To: <{bob.aor}>"}, f"number {number}".encode())
        calls.append(call_id)
        alice.peer.send(raw)
        net.wait(lambda: gather() or len(answers) > number - 12, 20, "answers")
        if number == ROLLS[1] - 1:
            net.wait(lambda: rolled, 20, "the first roll-over")
    net.wait(lambda: gather() or len(answers) == MESSAGES, 20, "the last answers")
    for thread in threads:
        thread.join(20)
    assert len(rolled) == 2
    assert {answer.code for answer in answers.values()} == {200}
    urls = []
    for call_id in calls:
        assert [addr_spec(value)[0] for value in came[call_id].all(ASSERTED)] == [alice.aor]
        urls.append(identity.identity_info(came[call_id])[0])
    call_id, raw = alice.octets("MESSAGE", bob.aor, {"To": f"To: <{bob.aor}>"}, b"behind both")
    alice.peer.send(raw)
    net.wait(lambda: gather() or call_id in answers, 10, "the answer")
    assert answers[call_id].code == 200
    urls.append(identity.identity_info(came[call_id])[0])
    calls.append(call_id)
    distinct = list(dict.fromkeys(urls))
    assert len(distinct) == 3
    # A few under way may be out of order; none that was sent behind the answer to `reload` has an older URL.
    for count, url in zip(rolled, distinct[1:]):
        assert all(distinct.index(one) >= distinct.index(url) for one in urls[count:])
    for url, key in zip(distinct, com.keys):
        certificate = served(url, com.server)
        assert certs.same_key(certificate, key)
        for call_id, one in zip(calls, urls):
            if one == url:
                identity.verify(came[call_id], certificate.public_key())


def test_AUT_17_at_once_and_without_a_second_key(labs, net):
    """The first request behind the reload has the new URL. A certificate that does not fit its key changes nothing."""
    com = Signing(labs)
    com.server.start()
    try:
        alice, far = Sender(com.server.peer(net, "tcp"), com.server.user()), Far(com.server, net)
        first = identity.identity_info(alice.to(far, "MESSAGE", (), b"hello")[1])[0]
        com.roll(1)
        came = alice.to(far, "MESSAGE", (), b"hello")[1]
        second = identity.identity_info(came)[0]
        assert second != first
        identity.verify(came, served(second, com.server).public_key())
        assert certs.same_key(served(first, com.server), com.keys[0])

        certificate, key = com.make(2)
        key.write_bytes(certs.key_pem(com.keys[1]))
        refused = com.server.admin("reload")
        assert refused.returncode != 0 and refused.stderr
        came = alice.to(far, "MESSAGE", (), b"hello")[1]
        assert identity.identity_info(came)[0] == second
        identity.verify(came, served(second, com.server).public_key())
    finally:
        com.server.stop()


def test_AUT_17_what_is_being_signed_when_the_key_changes(labs, net):
    """A burst right before the reload: each request is right by the certificate that it names."""
    com = Signing(labs, "server.workers=1")
    com.server.start()
    try:
        alice, far = Sender(com.server.peer(net, "tcp"), com.server.user()), Far(com.server, net)
        sent = dict(alice.octets("MESSAGE", far.uri, (), b"hello") for _ in range(200))
        com.make(1)
        thread = threading.Thread(target=com.server.admin, args=("reload",))
        for number, raw in enumerate(sent.values()):
            if number == 50:
                thread.start()
            alice.peer.send(raw)
        net.wait(lambda: len([m for m in far.peer.inbox if m.method]) == len(sent), 20, "all of them")
        thread.join(20)
        keys = {}
        for message in far.peer.inbox:
            assert message.one("Call-ID") in sent
            url = identity.identity_info(message)[0]
            if url not in keys:
                keys[url] = served(url, com.server).public_key()
            identity.verify(message, keys[url])
        assert 1 <= len(keys) <= 2
    finally:
        com.server.stop()
