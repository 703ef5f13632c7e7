"""Two domains of vouch with TLS between them: calls, messages and certificates of one for users of the other."""

import pytest
from peer import certs
from peer.identity import Judge
from peer.lab import Process, Server, until
from peer.sipclient import Agent, StreamPeer, Timeout, addr_spec, certificate_of, tag, tls_connect, tls_context


class Other(Server):
    """`vouch lab` for example.org."""

    def start(self):
        arguments = [word for option in self.options for word in ("-o", option)]
        self.process = Process("lab", "--dir", self.directory, "--port", self.port, "--domain", "example.org", *arguments)
        until(lambda: any("domain=example.org" in line for line in self.process.out), 30, "the ready line")
        return self


@pytest.fixture(scope="module")
def domains(labs, tmp_path_factory):
    """example.com and example.org; each knows the other's CA and where it is."""
    base = tmp_path_factory.mktemp("domains")
    com, org = labs.server(), Other(base / "org")
    org.start()
    org.stop()
    both = base / "both.crt"
    both.write_text(com.ca.read_text() + org.ca.read_text())
    com.options = [f"tls.ca={both}", f"route.example.org=tls:127.0.0.1:{org.port + 1}", "notify.interval=0"]
    org.options = [f"tls.ca={both}", f"route.example.com=tls:127.0.0.1:{com.port + 1}", "notify.interval=0"]
    com.start()
    org.start()
    yield com, org
    com.stop()
    org.stop()


def prove(agent, request):
    """The request with an answer to the 407 that it gets, sent."""
    refused = agent.exchange(request)
    assert refused.code == 407, refused.start
    again = agent.authorize(request, agent.pick(refused))
    again.set("Proxy-Authorization", again.get("Authorization")).set("Authorization", None)
    agent.send(again)
    return again


def register(agent, domain):
    made = agent.new("REGISTER", f"sip:{domain}", {"To": f"<sip:{agent.user}@{domain}>",
                                                   "From": f"<sip:{agent.user}@{domain}>;tag=r"})
    made.add("Contact", f"<sip:{agent.user}@{agent.peer.address};transport=tcp>")
    assert agent.run(made)[1].code == 200


def respond(agent, message, code, phrase, **headers):
    lines = [f"SIP/2.0 {code} {phrase}"] + [f"Via: {value}" for value in message.all("Via")]
    lines += [f"Record-Route: {value}" for value in message.all("Record-Route")]
    to = message.one("To") if tag(message.one("To")) else message.one("To") + ";tag=answer"
    lines += [f"From: {message.one('From')}", f"To: {to}", f"Call-ID: {message.one('Call-ID')}",
              f"CSeq: {message.one('CSeq')}"] + [f"{name}: {value}" for name, value in headers.items()]
    agent.peer.send("\r\n".join(lines + ["Content-Length: 0", "", ""]).encode())


@pytest.fixture
def pair(domains, net):
    """Alice of example.com and Bob of example.org, both on connections to their own servers."""
    com, org = domains
    alice, bob = com.lab_user("alice"), org.lab_user("bob")
    alice, bob = com.agent(net, alice, "tcp"), Agent(org.peer(net, "tcp"), bob.name, password=bob.password,
                                                     domain="example.org")
    for agent in (alice, bob):
        agent.peer.behind_proxy, agent.peer.answer = True, None
    register(alice, "example.com")
    register(bob, "example.org")
    return alice, bob


def test_a_call_between_domains(pair):
    alice, bob = pair
    sent = prove(alice, alice.new("INVITE", "sip:bob@example.org", {"Contact": f"<sip:alice@{alice.peer.address}>"}))
    invite = bob.peer.take(lambda m: m.method == "INVITE", 5)
    routes = invite.values("Record-Route")
    # RFC 5658: each server stands between TCP and TLS, so twice each.
    assert [";transport=tls" in one for one in routes] == [False, True, True, False]
    assert not invite.all("Proxy-Authorization")
    respond(bob, invite, 200, "OK", Contact=f"<sip:bob@{bob.peer.address};transport=tcp>")
    answer = alice.peer.take(lambda m: m.code == 200 and m.cseq[1] == "INVITE", 5)
    set_of = list(reversed(answer.values("Record-Route")))
    for method, number in (("ACK", int(sent.get("CSeq").split()[0])), ("BYE", 9)):
        request = alice.new(method, f"sip:bob@{bob.peer.address};transport=tcp", {
            "From": sent.get("From"), "To": answer.one("To"), "Call-ID": sent.get("Call-ID"),
            "CSeq": f"{number} {method}", "Route": ", ".join(set_of)})
        if method == "ACK":
            alice.send(request)
        else:
            prove(alice, request)  # what leaves the domain is signed, in a dialog, too
        came = bob.peer.take(lambda m: m.method == method, 5)
        assert not came.all("Route")
    respond(bob, came, 200, "OK")
    assert alice.peer.take(lambda m: m.code == 200 and m.cseq[1] == "BYE", 5)


