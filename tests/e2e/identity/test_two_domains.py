"""Two domains of vouch that demand signatures of each other: what their users do works, and is proven at each step."""

import pytest
from peer import certs, digest
from peer.abroad import ASSERTED
from peer.identity import Judge
from peer.lab import OrgServer, vouch
from peer.phone import Dialog, Phone
from peer.sipclient import Agent, StreamPeer, Timeout, addr_spec, certificate_of, tls_connect, tls_context

SDP = b"v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\nm=audio 4000 RTP/AVP 0\r\n"


@pytest.fixture(scope="module", params=["tls", "tcp", "udp"])
def domains(request, labs, tmp_path_factory):
    """example.com and example.org; between them is that transport."""
    base, link = tmp_path_factory.mktemp("demanding"), request.param
    com, org = labs.server(), OrgServer(base / "org")
    org.start()
    org.stop()
    both = base / "both.crt"
    both.write_text(com.ca.read_text() + org.ca.read_text())
    for one, other, name in ((com, org, "example.org"), (org, com, "example.com")):
        one.options = [f"tls.ca={both}", f"route.{name}={link}:127.0.0.1:{other.port + (link == 'tls')}", "notify.interval=0",
                       "identity.verify-inbound=reject", f"identity.require={name}", "limits.idle-timeout=2"]
    com.start()
    org.start()
    yield com, org
    com.stop()
    org.stop()


@pytest.fixture
def judges(domains):
    com, org = domains
    return {"example.com": Judge(com.ca), "example.org": Judge(org.ca, "example.org")}


@pytest.fixture(params=["udp", "tcp"])
def pair(request, domains, net):
    """Alice of example.com and Bob of example.org."""
    com, org = domains
    return (Phone(com.peer(net, request.param), com.user()).register(),
            Phone(org.peer(net, request.param), org.user(), "example.org").register())


def passed(one, other, sent, came, judges, code=200, headers=(), body=b""):
    """Answered, and right: the judge says so, and the phone was told."""
    judges[one.domain].check(came)
    assert [addr_spec(value)[0] for value in came.all(ASSERTED)] == [one.aor]
    other.answer(came, code, "As it pleases", headers, body)
    answer = one.told(sent, code)
    assert not answer.all("Identity") and not answer.all("Identity-Info")
    return answer


@pytest.mark.parametrize("who", ["alice", "bob"])
def test_calls(pair, judges, who):
    """INVITE, and in the dialog INFO both ways, INVITE again, BYE of the other end: each is signed by the domain of its
    sender, and let in by the other."""
    one, other = pair if who == "alice" else reversed(pair)
    invite = one.agent.new("INVITE", other.aor, {"Contact": one.contact, "Content-Type": "application/sdp"}, SDP)
    sent, came = one.ask(invite, other)
    assert came.body == SDP
    answer = passed(one, other, sent, came, judges, 200, [("Contact", other.contact)], SDP)
    ours, theirs = Dialog.of_caller(one, sent, answer), Dialog.of_callee(other, came)
    ack = ours.new("ACK", number=sent.get("CSeq").split()[0])
    one.send(ack)
    acked = one.net.wait(lambda: other.find(ack, lambda m: m.method == "ACK"), 5, "the ACK")
    assert not acked.all("Identity") and not acked.all(ASSERTED)
    for dialog, sender, taker in ((ours, one, other), (theirs, other, one), (ours, one, other)):
        request = dialog.new("INFO", [("Content-Type", "application/octet-stream")], bytes(range(256)))
        passed(sender, taker, *dialog.ask(request, taker), judges)
    again = theirs.new("INVITE", [("Contact", other.contact), ("Content-Type", "application/sdp")], SDP)
    sent, came = theirs.ask(again, one)
    passed(other, one, sent, came, judges, 200, [("Contact", one.contact)], SDP)
    ack = theirs.new("ACK", number=sent.get("CSeq").split()[0])
    other.send(ack)
    other.net.wait(lambda: one.find(ack, lambda m: m.method == "ACK"), 5, "the second ACK")
    passed(other, one, *theirs.ask(theirs.new("BYE"), one), judges)


def test_calls_that_come_to_nothing(pair, judges):
    one, other = pair
    sent, came = one.ask(one.agent.new("INVITE", other.aor, {"Contact": one.contact}, SDP), other)
    one.send(one.ack_of_failure(sent, passed(one, other, sent, came, judges, 486)))
    sent, came = one.ask(one.agent.new("INVITE", other.aor, {"Contact": one.contact}, SDP), other)
    other.answer(came, 180, "Ringing")
    one.told(sent, 180)
    cancel = one.ack_of_failure(sent, came)
    cancel.method = "CANCEL"
    one.send(cancel.set("CSeq", f"{came.cseq[0]} CANCEL"))
    one.told(cancel, 200)
    cancelled = one.net.wait(lambda: other.find(cancel, lambda m: m.method), 5, "the CANCEL")
    assert not cancelled.all("Identity") and not cancelled.all("Identity-Info")
    other.answer(cancelled, 200)
    other.answer(came, 487)
    one.told(sent, 487)


