"""What goes through the proxy between two phones of the domain reaches the other end octet for octet: requests and answers
of every kind, in dialogs and without, with header fields that nobody has heard of (RFC 3261 16.6 and 16.7, CRT-26)."""

import itertools

import pytest
from peer.phone import Dialog, Phone, lines
from peer.sipclient import UdpPeer, addr_spec

EVERY_OCTET = bytes(range(256)) + b"\r\n\r\nSIP/2.0 200 OK\r\n\r\n"
ODD = [("X-Blanks", "  two  blanks,\tone tab \t"), ("X-Fold", "a\r\n\t b\r\n   c"), ("X-Empty", ""), ("x-TwIcE", "1"),
       ("X-Quoted", '"a \\" b, <c>" ; p = "," ,, ;'), ("X-UTF-8", "Gr\xc3\xbc\xc3\x9fe"), ("x-TwIcE", "2, 1"),
       ("Subject ", "a blank first"), ("P!%*_+`'~-.1", "marks"), ("c", 'application/x-odd;p="\xff"')]
TRANSPORTS = [("udp", "udp"), ("tls", "tls"), ("sips", "sips"), ("udp", "tls"), ("tls", "tcp")]


@pytest.fixture(params=TRANSPORTS, ids=lambda pair: "-".join(pair))
def phones(request, lab, unsigned, net):
    """Two registered phones. What goes by UDP is small enough for a datagram, for it is to be seen there: without the
    signatures of users for users."""
    server = unsigned if "udp" in request.param else lab
    made = [Phone(server.peer(net, transport.replace("sips", "tls")), server.user(), secure=transport == "sips").register()
            for transport in request.param]
    yield made
    assert not [phone for phone in made if phone.peer.transport == "UDP" and phone.peer.streams]


ADDED = {b"date", b"p-asserted-identity", b"identity", b"identity-info"}


def same(sent, came):
    """Nothing but the fields of hops and the Request-URI was touched; what a request has got besides stands behind all."""
    got, asked = lines(came.raw), lines(sent)
    if came.method:
        assert {line.partition(b":")[0].lower() for line in got[len(asked):]} <= ADDED
        del got[len(asked):]
    assert got == asked
    assert came.body == sent.partition(b"\r\n\r\n")[2]


def exchange(ask, one, other, request, code=200, headers=ODD, body=EVERY_OCTET, reason="As it pleases"):
    """The request goes from one phone to the other, and the answer back. Gives (as sent, as it came, answer as it came)."""
    sent, came = ask(request, other)
    same(sent.encode(), came)
    octets = other.answer(came, code, reason, headers, body)
    answer = one.told(sent, code)
    same(octets, answer)
    assert answer.start == f"SIP/2.0 {code} {reason}"
    return sent, came, answer


def call(alice, bob):
    """An INVITE as it came to Bob."""
    invite = alice.agent.new("INVITE", bob.aor, {"Contact": alice.contact, "Supported": "100rel"}, EVERY_OCTET[:100])
    for name, value in ODD:
        invite.add(name, value)
    sent, came = alice.ask(invite, bob)
    same(sent.encode(), came)
    assert came.uri == bob.uri
    return sent, came


def test_a_call_with_everything_in_it(phones):
    """RFC 3262, 3311, 6086, 3515 and a method of nobody, from both ends."""
    alice, bob = phones
    sent, invite = call(alice, bob)
    own = [("Contact", bob.contact), ("Require", "100rel"), ("RSeq", "988789")]
    octets = bob.answer(invite, 183, "Session Progress", own + ODD, EVERY_OCTET)
    early = alice.told(sent, 183)
    same(octets, early)
    ours, theirs = Dialog.of_caller(alice, sent, early), Dialog.of_callee(bob, invite)
    assert ours.routes and ours.routes == list(reversed(theirs.routes))
    prack = ours.new("PRACK", [("RAck", f"988789 {sent.get('CSeq')}")] + ODD, EVERY_OCTET)
    exchange(ours.ask, alice, bob, prack)
    exchange(ours.ask, alice, bob, ours.new("UPDATE", [("Contact", alice.contact)] + ODD, b"early"))
    octets = bob.answer(invite, 200, "OK", [("Contact", bob.contact)] + ODD, EVERY_OCTET)
    same(octets, alice.told(sent, 200))
    ack = ours.new("ACK", ODD, EVERY_OCTET, sent.get("CSeq").split()[0])
    alice.send(ack)
    came = alice.net.wait(lambda: bob.find(ack, lambda m: m.method == "ACK"), 5, "the ACK")
    same(ack.encode(), came)
    assert came.uri == bob.uri and not came.all("Route")

    for here, there, dialog in ((alice, bob, ours), (bob, alice, theirs)):
        for method, fields in (("UPDATE", [("Contact", here.contact)]), ("INFO", [("Info-Package", "nobody")]),
                               ("MESSAGE", []), ("OPTIONS", []), ("FOOBAR", []), ("foobar", []),
                               ("REFER", [("Refer-To", "<sip:c@other.example?Replaces=1%402>"), ("Contact", here.contact)])):
            came = exchange(dialog.ask, here, there, dialog.new(method, fields + ODD, EVERY_OCTET))[1]
            assert came.uri == there.uri and came.method == method
    for number, (here, there, dialog) in enumerate(((bob, alice, theirs), (alice, bob, ours))):
        state = [("Event", f"refer;id={number}"), ("Subscription-State", "active;expires=60"), ("Contact", here.contact)]
        exchange(dialog.ask, here, there, dialog.new("NOTIFY", state + ODD, b"SIP/2.0 100 Trying"))
    exchange(theirs.ask, bob, alice, theirs.new("FOOBAR", ODD, EVERY_OCTET), 599)
    exchange(theirs.ask, bob, alice, theirs.new("BYE", ODD, EVERY_OCTET))