def test_a_message_between_domains(pair):
    alice, bob = pair
    prove(alice, alice.new("MESSAGE", "sip:bob@example.org", {"Content-Type": "text/plain"}, b"hello\x00there"))
    message = bob.peer.take(lambda m: m.method == "MESSAGE", 5)
    assert message.body == b"hello\x00there"
    respond(bob, message, 200, "OK")
    assert alice.peer.take(lambda m: m.code == 200 and m.cseq[1] == "MESSAGE", 5)


def test_a_certificate_of_another_domain(domains, pair, net):
    """SUBSCRIBE and NOTIFY through the subscriber's own server: what the other domain signed is still right."""
    com, org = domains
    alice, _ = pair
    owner = org.lab_user("carol")
    secure = StreamPeer(net, tls_connect(org.port + 1, tls_context(org.ca), "example.org"), "TLS")
    owner = Agent(secure, owner.name, password=owner.password, domain="example.org")
    body = certs.certificate("sip:carol@example.org")
    assert owner.publish(body).code == 200
    prove(alice, alice.new("SUBSCRIBE", "sip:carol@example.org", {"Event": "certificate", "Expires": 600}))
    assert alice.peer.take(lambda m: m.code == 200 and m.cseq[1] == "SUBSCRIBE", 5).expires == 600
    notify = alice.peer.take(lambda m: m.method == "NOTIFY", 5)
    assert certificate_of(notify) == body
    assert notify.values("Via")[0] != notify.values("Via")[-1]
    Judge(org.ca, "example.org").check(notify)
    respond(alice, notify, 200, "OK")
    with pytest.raises(Timeout):  # it was taken: no copy comes
        alice.peer.take(lambda m: m.method == "NOTIFY", 1)


def test_a_wrong_name_gets_nothing(labs, domains, net):
    """RFC 5922: the server of example.org is not the one of example.net, wherever the route leads."""
    com, org = domains
    other = labs.server(f"tls.ca={com.options[0].partition('=')[2]}", f"route.example.net=tls:127.0.0.1:{org.port + 1}")
    other.start()
    try:
        alice = other.agent(net, other.lab_user("alice"), "tcp")
        prove(alice, alice.new("MESSAGE", "sip:bob@example.net"))
        assert alice.peer.take(lambda m: m.code, 10).code == 500
        until(lambda: "event=tls_failed" in other.process.log, 5, "the line in the log")
    finally:
        other.stop()


def test_TLS_04_a_connection_under_an_authority_that_was_taken_away(domains, pair):
    """A connection is there already; after the reload nothing more is sent on it, because nobody would trust it now."""
    com, org = domains
    alice, bob = pair
    both = org.directory.parent / "both.crt"
    trusted = both.read_text()

    def message():
        sent = prove(alice, alice.new("MESSAGE", "sip:bob@example.org"))
        return alice.net.wait(lambda: next((m for m in bob.peer.inbox + alice.peer.inbox if m.one("Call-ID") == sent.get("Call-ID")
                                            and (m.method or m.code >= 200)), None), 10, "the message or its refusal")

    came = message()
    assert came.method
    respond(bob, came, 200, "OK")
    try:
        both.write_text(com.ca.read_text())
        assert com.admin("reload").returncode == 0
        assert message().code == 500  # 16.7 6: a 503 of another server is not passed on
    finally:
        both.write_text(trusted)
        assert com.admin("reload").returncode == 0
    assert message().method
