"""Kamailio as the proxy of another domain, and as one between two domains of vouch."""

import pytest
from others.kamailio import PASSWORD, TLS, Kamailio
from others.program import needs, serves
from peer import certs, digest
from peer.identity import Judge
from peer.lab import Process, Server, User, until
from peer.phone import Dialog, Phone
from peer.sipclient import Agent, StreamPeer, UdpPeer, addr_spec, certificate_of, tls_connect, tls_context, token

pytestmark = [needs("kamailio", "kamailio"),
              pytest.mark.skipif(not TLS, reason="the TLS module of Kamailio is not found (kamailio-tls-modules)")]

BODY = bytes(range(256))
# Users of example.net for whom Kamailio wants a password, and in whose name.
ASKS = {f"{name}{code}": (code, realm) for code in (401, 407)
        for name, realm in (("ours", "example.com"), ("credential", "credential.example.com"), ("theirs", "example.net"))}


@pytest.fixture(scope="module", params=["tls", "tls by address", "tcp", "udp"])
def domains(request, labs, tmp_path_factory):
    """example.com, a vouch, and example.net, a Kamailio, with that transport between them; on TLS it names itself in
    Record-Route by its domain, or, as it does by itself, by its address."""
    folder, com, (link, _, by_address) = tmp_path_factory.mktemp("k"), labs.server(), request.param.partition(" ")
    net = Kamailio(folder, "example.net", {"example.com": (link, com.port + (link == "tls"))}, com.directory, com.ca,
                   named=link == "tls" and not by_address, asks=ASKS)
    com.options = [f"route.example.net={link}:127.0.0.1:{net.port + (link == 'tls')}"]
    com.start()
    try:
        until(lambda: serves(net.port) and serves(net.port + 1) or not net.running(), 10, "the ports of Kamailio")
        assert net.running(), net.said()[-3000:]
        yield com, net, link
    finally:
        com.stop()
        net.stop()


@pytest.fixture
def alice(domains, net):
    com = domains[0]
    return Phone(com.peer(net, "tls"), com.user()).register()


@pytest.fixture
def bob(domains, net):
    """A user of example.net, who needs no password there."""
    user = User(token("bob"), None, "example.net")
    return Phone(UdpPeer(net, ("127.0.0.1", domains[1].port)), user, "example.net").register()


def answered(one, other, sent, came, code=200, headers=(), body=b""):
    other.answer(came, code, "As it pleases", headers, body)
    return one.told(sent, code)


def set_up(one, other):
    """An answered call. Gives the dialogs of both ends."""
    invite = one.agent.new("INVITE", other.aor, {"Contact": one.contact}, BODY)
    sent, came = one.ask(invite, other)
    assert came.body == BODY
    other.answer(came, 180, "Ringing", [("Contact", other.contact)])
    one.told(sent, 180)
    answer = answered(one, other, sent, came, 200, [("Contact", other.contact)], BODY)
    ours, theirs = Dialog.of_caller(one, sent, answer), Dialog.of_callee(other, came)
    assert ours.routes == list(reversed(theirs.routes))
    ack = ours.new("ACK", number=sent.get("CSeq").split()[0])
    one.send(ack)
    acked = one.net.wait(lambda: other.find(ack, lambda m: m.method == "ACK"), 5, "the ACK")
    assert not acked.all("Route")
    return ours, theirs


def hang_up(dialog, other):
    sent, came = dialog.ask(dialog.new("BYE", body=BODY), other)
    assert came.body == BODY and not came.all("Route")
    answered(dialog.phone, other, sent, came)


def is_tls(route):
    return addr_spec(route)[0].startswith("sips:") or ";transport=tls" in route


@pytest.mark.parametrize("caller_ends", [True, False], ids=["caller", "callee"])
def test_a_user_of_ours_calls(domains, alice, bob, caller_ends):
    """Each proxy is twice in Record-Route, for it stands between two transports (RFC 5658)."""
    ours, theirs = set_up(alice, bob)
    link = domains[2]
    assert [is_tls(one) for one in ours.routes[:2]] == [True, link == "tls"]
    assert addr_spec(ours.routes[1])[0].partition("@")[2].startswith("example.com;" if link == "tls" else "127.0.0.1:")
    assert len(ours.routes) == (3 if link == "udp" else 4) and ours.target == bob.uri
    for one, other, dialog in ((alice, bob, ours), (bob, alice, theirs), (alice, bob, ours)):
        sent, came = dialog.ask(dialog.new("INFO", [("Content-Type", "application/octet-stream")], BODY), other)
        assert came.body == BODY and came.uri == other.uri
        answered(one, other, sent, came, body=BODY)
    hang_up(*((ours, bob) if caller_ends else (theirs, alice)))


