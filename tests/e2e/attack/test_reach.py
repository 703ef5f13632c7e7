"""Where this server connects to because somebody has named the place (G44, proxy.reach): by every way to name one, over
every transport, with a witness that listens there."""

import itertools

import pytest
from peer.phone import Dialog, Phone
from peer.sipclient import Agent
from peer.witness import Witness

TRANSPORTS = ("udp", "tcp")
WAYS = ("request-uri", "route", "contact", "remote target")
REACHES = {"": {}, "public,private": {}, "public": {}, "127.0.0.8": {"127.0.0.8"}, "127.0.0.0/29": {"127.0.0.1"},
           "private, 127.0.0.8/32": {"127.0.0.8"}, "any": {"127.0.0.8", "127.0.0.1"}}


def named(way, phone, uri, net, server):
    """A request of the phone, or to it, that leads there in this way."""
    if way == "request-uri":
        return phone.agent.new("MESSAGE", uri)
    if way == "route":
        return phone.agent.new("MESSAGE", "sip:x@example.org", {"Route": f"<{uri};lr>"})
    if way == "contact":
        made = phone.agent.new("REGISTER", "sip:example.com", {"To": f"<{phone.aor}>", "Contact": f"<{uri}>"})
        assert phone.agent.run(made)[1].code == 200
        return phone.agent.new("MESSAGE", phone.aor)
    # A stranger calls, and names the place as his Contact; the phone answers, and sends something in the dialog.
    caller = Agent(server.peer(net, "tcp"), "eve", "example.org")
    caller.peer.answer, caller.peer.behind_proxy = None, True
    invite = caller.new("INVITE", phone.aor, {"Contact": f"<{uri}>"})
    caller.send(invite)
    came = net.wait(lambda: phone.find(invite, lambda m: m.method == "INVITE"), 5, "the INVITE")
    phone.answer(came, 200, "OK", [("Contact", phone.contact)])
    caller.peer.take(lambda m: m.code == 200, 5, "the 200")
    return Dialog.of_callee(phone, came).new("INFO")


@pytest.mark.parametrize("reach", REACHES)
def test_G44_nobody_aims_requests_at_what_is_behind_this_server(server, net, reach):
    other = server(f"proxy.reach={reach}", "identity.sign=off")
    for way, transport, host in itertools.product(WAYS, TRANSPORTS, ("127.0.0.8", "127.0.0.1")):
        witness = Witness(host)
        # The phone is at 127.0.0.1 itself; so its own Contacts lead there in any case.
        phone = Phone(other.peer(net, "udp" if way == "contact" else "tcp"), other.user()).register()
        allowed = host in REACHES[reach] or (way == "contact" and host == "127.0.0.1")
        request = named(way, phone, witness.uri(transport), net, other)
        phone.send(request)
        refused = None
        for _ in range(2):  # the 407, and what became of the answer to it
            # A Contact that requests may not go to leads to who has registered it: the phone itself.
            came = net.wait(lambda p=phone, r=request, w=witness: w.hit() or p.find(r, lambda m: True), 5, "an answer")
            if came is True or came.code != 407:
                refused = came if came is not True else None
                break
            request = phone.prove(request, came)
            phone.send(request)
        assert (refused is None) == allowed, f"{reach or 'nothing'}: {way} {transport} {host}: {refused}"
        if refused:
            net.idle(0.05)
            assert not witness.hit() and refused.code == (None if way == "contact" else 403), refused.start
        witness.close()


def test_G44_a_route_of_the_configuration_leads_anywhere(server, net):
    witness = Witness("127.0.0.8")
    other = server("proxy.reach=public", f"route.example.org=tcp:127.0.0.8:{witness.port}", "identity.sign=off")
    phone = Phone(other.peer(net, "tls"), other.user()).register()
    phone.prove_first(phone.agent.new("MESSAGE", "sip:x@example.org"))
    net.idle(0.3)
    assert witness.hit()
    witness.close()
