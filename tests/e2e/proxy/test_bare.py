"""A phone that has no route set although the call was recorded: Twinkle takes it from nothing but the first response, and
linphone's 180 has no Contact, which makes no dialog (RFC 3261 12.1). It sends the ACK, and all that follows, to the Contact of
the other end by its outbound proxy. An ACK cannot be challenged: so it has to be the ACK of that answer, in all that it has."""

import pytest
from peer.lab import running, vouch
from peer.phone import Dialog, Far, Phone
from peer.sipclient import Agent, tag
from peer.witness import Witness

TRANSPORTS = ("udp", "tcp", "tls")


@pytest.fixture(scope="module")
def lab(labs):
    """Requests may go anywhere: nothing but who sends them is in their way."""
    yield from running(labs, "proxy.reach=any", "identity.sign=off")


def answered(one, other):
    """A call that other answers; gives both ends of its dialog, that of the caller without a route, and the 200."""
    sent, came = one.ask(one.agent.new("INVITE", other.aor if isinstance(other, Phone) else "sip:bob@example.org", {
        "Contact": one.contact, **({} if isinstance(other, Phone) else {"Route": f"<{other.uri};lr>"})}), other)
    other.answer(came, 200, "OK", [("Contact", other.contact)])
    ok = one.told(sent, 200)
    assert ok.values("Record-Route")
    ours = Dialog.of_caller(one, sent, ok)
    ours.routes = []
    return ours, Dialog.of_callee(other, came), ok


def has_come(net, other, request):
    return net.wait(lambda: other.find(request, lambda m: m.method == request.method), 5, request.method)


@pytest.mark.parametrize("private", [False, True], ids=["", "behind a NAT"])
@pytest.mark.parametrize("second", TRANSPORTS)
@pytest.mark.parametrize("first", TRANSPORTS)
def test_a_call_without_its_route_set(lab, net, first, second, private):
    one, other = (Phone(lab.peer(net, transport), lab.user()) for transport in (first, second))
    if private:
        other.uri = f"sip:me@10.1.2.3:5060;transport={second}"
        other.contact = f"<{other.uri}>"
    one.register()
    other.register()
    ours, theirs, _ = answered(one, other)
    for _ in range(2):  # and as often as it is sent
        ack = ours.new("ACK", number=ours.number)
        one.send(ack)
        has_come(net, other, ack)
    sent, came = ours.ask(ours.new("INVITE", [("Contact", one.contact)]), other)
    other.answer(came, 200, "OK", [("Contact", other.contact)])
    one.told(sent, 200)
    ack = ours.new("ACK", number=ours.number)
    one.send(ack)
    has_come(net, other, ack)
    sent, came = theirs.ask(theirs.new("INFO"), one)
    one.answer(came, 200)
    other.told(sent, 200)
    sent, came = ours.ask(ours.new("BYE"), other)
    other.answer(came, 200)
    one.told(sent, 200)


@pytest.mark.parametrize("transport", ["udp", "tcp"])
def test_a_call_to_another_domain_without_its_route_set(lab, net, transport):
    one, far = Phone(lab.peer(net, "udp"), lab.user()).register(), Far(lab, net, transport)
    far.peer.answer = None
    ours, _, _ = answered(one, far)
    ack = ours.new("ACK", number=ours.number)
    one.send(ack)
    has_come(net, far, ack)


# What makes it another ACK: the same in all but one thing. WITNESS listens, and would see it.
CHANGES = {
    "another place": lambda ack, witness: setattr(ack, "uri", witness),
    "by a route": lambda ack, witness: ack.set("Route", f"<{witness};lr>"),
    "by a strict route": lambda ack, witness: ack.set("Route", f"<{witness}>"),
    "a place in its parameters": lambda ack, witness: setattr(ack, "uri", f"{ack.uri};maddr={witness.split('@')[1]}"),
    "another callee": lambda ack, _: ack.set("To", ack.get("To").replace("tag=", "tag=x")),
    "no callee": lambda ack, _: ack.set("To", ack.get("To").partition(";tag=")[0]),
    "another caller": lambda ack, _: ack.set("From", ack.get("From").replace("tag=", "tag=x")),
    "another call": lambda ack, _: ack.set("Call-ID", "x" + ack.get("Call-ID")),
    "another number": lambda ack, _: ack.set("CSeq", f"{int(ack.get('CSeq').split()[0]) + 1} ACK"),
}


def dropped(lab, net, sender, ack, *ends):
    """The server has seen it, and it went to none of them."""
    sender.send(ack)
    probe = Agent(sender.peer, "x", "example.org").new("OPTIONS", "sip:example.com")
    sender.send(probe)
    net.wait(lambda: sender.find(probe, lambda m: m.code), 5, "OPTIONS")
    net.idle(0.05)
    for end in ends:
        assert not (end.hit() if isinstance(end, Witness) else
                    [m for m in end.peer.inbox if m.method == "ACK"]), ack.encode().decode()