@pytest.mark.parametrize("caller_ends", [True, False], ids=["caller", "callee"])
def test_a_stranger_calls(alice, bob, caller_ends):
    """Nobody asks him for a password, but the user of ours is let out of the domain in this dialog, too."""
    ours, theirs = set_up(bob, alice)
    again = theirs.new("INVITE", [("Contact", alice.contact)], BODY)
    sent, came = theirs.ask(again, bob)
    answered(alice, bob, sent, came, 200, [("Contact", bob.contact)], BODY)
    ack = theirs.new("ACK", number=sent.get("CSeq").split()[0])
    alice.send(ack)
    alice.net.wait(lambda: bob.find(ack, lambda m: m.method == "ACK"), 5, "the second ACK")
    hang_up(*((ours, alice) if caller_ends else (theirs, bob)))


def test_a_user_of_ours_on_udp_calls(domains, net, bob):
    """His address is no proof: what he sends out of the domain is challenged in the dialog, too (G16)."""
    com = domains[0]
    carol = Phone(com.peer(net, "udp"), com.user()).register()
    ours, theirs = set_up(carol, bob)
    sent, came = theirs.ask(theirs.new("INFO"), carol)
    answered(bob, carol, sent, came)
    bye = ours.new("BYE")
    sent, came = ours.ask(bye, bob)
    assert sent is not bye and sent.get("Proxy-Authorization") and not came.all("Proxy-Authorization")
    answered(carol, bob, sent, came)


def test_messages_both_ways(alice, bob):
    """EXM-16."""
    for one, other in ((alice, bob), (bob, alice)):
        sent, came = one.ask(one.agent.new("MESSAGE", other.aor, {"Content-Type": "application/octet-stream"}, BODY), other)
        assert came.body == BODY and not came.all("Record-Route") and not came.all("Proxy-Authorization")
        assert len(came.values("Via")) == 3
        answered(one, other, sent, came, body=BODY)


@pytest.mark.parametrize("out", [True, False], ids=["out", "in"])
def test_calls_that_come_to_nothing(alice, bob, out):
    """486 comes back, and is acknowledged hop by hop; CANCEL goes through, and 487 comes back."""
    one, other = (alice, bob) if out else (bob, alice)
    sent, came = one.ask(one.agent.new("INVITE", other.aor, {"Contact": one.contact}), other)
    one.send(one.ack_of_failure(sent, answered(one, other, sent, came, 486)))
    acked = sent.copy().set("CSeq", f"{came.cseq[0]} ACK")
    assert one.net.wait(lambda: other.find(acked, lambda m: m.method), 5, "the ACK").branch == came.branch

    sent, came = one.ask(one.agent.new("INVITE", other.aor, {"Contact": one.contact}), other)
    other.answer(came, 180, "Ringing")
    one.told(sent, 180)
    cancel = one.ack_of_failure(sent, came)
    cancel.method = "CANCEL"
    one.send(cancel.set("CSeq", f"{came.cseq[0]} CANCEL"))
    one.told(cancel, 200)
    cancelled = one.net.wait(lambda: other.find(cancel, lambda m: m.method), 5, "the CANCEL")
    assert cancelled.branch == came.branch
    other.answer(cancelled, 200)
    answered(one, other, sent, came, 487)


