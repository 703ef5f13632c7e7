"""Who was called is nobody until he has answered: the Contact of a user may be anybody's, and the Record-Route of a call that
reached it is no proof of anything but that (RFC 3261 12.1: a dialog is made by a 2xx)."""

import itertools

import pytest
from peer.lab import running
from peer.phone import Dialog, Far, Phone
from peer.sipclient import Agent, addr_spec, tag

# How the request to the device ended: what it answered itself, and what another phone of its user did before.
ENDED = {
    "rings": ((180,), None),
    "progress": ((183,), None),
    "refused": ((486,), None),
    "declined": ((603,), None),
    "moved": ((302,), None),
    "no such dialog": ((180, 481), None),
    "cancelled": ((180,), 487),
    "cancelled too late": ((180,), 200),
    "answered": ((200,), None),
    "rang and was answered": ((180, 200), None),
}
SENT = [("INFO", None), ("MESSAGE", None), ("UPDATE", None), ("INVITE", None), ("BYE", None), ("REFER", None), ("FROBNICATE", None),
        ("NOTIFY", "refer"), ("NOTIFY", "check-sync"), ("NOTIFY", None), ("refer", None), ("ACK", None)]


@pytest.fixture(scope="module")
def lab(labs):
    yield from running(labs, "identity.sign=off", "proxy.reach=any")


def device(server, net, user):
    """Something else that the user has registered, at another host."""
    made = Phone(server.peer(net, "udp", "127.0.0.8"), user)
    made.agent.user, made.agent.password = "nobody", "none"
    return made


def contacts_of(phone, *others):
    made = phone.agent.new("REGISTER", f"sip:{phone.domain}", {"To": f"<{phone.aor}>"})
    for one in others:
        made.add("Contact", one.contact)
    answer = phone.agent.run(made)[1]
    assert answer.code == 200, answer.start


def outcome(sender, receiver, request):
    """Did it get to the other end (True), or was its sender asked who he is?"""
    sender.peer.send(request.encode())
    if request.method == "ACK":  # has no answer; what comes after it shows that it was dropped
        sender.peer.send(Agent(sender.peer, "x", "example.org").new("OPTIONS", "sip:example.com").encode())
        sender.net.wait(lambda: next((m for m in sender.peer.inbox if m.cseq[1] == "OPTIONS" and m.code), None), 5, "OPTIONS")
        sender.peer.inbox[:] = [m for m in sender.peer.inbox if m.cseq[1] != "OPTIONS"]
        return receiver.find(request, lambda m: m.method) is not None
    came = sender.net.wait(lambda: receiver.find(request, lambda m: m.method) or sender.find(request, lambda m: m.code and m.code >= 300),
                           5, f"what comes of {request.method}")
    assert came.method or came.code == 407, came.start
    if came.method:
        receiver.answer(came, 481, "No")
    return bool(came.method)


def call(alice, uri, devices):
    """A proven INVITE that has come to all of them: (request, what came to each)."""
    request = alice.prove_first(alice.agent.new("INVITE", uri, {"Contact": alice.contact}))
    return request, [alice.net.wait(lambda one=one: one.find(request, lambda m: m.method), 5, "the INVITE") for one in devices]


def end(alice, bob, eve, request, came, ended):
    """Brings the call to its end. Is it a dialog of eve's?"""
    codes, after = ENDED[ended]
    for code in codes:
        eve.answer(came[-1], code, "As It Is", [("Contact", eve.contact)])
        if code < 300:
            alice.told(request, code)
    if after:
        bob.answer(came[0], 200, "OK", [("Contact", bob.contact)])
        alice.told(request, 200)
        cancel = eve.net.wait(lambda: next((m for m in eve.peer.inbox if m.method == "CANCEL"), None), 5, "the CANCEL")
        eve.peer.inbox.remove(cancel)
        eve.answer(cancel, 200)
        eve.answer(came[-1], after, "As It Is", [("Contact", eve.contact)])
    if after == 200:
        alice.told(request, 200)
    return 200 in (*codes, after)