def test_a_call_again_in_the_call(phones):
    """An INVITE in the dialog, of the callee, that is refused; its ACK is of the hop, the dialog stays."""
    alice, bob = phones
    sent, invite = call(alice, bob)
    bob.answer(invite, 200, "OK", [("Contact", bob.contact)])
    ours = Dialog.of_caller(alice, sent, alice.told(sent, 200))
    ack = ours.new("ACK", number=sent.get("CSeq").split()[0])
    alice.send(ack)
    alice.net.wait(lambda: bob.find(ack, lambda m: m.method == "ACK"), 5, "the ACK")
    theirs = Dialog.of_callee(bob, invite)
    again = theirs.new("INVITE", [("Contact", bob.contact)] + ODD, EVERY_OCTET)
    again, came, refused = exchange(theirs.ask, bob, alice, again, 488)
    bob.send(bob.ack_of_failure(again, refused))
    ack = again.copy().set("CSeq", f"{came.cseq[0]} ACK")
    hop = alice.net.wait(lambda: alice.find(ack, lambda m: m.method == "ACK"), 5, "the ACK")
    assert hop.branch == came.branch and hop.uri == came.uri
    exchange(ours.ask, alice, bob, ours.new("BYE", ODD))


def test_presence(phones):
    """RFC 3856: the server is the state agent of its own packages only. SUBSCRIBE, NOTIFYs, refresh, end."""
    alice, bob = phones
    asked = alice.agent.new("SUBSCRIBE", bob.aor, {"Event": "presence", "Expires": "600", "Contact": alice.contact,
                                                   "Accept": "application/pidf+xml"}, b"filter\x00")
    for name, value in ODD:
        asked.add(name, value)
    granted = [("Expires", "600"), ("Contact", bob.contact)]
    sent, came, answer = exchange(alice.ask, alice, bob, asked, headers=granted + ODD)
    assert came.values("Record-Route")
    ours, theirs = Dialog.of_caller(alice, sent, answer), Dialog.of_callee(bob, came)
    state = [("Event", "presence"), ("Subscription-State", "active;expires=599"), ("Contact", bob.contact)]
    notified = exchange(theirs.ask, bob, alice, theirs.new("NOTIFY", state + ODD, EVERY_OCTET[:128]))[1]
    assert addr_spec(notified.one("Contact"))[0] == bob.uri
    refresh = ours.new("SUBSCRIBE", [("Event", "presence"), ("Expires", "0"), ("Contact", alice.contact)] + ODD)
    exchange(ours.ask, alice, bob, refresh, headers=[("Expires", "0"), ("Contact", bob.contact)])
    over = [("Event", "presence"), ("Subscription-State", "terminated;reason=timeout"), ("Contact", bob.contact)]
    exchange(theirs.ask, bob, alice, theirs.new("NOTIFY", over + ODD, EVERY_OCTET[128:]))


def test_requests_without_a_dialog(phones):
    """MESSAGE and OPTIONS, what only makes sense in dialogs, and a method of nobody, both ways (EXM-16)."""
    for (here, there), method in itertools.product((phones, phones[::-1]), ("MESSAGE", "OPTIONS", "INFO", "FOOBAR", "REFER")):
        begins_dialog = method == "REFER"
        request = here.agent.new(method, there.aor, {}, b"\x00\r\n\r\n\xff\r\n")
        for name, value in ([("Contact", here.contact), ("Refer-To", "<sip:x@y>")] if begins_dialog else []) + ODD:
            request.add(name, value)
        came = exchange(here.ask, here, there, request, 603 if begins_dialog else 200)[1]
        assert came.uri == there.uri and came.method == method and not came.all("Proxy-Authorization")
        assert bool(came.all("Record-Route")) == begins_dialog