@pytest.mark.parametrize("method", ["MESSAGE", "INVITE", "SUBSCRIBE"])
@pytest.mark.parametrize("user", ASKS)
def test_kamailio_asks_for_a_password(domains, alice, user, method):
    """RFC 3261 22.1, DIG-10: in the name of example.com only example.com asks. A challenge of example.net's own comes through,
    and what answers it, in the same header field as what example.com was told."""
    between, (code, realm), uri = domains[1], ASKS[user], f"sip:{user}@example.net"
    asked = alice.agent.new(method, uri, {"Contact": alice.contact, "Event": "presence"})
    alice.send(asked)
    ours = alice.agent.pick(alice.told(asked, 407))

    def told(theirs, count):
        """What comes of the request with an answer to the challenge of each."""
        again = alice.agent.authorize(asked, ours, nc=count).set("CSeq", f"{count + 1} {method}")
        again.set("Proxy-Authorization", again.get("Authorization")).set("Authorization", None)
        if theirs:
            again.add("Authorization" if code == 401 else "Proxy-Authorization",
                      digest.answer(theirs, user, PASSWORD, method, uri))
        alice.send(again)
        answer = alice.net.wait(lambda: alice.find(again, lambda m: m.code and m.code >= 200), 5, "the answer")
        if method == "INVITE" and answer.code >= 300:
            alice.send(alice.ack_of_failure(again, answer))
        return answer

    answer = told(None, 1)
    if realm == "example.net":
        challenge, = digest.challenges(answer)
        assert answer.code == code and challenge["realm"] == "example.net"
        assert told(challenge, 2).start == "SIP/2.0 200 Known"
        assert 'realm="example.net"' in between.said()
    else:
        assert answer.start == "SIP/2.0 502 Challenge In The Name Of This Server" and not digest.challenges(answer)
    seen = [line for line in between.said().splitlines() if "with <" in line]
    assert seen and not [line for line in seen if "example.com" in line]


def test_presence_of_a_stranger(alice, bob):
    """SUBSCRIBE out, NOTIFYs in, refresh out: a dialog whose other end sends first."""
    asked = alice.agent.new("SUBSCRIBE", bob.aor, {"Event": "presence", "Expires": 600, "Contact": alice.contact})
    sent, came = alice.ask(asked, bob)
    answer = answered(alice, bob, sent, came, 200, [("Expires", 600), ("Contact", bob.contact)])
    ours, theirs = Dialog.of_caller(alice, sent, answer), Dialog.of_callee(bob, came)
    for state, expires in (("active;expires=600", 600), ("terminated;reason=timeout", 0)):
        fields = [("Event", "presence"), ("Subscription-State", state), ("Contact", bob.contact)]
        sent, came = theirs.ask(theirs.new("NOTIFY", fields, BODY), alice)
        assert came.body == BODY
        answered(bob, alice, sent, came)
        if expires:
            fields = [("Event", "presence"), ("Expires", 0), ("Contact", alice.contact)]
            sent, came = ours.ask(ours.new("SUBSCRIBE", fields), bob)
            answered(alice, bob, sent, came, 200, [("Expires", 0), ("Contact", bob.contact)])


def test_a_stranger_watches_a_certificate(domains, bob):
    """CRT-14, CRT-18: SUBSCRIBE of a user of example.net for a certificate of ours; each NOTIFY is signed, and right behind
    Kamailio, too. It is larger than a datagram may be (CRT-13): where the way is UDP it goes by TCP."""
    com, between, link = domains
    owner = com.user()
    judge, carol = Judge(com.ca), com.agent(bob.net, owner)
    first = certs.certificate(owner.aor)
    assert carol.publish(first).code == 200
    asked = bob.agent.new("SUBSCRIBE", owner.aor, {"Event": "certificate", "Expires": 600, "Contact": bob.contact})

    def accepted(request):
        """Over UDP Kamailio's address is to be proven first, which takes an answer of whoever asked (CRT-32)."""
        bob.send(request)
        answer = bob.net.wait(lambda: bob.find(request, lambda m: m.code), 5, "an answer")
        if answer.code == 401 and link == "udp":
            request = bob.agent.authorize(request, bob.agent.pick(answer), user="anonymous", password="")
            bob.send(request)
            answer = bob.told(request, 200)
        assert answer.code == 200
        return request, answer

    dialog = Dialog.of_caller(bob, *accepted(asked))

    def notified(content, state="active"):
        notify = bob.peer.take(lambda m: m.method == "NOTIFY", 5)
        assert certificate_of(notify) == content and notify.state[0] == state
        by = notify.values("Via")[1].split()[0].rpartition("/")[2]
        assert by == ("TLS" if link == "tls" else "TCP" if content else by)
        judge.check(notify)
        bob.answer(notify, 200)

    notified(first)
    fields = [("Event", "certificate"), ("Expires", 300), ("Contact", bob.contact)]
    refresh, answer = accepted(dialog.new("SUBSCRIBE", fields))
    dialog.number = int(refresh.get("CSeq").split()[0])
    assert answer.expires == 300
    notified(first)
    carol.revoke()
    notified(b"")


class Org(Server):
    """`vouch lab` for example.org."""

    def start(self):
        arguments = [word for option in self.options for word in ("-o", option)]
        self.process = Process("lab", "--dir", self.directory, "--port", self.port, "--domain", "example.org", *arguments)
        until(lambda: any("domain=example.org" in line for line in self.process.out), 30, "the ready line")
        return self


