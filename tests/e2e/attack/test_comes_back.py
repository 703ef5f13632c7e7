"""A request of a user to another domain, signed by ours, comes back to a user of ours: a user there has forwarded his calls. The
signature says who wrote what it covers, and no more: the rest of the request, and the dialog, are of whoever sent it back."""

import re

import pytest
from peer.lab import running, vouch
from peer.phone import Far, Phone
from peer.sipclient import Message, addr_spec, token

ANSWERING = ["Alert-Info: <http://x>;info=alert-autoanswer", "Call-Info: <http://x>;answer-after=0", "Answer-Mode: Auto"]


@pytest.fixture(scope="module")
def lab(labs):
    yield from running(labs, "proxy.reach=any")


class World:
    """alice calls somebody of the other domain, whose proxy has a way with what it gets."""

    def __init__(self, lab, net):
        self.lab, self.net = lab, net
        self.alice, self.bob = (Phone(lab.peer(net, "tcp"), lab.user()).register() for _ in range(2))
        self.far = Far(lab, net, "tcp")
        self.far.peer.answer = None

    def signed(self, method, headers=(), body=b"x"):
        """The octets of a request of alice as they reach the other domain; and what she has sent."""
        made = self.alice.agent.new(method, self.far.uri, {"Contact": self.alice.contact, **dict(headers)}, body)
        sent, came = self.alice.ask(made, self.far)
        assert came.one("Identity")
        return sent, came

    def back(self, came, method=None, drop=(), add=(), via=None, uri=None, routes=()):
        """Sends it to bob; gives what he gets, or the code of the refusal."""
        head, _, body = came.raw.partition(b"\r\n\r\n")
        fields = re.split(rb"\r\n(?![ \t])", head)[1:]
        gone = {"via", "record-route", "route", *drop}
        lines = [one for one in fields if one.partition(b":")[0].strip().lower().decode() not in gone]
        own = f"Via: SIP/2.0/UDP {self.far.peer.address};branch={token('z9hG4bK')};rport"
        start = f"{method or came.method} {uri or self.bob.aor} SIP/2.0"
        octets = "\r\n".join([start, own, *(f"Via: {one}" for one in via or []), *(f"Route: {one}" for one in routes)]).encode()
        octets += b"\r\n" + b"\r\n".join(lines + [one.encode() for one in add]) + b"\r\n\r\n" + body
        self.far.peer.send(octets)
        call, cseq = came.one("Call-ID"), (came.cseq[0], method or came.method)

        def happens():
            for end in (self.bob, self.far):
                for m in end.peer.inbox:
                    if m.one("Call-ID") == call and m.cseq == cseq and (m.method if end is self.bob else m.code and m.code >= 200):
                        end.peer.inbox.remove(m)
                        return m
            return None

        return self.net.wait(happens, 5, f"what comes of {start}")


@pytest.fixture
def world(lab, net):
    return World(lab, net)


def test_it_is_delivered(world):
    _, came = world.signed("MESSAGE")
    got = world.back(came)
    assert got.method == "MESSAGE" and got.body == b"x" and got.one("Identity") == came.one("Identity")


def test_what_phones_obey_is_that_of_a_stranger(world):
    """No Refer-To, Event or field that makes phones answer is in the signature (RFC 4474 9)."""
    _, came = world.signed("REFER", {"Refer-To": "<sip:friend@example.net>"})
    assert world.back(came, drop=["refer-to"], add=["Refer-To: <sip:premium@example.org>"]).code == 403
    _, came = world.signed("NOTIFY", {"Event": "presence", "Subscription-State": "active"})
    assert world.back(came, drop=["event"], add=["Event: check-sync"]).code == 481
    _, came = world.signed("INVITE")
    got = world.back(came, add=[*ANSWERING, "X-Other: stays"])
    assert got.method == "INVITE" and got.one("X-Other") == "stays"
    assert not [name for line in ANSWERING for name in got.all(line.partition(":")[0])]
    world.bob.answer(got, 486, "Busy")


@pytest.mark.parametrize("changes", [[("passwd", "another secret")], [("del", None)], [("del", None), ("add", "another secret")]],
                         ids=["another password", "deleted", "made again"])
def test_G37_who_is_gone_has_signed_nothing(world, changes):
    _, came = world.signed("MESSAGE")
    for verb, password in changes:
        done = vouch("user", verb, world.alice.user.aor, "-c", world.lab.conf, stdin=f"{password}\n" if password else "")
        assert done.returncode == 0, done.stderr
    assert world.back(came).code == 407


@pytest.mark.parametrize("method", ["MESSAGE", "INFO", "INVITE", "UPDATE", "REFER", "BYE", "NOTIFY", "SUBSCRIBE", "FROBNICATE"])
def test_a_dialog_that_came_back_is_no_voice_of_the_user(world, method):
    """The stranger goes on in alice's name, with a request that she has not written."""
    _, came = world.signed("INVITE")
    got = world.back(came)
    world.bob.answer(got, 200, "OK", [("Contact", world.bob.contact)])
    ok = world.net.wait(lambda: next((m for m in world.far.peer.inbox if m.code == 200), None), 5, "the 200")
    routes = list(reversed(ok.values("Record-Route")))
    text = "\r\n".join([f"{method} {addr_spec(world.bob.contact)[0]} SIP/2.0", *(f"Route: {one}" for one in routes),
                        f"From: {ok.one('From')}", f"To: {ok.one('To')}", f"Call-ID: {ok.one('Call-ID')}",
                        f"CSeq: {ok.cseq[0] + 1} {method}", "Max-Forwards: 60", f"Contact: {world.far.contact}",
                        "Refer-To: <sip:premium@example.org>", "Event: refer", "Subscription-State: active", "Content-Length: 0", "", ""])
    made = Message(text.encode())
    assert world.back(made, uri=addr_spec(world.bob.contact)[0], routes=routes).code in (403, 407, 481)
    # What alice has signed in that name, and was sent back as it is, is hers.
    assert not [m for m in world.bob.peer.inbox if m.method and m.method != "ACK"]


def test_a_call_that_was_forwarded_back_goes_on(world):
    """An honest proxy of the other domain sends back what alice says in the dialog, as it is: ACK, INFO, BYE."""
    sent, came = world.signed("INVITE")
    got = world.back(came, via=came.values("Via"))
    world.bob.answer(got, 200, "OK", [("Contact", world.bob.contact)])
    ok = world.net.wait(lambda: next((m for m in world.far.peer.inbox if m.code == 200), None), 5, "the 200")
    routes, target = list(reversed(ok.values("Record-Route"))), addr_spec(world.bob.contact)[0]
    ours = [one for one in routes if "example.com" in one or f":{world.lab.port}" in one]
    assert ours
    for number, method in ((ok.cseq[0], "ACK"), (ok.cseq[0] + 1, "INFO"), (ok.cseq[0] + 2, "BYE")):
        request = world.alice.agent.new(method, world.far.uri, {
            "From": ok.one("From"), "To": ok.one("To"), "Call-ID": ok.one("Call-ID"), "CSeq": f"{number} {method}",
            "Contact": world.alice.contact})
        if method == "ACK":
            made = Message(request.encode())
        else:
            _, made = world.alice.ask(request, world.far)
            assert made.one("Identity")
        reached = world.back(made, uri=target, routes=routes, via=made.values("Via") if method != "ACK" else None)
        assert reached.method == method, reached.start
        if method != "ACK":
            world.bob.answer(reached, 200)