def test_a_large_request_for_a_phone_without_tcp(lab, net):
    """RFC 3261 18.1.1: where TCP is refused, what is too large for a datagram goes by UDP nevertheless."""
    alice = Phone(lab.peer(net, "udp"), lab.user()).register()
    bob = Phone(UdpPeer(net, ("127.0.0.1", lab.port), listen_tcp=False), lab.user()).register()
    exchange(alice.ask, alice, bob, alice.agent.new("MESSAGE", bob.aor, {}, EVERY_OCTET * 6))


def test_the_connection_of_a_large_request_may_end(lab, net):
    """RFC 3261 18.1.1: an INVITE too large for a datagram comes to a UDP phone by TCP. That connection is nobody's flow: when
    it has ended, which this server itself sees to after limits.idle-timeout, a BYE goes to where the phone's Contact says."""
    alice, bob = (Phone(lab.peer(net, "udp"), lab.user()).register() for _ in range(2))
    sent, invite = alice.ask(alice.agent.new("INVITE", bob.aor, {"Contact": alice.contact}, EVERY_OCTET * 5), bob)
    assert invite.peer.transport == "TCP" and not addr_spec(bob.contact)[0].count("transport")
    bob.answer(invite, 200, "OK", [("Contact", bob.contact)])
    dialog = Dialog.of_caller(alice, sent, alice.told(sent, 200))
    ack = dialog.new("ACK", number=sent.get("CSeq").split()[0])
    alice.send(ack)
    net.wait(lambda: bob.find(ack, lambda m: m.method == "ACK"), 5, "the ACK")
    invite.peer.close()
    net.idle(0.2)
    exchange(dialog.ask, alice, bob, dialog.new("BYE"))


@pytest.mark.parametrize("method", ["MESSAGE", "INVITE"])
def test_a_name_that_leads_back_here_is_a_loop(labs, net, method):
    """RFC 3261 16.3 4: before anything is asked, or the user would have a challenge of his own domain for an answer."""
    server = labs.server()
    server.options = [f"route.loop.test=tcp:127.0.0.1:{server.port}"]
    server.start()
    try:
        alice = Phone(server.peer(net, "tcp"), server.user()).register()
        sent = alice.prove_first(alice.agent.new(method, "sip:x@loop.test", {"Contact": alice.contact}))
        alice.told(sent, 482)
    finally:
        server.stop()


@pytest.mark.parametrize("reason", [None, 'SIP;cause=200;text="Call completed elsewhere"', "Q.850;cause=16", 'X;text="a\r\n b"', "x" * 300,
                                    ("SIP;cause=200", "Q.850;cause=16;text=\"a, b\"", "X;cause=1, Y;cause=2"),
                                    ("SIP;cause=200", "x" * 250)])
def test_3326_cancel_says_why(lab, net, reason):
    """The Reason of the caller is passed on in one line, each of it; of the other phones, when one has picked up, the server says it."""
    alice = Phone(lab.peer(net, "tcp"), lab.user()).register()
    user = lab.user()
    bobs = [Phone(lab.peer(net, "tcp"), user).register() for _ in range(2)]
    for picked_up in (False, True):
        sent = alice.prove_first(alice.agent.new("INVITE", bobs[0].aor, {"Contact": alice.contact}))
        rings = [net.wait(lambda b=bob: b.find(sent, lambda m: m.method == "INVITE"), 5, "the call") for bob in bobs]
        for bob, came in zip(bobs, rings):
            bob.answer(came, 180)
        net.wait(lambda: len([m for m in alice.peer.inbox if m.code == 180 and m.cseq[0] == rings[0].cseq[0]]) == 2, 5, "both 180")
        if picked_up:
            bobs[0].answer(rings[0], 200, "OK", [("Contact", bobs[0].contact)])
            expected = ['SIP;cause=200;text="Call completed elsewhere"']
        else:
            cancel = alice.ack_of_failure(sent, rings[0])
            cancel.method = "CANCEL"
            cancel.set("To", sent.get("To")).set("CSeq", f"{rings[0].cseq[0]} CANCEL")
            lines = [reason] if isinstance(reason, str) else reason or []
            for line in lines:
                cancel.add("Reason", line)
            alice.send(cancel)
            whole = ", ".join(lines).replace("\r\n", "")
            expected = [whole] if 0 < len(whole) < 257 else []
        for bob, came in list(zip(bobs, rings))[picked_up:]:
            got = bob.peer.take(lambda m: m.method == "CANCEL", 5, "the CANCEL")
            assert got.all("Reason") == expected
            bob.answer(got, 200)
            bob.answer(came, 487, "Cancelled")
        for one in (alice, *bobs):
            one.peer.inbox.clear()