@pytest.mark.parametrize("transport", ["udp", "tcp"])
@pytest.mark.parametrize("change", CHANGES)
def test_an_ack_of_somebody_else_goes_nowhere(lab, net, change, transport):
    one, other = Phone(lab.peer(net, "udp"), lab.user()).register(), Phone(lab.peer(net, "tcp"), lab.user()).register()
    ours, _, _ = answered(one, other)
    witness = Witness("127.0.0.9")
    try:
        ack = ours.new("ACK", number=ours.number)
        CHANGES[change](ack, witness.uri(transport))
        dropped(lab, net, one, ack, other, witness)
        one.send(ours.new("ACK", number=ours.number))
        has_come(net, other, ours.new("ACK", number=ours.number))
    finally:
        witness.close()


def test_an_ack_from_elsewhere_goes_nowhere(lab, net):
    one, other = Phone(lab.peer(net, "udp"), lab.user()).register(), Phone(lab.peer(net, "tcp"), lab.user()).register()
    ours, _, _ = answered(one, other)
    stranger = Phone(lab.peer(net, "udp", "127.0.0.8"), one.user)
    dropped(lab, net, stranger, ours.new("ACK", number=ours.number), other)


def test_digest_insecure_off_no_ack_by_another_way(server, net):
    other = server("digest.insecure=off", "identity.sign=off", "proxy.reach=any")
    one, callee = (Phone(other.peer(net, "tls"), other.user()).register() for _ in range(2))
    ours, _, _ = answered(one, callee)
    for transport in ("udp", "tcp"):
        elsewhere = Phone(other.peer(net, transport), one.user)
        dropped(other, net, elsewhere, ours.new("ACK", number=ours.number), callee)
    one.send(ours.new("ACK", number=ours.number))
    has_come(net, callee, ours.new("ACK", number=ours.number))


GOING = {"deleted": (("del", None),), "another password": (("passwd", "another secret"),),
         "deleted and made again": (("del", None), ("add", "another secret"))}


@pytest.mark.parametrize("routed", [False, True], ids=["bare", "with its route"])
@pytest.mark.parametrize("how", GOING)
def test_G37_an_ack_of_who_is_gone_goes_nowhere(lab, net, how, routed):
    """The ACK of an answer from before is that of a user who is there no more, however often it came before."""
    one, other = Phone(lab.peer(net, "udp"), lab.user()).register(), Phone(lab.peer(net, "tcp"), lab.user()).register()
    ours, _, ok = answered(one, other)
    if routed:
        ours.routes = list(reversed(ok.values("Record-Route")))
    ack = ours.new("ACK", number=ours.number)
    one.send(ack)
    has_come(net, other, ack)
    other.peer.inbox[:] = [m for m in other.peer.inbox if m.method != "ACK"]
    for verb, password in GOING[how]:
        done = vouch("user", verb, one.user.aor, "-c", lab.conf, stdin=f"{password}\n" if password else "")
        assert done.returncode == 0, done.stderr
    dropped(lab, net, one, ack, other)


def test_an_ack_before_the_answer_goes_nowhere(lab, net):
    one, other = Phone(lab.peer(net, "udp"), lab.user()).register(), Phone(lab.peer(net, "tcp"), lab.user()).register()
    sent, came = one.ask(one.agent.new("INVITE", other.aor, {"Contact": one.contact}), other)
    for code in (180, 486):
        other.answer(came, code, "No", [("Contact", other.contact)])
        ours = Dialog.of_caller(one, sent, one.told(sent, code))
        ours.routes = []
        ack = ours.new("ACK", number=ours.number)
        assert tag(ack.get("To")) == other.tag
        net.idle(0.05)
        other.peer.inbox[:] = [m for m in other.peer.inbox if m.method != "ACK"]  # that of the hop to a 486
        dropped(lab, net, one, ack, other)


def test_a_stranger_has_no_such_ack(lab, net):
    """His INVITE to a user goes on without a challenge, and names no place that he may send to."""
    eve, other, witness = Phone(lab.peer(net, "udp"), lab.user(), "example.org"), Phone(lab.peer(net, "tcp"), lab.user()).register(), Witness("127.0.0.9")
    try:
        invite = eve.agent.new("INVITE", other.aor, {"Contact": eve.contact})
        _, came = eve.ask(invite, other)
        other.answer(came, 200, "OK", [("Contact", f"<{witness.uri('udp')}>")])
        ours = Dialog.of_caller(eve, invite, eve.told(invite, 200))
        ours.routes = []
        dropped(lab, net, eve, ours.new("ACK", number=ours.number), other, witness)
    finally:
        witness.close()