@pytest.mark.parametrize("ended", ENDED)
@pytest.mark.parametrize("whose", ["the only one", "besides his phone", "removed since"])
def test_who_was_called_is_nobody_until_he_has_answered(lab, net, ended, whose):
    alice, bob = Phone(lab.peer(net, "udp"), lab.user()).register(), Phone(lab.peer(net, "tcp"), lab.user())
    eve = device(lab, net, bob.user)
    both = ENDED[ended][1] is not None or whose == "besides his phone"
    contacts_of(bob, *([bob] if both else []), eve)
    request, came = call(alice, bob.aor, [bob, eve] if both else [eve])
    dialog = Dialog.of_callee(eve, came[-1])
    answered = end(alice, bob, eve, request, came, ended)
    if whose == "removed since":
        made = bob.agent.new("REGISTER", "sip:example.com", {"To": f"<{bob.aor}>"})
        made.add("Contact", f"{eve.contact};expires=0")
        assert bob.agent.run(made)[1].code == 200
    for (method, event), own in itertools.product(SENT, (True, False)):
        made = dialog.new(method, [("Contact", eve.contact), ("Refer-To", "<sip:x@example.org>"), ("Subscription-State", "active")]
                          + ([("Event", event)] if event else []))
        if not own:
            made.set("From", f"{made.get('From').partition(';tag=')[0]};tag=other")
        assert outcome(eve, alice, made) == answered, (method, event, own)


@pytest.mark.parametrize("code", [200, 403, 489, 603])
def test_who_was_subscribed_to_notifies_when_he_has_accepted(lab, net, code):
    alice, bob = Phone(lab.peer(net, "udp"), lab.user()).register(), Phone(lab.peer(net, "tcp"), lab.user())
    eve = device(lab, net, bob.user)
    contacts_of(bob, eve)
    request = alice.prove_first(alice.agent.new("SUBSCRIBE", bob.aor, {"Contact": alice.contact, "Event": "presence"}))
    came = alice.net.wait(lambda: eve.find(request, lambda m: m.method), 5, "the SUBSCRIBE")
    dialog = Dialog.of_callee(eve, came)
    eve.answer(came, code, "As It Is", [("Contact", eve.contact), ("Expires", "600")])
    alice.told(request, code)
    for event in ("presence", "check-sync", None):
        made = dialog.new("NOTIFY", [("Contact", eve.contact), ("Subscription-State", "active")] + ([("Event", event)] if event else []))
        assert outcome(eve, alice, made) == (code == 200), event


def test_who_is_called_by_a_user_s_address_speaks_for_himself(lab, net):
    """The Contact of bob is the AOR of carol, who refuses: to alice she is carol, and asked for it."""
    alice, bob, carol = (Phone(lab.peer(net, "udp"), lab.user()) for _ in range(3))
    alice.register(), carol.register()
    bob.contact = f"<{carol.aor}>"
    bob.register()
    request, came = call(alice, bob.aor, [carol])
    dialog = Dialog.of_callee(carol, came[0])
    carol.answer(came[0], 486, "Busy Here")
    alice.told(request, 486)
    for method, event in SENT:
        made = dialog.new(method, [("Contact", carol.contact), ("Refer-To", "<sip:x@example.org>"), ("Subscription-State", "active")]
                          + ([("Event", event)] if event else []))
        assert not outcome(carol, alice, made), method


def test_a_foreign_caller_is_not_spoken_to_before_the_answer(lab, net):
    """The same towards another domain, which cannot see who it was."""
    far, bob = Far(lab, net, "udp"), Phone(lab.peer(net, "tcp"), lab.user())
    far.peer.answer = None
    eve = device(lab, net, bob.user)
    contacts_of(bob, eve)
    request = Agent(far.peer, "far", "example.org").new("INVITE", bob.aor, {"Contact": far.contact})
    far.peer.send(request.encode())
    came = net.wait(lambda: eve.find(request, lambda m: m.method), 5, "the INVITE")
    eve.answer(came, 180, "Ringing", [("Contact", eve.contact)])
    dialog = Dialog.of_callee(eve, came)
    for method in ("INFO", "UPDATE", "BYE"):
        assert not outcome(eve, far, dialog.new(method))


@pytest.mark.parametrize("how", ["stop", "crash"])
def test_who_answered_proves_himself_after_a_restart(server, net, how):
    """Who has answered is known to one run only; the call goes on, because phones answer a challenge."""
    lab = server("identity.sign=off")
    alice, bob = (Phone(lab.peer(net, "udp"), lab.user()).register() for _ in range(2))
    request, came = call(alice, bob.aor, [bob])
    bob.answer(came[0], 200, "OK", [("Contact", bob.contact)])
    alice.told(request, 200)
    dialog = Dialog.of_callee(bob, came[0])
    assert tag(dialog.local) and addr_spec(dialog.target)
    assert outcome(bob, alice, dialog.new("INFO"))
    getattr(lab, how)()
    lab.start()
    assert not outcome(bob, alice, dialog.new("INFO"))
    _, came = dialog.ask(dialog.new("BYE"), alice)
    alice.answer(came, 200)
