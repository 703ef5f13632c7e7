"""The end of a connection: who has said all that he wants to say may still want to hear the answers (RFC 3261 18.2.2)."""

import socket

import pytest
from peer.phone import Phone, Sender, came_to
from peer.sipclient import Agent


def half_close(peer):
    peer.sock.shutdown(socket.SHUT_WR)


def asker(lab, net):
    agent = Agent(lab.peer(net, "tcp"), "eve", "example.org")
    agent.peer.behind_proxy = True
    return agent


@pytest.mark.parametrize("transport", ["udp", "tcp", "tls"])
@pytest.mark.parametrize("method", ["MESSAGE", "INVITE"])
def test_an_answer_comes_behind_the_end_of_the_request(lab, net, user, method, transport):
    phone = Phone(lab.peer(net, transport), user).register()
    eve = asker(lab, net)
    requests = [eve.new(method, phone.aor, {"Contact": "<sip:eve@192.0.2.9>"}) for _ in range(2)]
    eve.peer.send(b"".join(one.encode() for one in requests) + b"MESSAGE sip:half@exam")
    half_close(eve.peer)
    for one in requests:
        came = came_to(phone, one.get("Call-ID"))
        if method == "INVITE":
            phone.answer(came, 180, "Ringing")
        net.idle(0.3)
        assert not eve.peer.closed
        phone.answer(came, 486, "Busy Here")
        eve.peer.take(lambda m, c=one.get("Call-ID"): m.code == 486 and m.one("Call-ID") == c, 5, "the answer")
    if method == "MESSAGE":  # nobody can acknowledge the answer to the INVITE
        eve.peer.wait_closed()


def test_who_is_owed_nothing_is_done(lab, net):
    eve = asker(lab, net)
    asked = eve.new("OPTIONS", "sip:example.com")
    assert eve.exchange(asked).code == 200
    half_close(eve.peer)
    eve.peer.wait_closed()


def test_nothing_new_is_sent_to_who_does_not_listen(lab, net, user):
    """A phone that has closed its side cannot answer a request, even if it waits for an answer itself."""
    bob = Phone(lab.peer(net, "tcp"), lab.user()).register()
    phone = Sender(lab.peer(net, "tcp"), user)
    _, came = phone.to(bob, "MESSAGE", uri=bob.aor)
    half_close(phone.peer)
    net.idle(0.2)
    eve = asker(lab, net)
    refused = eve.exchange(eve.new("MESSAGE", phone.aor))
    assert refused.code == 480 and not phone.peer.closed
    bob.answer(came, 200)
    phone.peer.take(lambda m: m.code == 200 and m.one("Call-ID") == came.one("Call-ID"), 5, "the 200")
    phone.peer.wait_closed()