def test_messages_both_ways(pair, judges):
    for one, other in (pair, reversed(pair)):
        for body in (b"", b"\0a|b", bytes(range(256)) * 20):
            passed(one, other, *one.ask(one.agent.new("MESSAGE", other.aor, {}, body), other), judges)


def test_presence(pair, judges):
    """NOTIFY comes back first, signed by the domain of who is watched."""
    one, other = pair
    asked = one.agent.new("SUBSCRIBE", other.aor, {"Event": "presence", "Expires": 600, "Contact": one.contact})
    sent, came = one.ask(asked, other)
    answer = passed(one, other, sent, came, judges, 200, [("Expires", 600), ("Contact", other.contact)])
    theirs, ours = Dialog.of_callee(other, came), Dialog.of_caller(one, sent, answer)
    for state in ("active;expires=600", "active;expires=599"):
        notify = theirs.new("NOTIFY", [("Event", "presence"), ("Subscription-State", state), ("Contact", other.contact)], b"<p/>")
        passed(other, one, *theirs.ask(notify, one), judges)
    refresh = ours.new("SUBSCRIBE", [("Event", "presence"), ("Expires", 0), ("Contact", one.contact)])
    passed(one, other, *ours.ask(refresh, other), judges, 200, [("Expires", 0), ("Contact", other.contact)])


def watch(phone, user):
    """A certificate subscription in the other domain. Over UDP that domain wants to know whether the proxy in front gets what
    is sent to it (CRT-32): the phone answers to that as "anonymous", and to its own proxy as itself."""
    asked = phone.agent.new("SUBSCRIBE", user.aor, {"Event": "certificate", "Expires": 600, "Contact": phone.contact})
    asked = phone.prove_first(asked)
    answer = phone.net.wait(lambda: phone.find(asked, lambda m: m.code), 5, "an answer")
    if answer.code == 401:
        challenge, = digest.challenges(answer)
        assert challenge["realm"] == user.aor.partition("@")[2]
        proven = digest.answer(challenge, "anonymous", "", "SUBSCRIBE", asked.uri)
        again = asked.copy().set("Via", phone.peer.via()).set("CSeq", f"{int(asked.get('CSeq').split()[0]) + 1} SUBSCRIBE")
        again.set("Proxy-Authorization", None).set("Authorization", proven)
        phone.send(again)
        refused = phone.told(again, 407)
        asked = phone.prove(again, refused).set("Authorization", proven)
        phone.send(asked)
        answer = phone.net.wait(lambda: phone.find(asked, lambda m: m.code), 5, "an answer")
    assert answer.code == 200, answer.start


def test_CRT_28_a_watcher_hears_after_the_link_has_ended(domains, pair, judges, net):
    """The connection between the two proxies ends in silence; the next NOTIFY finds its way as any request in a dialog."""
    com, org = domains
    one, _ = pair
    carol = org.user()
    secure = StreamPeer(net, tls_connect(org.port + 1, tls_context(org.ca), "example.org"), "TLS")
    owner = Agent(secure, carol.name, password=carol.password, domain="example.org")
    watch(one, carol)
    one.answer(one.peer.take(lambda m: m.method == "NOTIFY", 5), 200)
    net.idle(3.5)  # limits.idle-timeout is 2
    for body in (certs.certificate(carol.aor), b""):
        assert (owner.publish(body) if body else owner.revoke()).code == 200
        notify = one.peer.take(lambda m: m.method == "NOTIFY", 10)
        judges["example.org"].check(notify)
        assert certificate_of(notify) == body
        one.answer(notify, 200)


def test_CRT_32_the_verb_proves_its_address(domains):
    """vouch certificate of example.com watches a user of example.org."""
    com, org = domains
    carol = org.user()
    account = com.directory / "alice-of-both.account"
    text = (com.directory / "alice.account").read_text()
    account.write_text(text.replace("ca = ca.crt", com.options[0].replace("tls.ca=", "ca = ")))
    account.chmod(0o600)
    asked = vouch("certificate", "-a", account, carol.aor)
    assert asked.returncode == 5, asked.stderr  # there is none, and that was told


def test_certificates(domains, pair, judges, net):
    """CRT-26: the NOTIFY of the credential service of example.org is let in by example.com, which demands that it is signed."""
    _, org = domains
    one, _ = pair
    carol = org.user()
    secure = StreamPeer(net, tls_connect(org.port + 1, tls_context(org.ca), "example.org"), "TLS")
    owner = Agent(secure, carol.name, password=carol.password, domain="example.org")
    body = certs.certificate(carol.aor)
    assert owner.publish(body).code == 200
    watch(one, carol)
    notify = one.peer.take(lambda m: m.method == "NOTIFY", 5)
    assert certificate_of(notify) == body
    judges["example.org"].check(notify)
    assert [addr_spec(value)[0] for value in notify.all(ASSERTED)] == [carol.aor]
    one.answer(notify, 200)
    owner.revoke()
    notify = one.peer.take(lambda m: m.method == "NOTIFY", 5)
    judges["example.org"].check(notify)
    assert certificate_of(notify) == b""
    one.answer(notify, 200)
    with pytest.raises(Timeout):  # it was taken: no copy comes
        one.peer.take(lambda m: m.method == "NOTIFY", 0.7)
