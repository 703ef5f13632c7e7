"""How the proxy names itself in Record-Route (RFC 3261 16.6 4, RFC 5658), and that each end of a call finds it by that name
again: proxy.record-route, each pair of transports, sip and sips."""

import itertools

import pytest
from peer.phone import Dialog, Phone
from peer.sipclient import addr_spec

TRANSPORTS = ["udp", "tcp", "tls"]


@pytest.fixture(scope="module")
def kinds(labs):
    servers = {kind: labs.server(f"proxy.record-route={kind}" if kind != "default" else "identity.sign=outbound").start()
               for kind in ("default", "sip", "sips")}
    yield servers
    for one in servers.values():
        one.stop()


def named(route):
    """What a Record-Route says of the transport."""
    uri = addr_spec(route)[0]
    said = uri.partition(";transport=")[2].partition(";")[0] or route.partition(";transport=")[2].partition(";")[0].rstrip(">")
    return uri.partition(":")[0], said


def expected(transport, kind, secure):
    if transport == "tls":
        return ("sips", "") if secure or kind == "sips" else ("sip", "tls")
    return "sip", "" if transport == "udp" else "tcp"


def call(one, other):
    """An INVITE and its 200: both ends of the dialog."""
    sent, came = one.ask(one.agent.new("INVITE", other.aor, {"Contact": one.contact}), other)
    other.answer(came, 200, "OK", [("Contact", other.contact)])
    answer = one.told(sent, 200)
    ours, theirs = Dialog.of_caller(one, sent, answer), Dialog.of_callee(other, came)
    ack = ours.new("ACK", number=sent.get("CSeq").split()[0])
    one.send(ack)
    one.net.wait(lambda: other.find(ack, lambda m: m.method == "ACK"), 5, "the ACK")
    return ours, theirs, came


@pytest.mark.parametrize("kind", ["default", "sip", "sips"])
@pytest.mark.parametrize("first, second", itertools.product(TRANSPORTS, TRANSPORTS))
def test_each_end_finds_the_proxy_again(kinds, net, kind, first, second):
    server = kinds[kind]
    alice, bob = (Phone(server.peer(net, one), server.user()).register() for one in (first, second))
    ours, theirs, came = call(alice, bob)
    names = [named(one) for one in came.values("Record-Route")]
    assert names[0] == expected(second, kind, False) and names[-1] == expected(first, kind, False)
    assert len(names) == (1 if first == second else 2)
    for dialog, one, other in ((theirs, bob, alice), (ours, alice, bob)):
        sent, reached = dialog.ask(dialog.new("INFO"), other)
        other.answer(reached, 200)
        one.told(sent, 200)
    sent, reached = ours.ask(ours.new("BYE"), bob)
    bob.answer(reached, 200)
    alice.told(sent, 200)


@pytest.mark.parametrize("kind", ["default", "sip", "sips"])
def test_TLS_09_a_sips_uri_has_sips_all_the_way(kinds, net, kind):
    server = kinds[kind]
    alice, bob = (Phone(server.peer(net, "tls"), server.user(), secure=True).register() for _ in range(2))
    ours, _, came = call(alice, bob)
    assert [named(one) for one in came.values("Record-Route")] == [("sips", "")]
    sent, reached = ours.ask(ours.new("BYE"), bob)
    bob.answer(reached, 200)
    alice.told(sent, 200)


@pytest.mark.parametrize("first, second", [("udp", "tcp"), ("tcp", "tls"), ("tls", "udp"), ("udp", "udp")])
def test_EVT_15_a_notify_of_the_other_fork_makes_a_dialog(kinds, net, first, second):
    """RFC 6665 4.3: its route set is what its NOTIFY has recorded; the SUBSCRIBE was answered by another phone."""
    server = kinds["default"]
    alice, user = Phone(server.peer(net, first), server.user()).register(), server.user()
    desk, pocket = (Phone(server.peer(net, second), user).register() for _ in range(2))
    asked = alice.prove_first(alice.agent.new("SUBSCRIBE", desk.aor, {"Event": "presence", "Contact": alice.contact, "Expires": "600"}))
    forks = [net.wait(lambda p=p: p.find(asked, lambda m: m.method == "SUBSCRIBE"), 5, "the SUBSCRIBE") for p in (desk, pocket)]
    ends = [Dialog.of_callee(p, m) for p, m in zip((desk, pocket), forks)]
    desk.answer(forks[0], 200, "OK", [("Contact", desk.contact), ("Expires", "600")])
    alice.told(asked, 200)
    state = [("Event", "presence"), ("Subscription-State", "active;expires=600"), ("Contact", pocket.contact)]
    sent, came = ends[1].ask(ends[1].new("NOTIFY", state), alice)
    assert came.values("Record-Route") and not came.all("Route")
    alice.answer(came, 200)
    pocket.told(sent, 200)
    # What alice sends in that dialog finds the other phone, through the proxy.
    dialog = Dialog.of_callee(alice, came)
    refresh = [("Event", "presence"), ("Contact", alice.contact), ("Expires", "0")]
    sent, came = dialog.ask(dialog.new("SUBSCRIBE", refresh), pocket)
    assert len(came.values("Via")) == 2 and not came.all("Record-Route")
    pocket.answer(came, 200)
    alice.told(sent, 200)


def test_EVT_15_nothing_is_recorded_where_nobody_asked(kinds, net):
    """Another request in the dialog, and a NOTIFY of a REFER in a call, make no dialog."""
    server = kinds["default"]
    alice, bob = (Phone(server.peer(net, "tcp"), server.user()).register() for _ in range(2))
    _, theirs, _ = call(alice, bob)
    for method, headers in (("INFO", []), ("NOTIFY", [("Event", "refer"), ("Subscription-State", "active")])):
        sent, came = theirs.ask(theirs.new(method, headers), alice)
        assert not came.all("Record-Route"), method
        alice.answer(came, 200)
        bob.told(sent, 200)