@pytest.fixture(scope="module")
def chain(labs, tmp_path_factory):
    """example.com and example.org, both vouch, and Kamailio between them; TLS on both links. Kamailio has a certificate that
    is good for example.net, where it is reached, and for each of the two, whose way leads through it."""
    folder, com = tmp_path_factory.mktemp("c"), labs.server()
    org = Org(folder / "org")
    org.start()
    org.stop()
    both = folder / "both.crt"
    both.write_text(com.ca.read_text() + org.ca.read_text())
    between = Kamailio(folder, "example.net", {"example.com": ("tls", com.port + 1), "example.org": ("tls", org.port + 1)},
                       com.directory, both, names=("example.com", "example.org"), named=True)
    for one, other in ((com, "example.org"), (org, "example.com")):
        one.options = [f"tls.ca={both}", "notify.interval=0", *(f"route.{name}=tls:127.0.0.1:{between.port + 1}"
                                                                for name in ("example.net", other))]
    com.start()
    org.start()
    try:
        until(lambda: serves(between.port + 1) or not between.running(), 10, "the port of Kamailio")
        yield com, between, org
    finally:
        com.stop()
        org.stop()
        between.stop()


class Watch:
    """Carol of example.org, who has published a certificate, and a subscriber of example.com."""

    def __init__(self, chain, net):
        com, self.between, self.org = chain
        self.alice, owner = Phone(com.peer(net, "tls"), com.user()).register(), self.org.lab_user("carol")
        secure = StreamPeer(net, tls_connect(self.org.port + 1, tls_context(self.org.ca), "example.org"), "TLS")
        self.carol, self.judge = Agent(secure, owner.name, "example.org", owner.password), Judge(self.org.ca, "example.org")
        self.first, self.second = (certs.certificate("sip:carol@example.org", key=certs.rsa_key(number)) for number in (1, 2))
        assert self.carol.publish(self.first).code == 200
        asked = self.alice.prove_first(self.alice.agent.new("SUBSCRIBE", "sip:carol@example.org", {
            "Event": "certificate", "Expires": 600, "Contact": self.alice.contact}))
        granted = self.alice.told(asked, 200)
        assert granted.expires == 600 and [is_tls(one) for one in granted.values("Record-Route")] == [False, True, True]
        self.dialog = Dialog.of_caller(self.alice, asked, granted)

    def notified(self, content, state="active"):
        """The next NOTIFY: through both others, and signed by example.org."""
        notify = self.alice.peer.take(lambda m: m.method == "NOTIFY", 5)
        assert certificate_of(notify) == content and notify.state[0] == state
        vias = notify.values("Via")
        assert len(vias) == 3 and f":{self.org.port + 1}" in vias[2] and f":{self.between.port + 1}" in vias[1]
        self.judge.check(notify)
        self.alice.answer(notify, 200)

    def again(self, expires):
        """A SUBSCRIBE in the dialog."""
        fields = [("Event", "certificate"), ("Expires", expires), ("Contact", self.alice.contact)]
        refresh = self.alice.prove_first(self.dialog.new("SUBSCRIBE", fields))
        assert self.alice.told(refresh, 200, 2).expires == expires


@pytest.fixture
def watch(chain, net):
    return Watch(chain, net)


def test_certificates_through_three_proxies(watch, net):
    """CRT-26, CRT-18: what example.org signed reaches a subscriber of example.com through Kamailio, and is still right: a
    certificate, the next one, and that it was revoked."""
    watch.notified(watch.first)
    assert watch.carol.publish(watch.second).code == 200
    watch.notified(watch.second)
    watch.carol.revoke()
    watch.notified(b"")
    net.idle(0.7)  # each was taken: no copy comes
    assert not [m for m in watch.alice.peer.inbox if m.method == "NOTIFY"]
    came = f"came NOTIFY {watch.alice.uri}"
    net.wait(lambda: watch.between.said().count(came) >= 3, 5, "the lines of Kamailio's log")
    assert watch.between.said().count(came) == 3


def test_a_subscription_through_three_proxies_is_refreshed(watch):
    """The 200 to a SUBSCRIBE that came by TLS with a sip Request-URI must have a Contact that the next proxy can reach."""
    watch.notified(watch.first)
    watch.again(300)
    watch.notified(watch.first)
    watch.again(0)
    watch.notified(watch.first, "terminated")
