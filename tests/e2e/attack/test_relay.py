"""Digest stays between a user and the server that he means (G46, DIG-10, RFC 3261 22.1), and nobody speaks in the name of
the domain: everything that could be passed on is sent in every direction, and what arrives is read by another reader."""

import itertools
import re

import pytest
from peer import certs, digest
from peer.phone import Dialog, Far, Phone, Sender, about, came_to
from peer.sipclient import Agent, addr_spec, credential_of, token

METHODS = ("OPTIONS", "SUBSCRIBE", "NOTIFY", "MESSAGE", "INVITE", "BYE", "PRACK", "UPDATE", "REFER", "INFO", "FROBNICATE")
TRANSPORTS = [("udp", "udp"), ("udp", "tls"), ("tls", "tcp"), ("tcp", "udp")]
HOSTILE = [
    'Digest realm="example.com", nonce="n", algorithm=MD5, qop="auth"',
    'Digest realm="example.com", nonce="n", response="r", username="alice", uri="sip:x"',
    'DIGEST nonce="n", REALM="EXAMPLE.Com"', "Digest realm=example.com, nonce=n", 'Digest\r\n realm="example.com", nonce="n"',
    'Digest realm="ex\\ample.com"', 'Digest realm=" example.com "', 'Digest nonce="n"', "Digest", 'Digest realm="example.com',
    'Digest realm="other", nonce="n", Digest realm="example.com", nonce="n"', 'Bearer realm="a", Digest realm="example.com"',
    'Basic realm="example.com"', 'Digest realm="other", realm="example.com"', 'Digest realm="other";realm="example.com"']
FOREIGN = ['Digest realm="example.org", nonce="n", qop="auth"', 'Bearer realm="example.com", scope="sip"',
           'Digest realm="an.example.com.example", nonce="n"', "Basic YWxpY2U6c2VjcmV0"]
ASKS = ("WWW-Authenticate", "Proxy-Authenticate")
ANSWERS = ("Authorization", "Proxy-Authorization")
CARRIERS = {name.lower() for name in ASKS + ANSWERS}
SPELLED = [str, str.upper, str.lower, lambda name: name + " ", lambda name: name + "\t"]


def fields(names, values):
    """(name, value) for all of them, each name in another spelling."""
    return [(spell(name), value) for (name, value), spell in zip(itertools.product(names, values), itertools.cycle(SPELLED))]


def carried(raw):
    """What a careless reader finds of those header fields, in their order."""
    head = re.sub(rb"\r\n[ \t]+", b" ", raw.partition(b"\r\n\r\n")[0]).decode("latin-1")
    split = [line.partition(":") for line in head.split("\r\n")[1:]]
    return [(name.strip().lower(), value.strip()) for name, _, value in split if name.strip().lower() in CARRIERS]


def only_foreign(raw, names):
    """Everything foreign came, and nothing else."""
    assert sorted(carried(raw)) == sorted((name.lower(), value) for name in names for value in FOREIGN), raw


def lines_of(names, values=HOSTILE + FOREIGN):
    """The same for Sender.octets, which takes a dict."""
    return {"Event": "Event: presence",
            **{f"x{number}": f"{name}: {value}" for number, (name, value) in enumerate(fields(names, values))}}


@pytest.fixture(params=TRANSPORTS, ids="-".join)
def ends(request, unsigned, net):
    """A caller and a phone, both users of the server."""
    here, there = request.param
    return Sender(unsigned.peer(net, here), unsigned.user()), Phone(unsigned.peer(net, there), unsigned.user()).register()


def stranger():
    """What a request has that comes from another domain."""
    return {"From": f"From: <sip:eve@example.org>;tag={token()}", "To": "To: <sip:bob@example.com>",
            "Event": "Event: presence"}


def test_no_credentials_of_ours_go_on(ends):
    """DIG-10: of a stranger, in both header fields; of a user, whose Proxy-Authorization is for us, in the other one."""
    eve, bob = ends
    for method in METHODS:
        if method not in ("NOTIFY", "REFER"):
            more = {**stranger(), **lines_of(ANSWERS + ASKS)}
            _, came = eve.to(bob, method, more, b"", uri=bob.aor, credentials=False)
            only_foreign(came.raw, ANSWERS + ASKS)
            bob.answer(came, 603, "No")
            if method == "INVITE":  # the ACK is made from what went on
                ack = bob.net.wait(lambda c=came: next((m for m in bob.peer.inbox if m.method == "ACK" and m.branch == c.branch),
                                                       None), 5, "the ACK")
                assert not [value for name, value in carried(ack.raw) if value not in FOREIGN]
        _, came = eve.to(bob, method, lines_of(ASKS + ANSWERS[:1]), b"", uri=bob.aor)
        only_foreign(came.raw, ASKS + ANSWERS[:1])
        bob.answer(came, 603, "No")


@pytest.mark.parametrize("transport", ["udp", "tcp"])
def test_no_credentials_of_ours_leave_the_domain(lab, net, transport):
    alice, far = Sender(lab.peer(net, "tls"), lab.user()), Far(lab, net, transport)
    for method in METHODS:
        _, came = alice.to(far, method, lines_of(ASKS + ANSWERS[:1]), b"")
        only_foreign(came.raw, ASKS + ANSWERS[:1])
        far.answer(came, 603, "No")


def test_no_credentials_of_ours_go_on_in_a_dialog(ends):
    """Both ends of a call between a stranger and a user, ACK to a 2xx and CANCEL included."""
    eve, bob = ends
    call_id, raw = eve.octets("INVITE", bob.aor, {**stranger(), "To": f"To: <{bob.aor}>", "Contact": f"Contact: {eve.contact}"},
                              credentials=False)
    eve.peer.send(raw)
    invite = came_to(bob, call_id)
    bob.answer(invite, 200, "OK", [("Contact", bob.contact)])
    ok = eve.peer.take(lambda m: m.code == 200 and about(m, call_id), 5, "the 200")
    theirs = Dialog.of_callee(bob, invite)
    sent = f"From: {ok.one('From')}"
    routes = ", ".join(reversed(ok.values("Record-Route")))

    def of_eve(method, number=7, more=None):
        _, octets = eve.octets(method, addr_spec(ok.one("Contact"))[0], {
            "From": sent, "To": f"To: {ok.one('To')}", "Call-ID": f"Call-ID: {call_id}", "CSeq": f"CSeq: {number} {method}",
            "Route": f"Route: {routes}", "Contact": f"Contact: {eve.contact}", **(more or lines_of(ANSWERS + ASKS))},
            credentials=False)
        eve.peer.send(octets)
        return bob.net.wait(lambda: next((m for m in bob.peer.inbox if m.cseq == (number, method)), None), 5, method)

    only_foreign(of_eve("ACK", 1).raw, ANSWERS + ASKS)
    for number, method in enumerate(("INFO", "UPDATE", "REFER", "MESSAGE", "INVITE", "OPTIONS", "BYE"), 10):
        came = of_eve(method, number)
        only_foreign(came.raw, ANSWERS + ASKS)
        bob.answer(came, 603, "No")
    if eve.peer.transport != "UDP":  # else nobody listens at her Contact
        return
    for method in ("INFO", "UPDATE", "REFER", "NOTIFY", "FROBNICATE", "BYE"):
        _, came = theirs.ask(theirs.new(method, [("Contact", bob.contact)] + fields(ASKS, HOSTILE + FOREIGN)), eve)
        only_foreign(came.raw, ASKS)
        eve.answer(came, 603, "No")


def test_no_challenge_of_ours_comes_back(ends):
    """In no status, with no method; what is foreign passes, and a 401 with nothing else becomes a 502."""
    eve, bob = ends
    for method, code in itertools.product(METHODS, (180, 200, 300, 401, 403, 407, 494, 603)):
        if method in ("NOTIFY", "REFER") or (code < 200 and method != "INVITE"):
            continue
        for values in (HOSTILE, HOSTILE + FOREIGN):
            call_id, raw = eve.octets(method, bob.aor, stranger(), credentials=False)
            eve.peer.send(raw)
            came = came_to(bob, call_id, eve)
            bob.answer(came, code, "As asked", fields(ASKS + ANSWERS, values[:10] if values is HOSTILE else values))
            bare = code in (401, 407) and values is HOSTILE
            answer = eve.peer.take(lambda m, c=call_id: m.code and m.code > 100 and about(m, c), 5, f"the {code} to {method}")
            assert answer.code == (502 if bare else code), answer.start
            only_foreign(answer.raw, ASKS + ANSWERS) if values is not HOSTILE else None
            assert values is not HOSTILE or not carried(answer.raw)
            if bare:
                assert answer.reason == "Challenge In The Name Of This Server"
            if code < 200:
                bob.answer(came, 603, "No")
                eve.peer.take(lambda m, c=call_id: m.code == 603 and about(m, c), 5, "the end")


# --- what the table of passage.c takes out ---

NAMES = ["P-Asserted-Identity", "P-Preferred-Identity", "Remote-Party-ID"]
RINGS = ["Alert-Info", "Answer-Mode", "Priv-Answer-Mode", "P-Auto-Answer", "X-Auto-Answer", "answer-after", "P-Served-User",
         "p-charging-vector"]
OTHERS = [("Privacy", "none"), ("Call-Info", "<http://example.org/photo>;purpose=icon"), ("Diversion", "<sip:x@y>"),
          ("History-Info", "<sip:x@y>;index=1"), ("Reply-To", "<sip:x@y>"), ("X-Serial", "1"), ("Supported", "100rel")]


def told(message, names):
    return [name for name in names if message.all(name)]


def test_pai_response(ends):
    """repro-pai-response: RFC 3325 5: what a phone shows of the other side comes from the domain, or from nobody."""
    eve, bob = ends
    names = {f"n{number}": f"{name}: <sip:boss@example.com>" for number, name in enumerate(NAMES)}
    for more, credentials in ((stranger(), False), ({}, True)):
        _, came = eve.to(bob, "MESSAGE", {**more, **names}, b"", uri=bob.aor, credentials=credentials)
        assert came.all("P-Asserted-Identity") == ([f"<{eve.agent.aor}>"] if credentials else [])
        assert not told(came, NAMES[1:])
        bob.answer(came, 200, "OK", [(name, "<sip:boss@example.com>") for name in NAMES + ["Identity", "Identity-Info"]])
        answer = eve.peer.take(lambda m, c=came: m.code == 200 and m.one("Call-ID") == c.one("Call-ID"), 5, "the 200")
        assert not told(answer, NAMES + ["Identity", "Identity-Info"])


def test_strangers_open_no_microphone(ends):
    """Phones answer by themselves when one of these says so. Users of the domain may say it, for intercoms."""
    eve, bob = ends
    rings = {f"r{number}": f"{name}: <http://x>;info=alert-autoanswer" for number, name in enumerate(RINGS)}
    rings["c"] = "Call-Info: <sip:x>;Answer-After=0"
    rings.update({f"o{number}": f"{name}: {value}" for number, (name, value) in enumerate(OTHERS)})
    for more, credentials in ((stranger(), False), ({}, True)):
        call_id, raw = eve.octets("INVITE", bob.aor, {**more, **rings}, credentials=credentials)
        eve.peer.send(raw)
        came = came_to(bob, call_id, eve)
        assert told(came, RINGS) == (RINGS if credentials else [])
        assert len(came.all("Call-Info")) == 1 + credentials
        assert told(came, dict(OTHERS)) == list(dict(OTHERS))
        bob.answer(came, 603, "No")


@pytest.mark.parametrize("method, event, code", [("NOTIFY", "check-sync", 481), ("NOTIFY", "resync", 481),
                                                 ("NOTIFY", "message-summary", 481), ("REFER", None, 403),
                                                 ("notify", "check-sync", 481), ("Refer", None, 403)])
def test_strangers_command_no_phone(ends, method, event, code):
    """A NOTIFY without a subscription, and a REFER outside of a dialog; those of users pass."""
    eve, bob = ends
    more = {"Event": event and f"Event: {event}", "Refer-To": "Refer-To: <sip:premium@example.org>",
            "Subscription-State": "Subscription-State: active"}
    eve.refused(bob, code, method, {**stranger(), **more}, uri=bob.aor, credentials=False)
    eve.refused(bob, code, method, {**stranger(), **more, "To": "To: <sip:bob@example.com>;tag=made-up"}, uri=bob.aor,
                credentials=False)
    _, came = eve.to(bob, method, more, b"", uri=bob.aor)
    bob.answer(came, 200)


# How a dialog between a stranger and a user began: who began it, with which method, which Event, and what he was answered;
# and what the stranger may send in it from then on.
BEGUN = {
    "her call, refused": ("eve", "INVITE", None, (180, 486), ()),
    "her call, ringing": ("eve", "INVITE", None, (180,), ()),
    "her call, answered": ("eve", "INVITE", None, (180, 200), ("REFER", "refer")),
    "her subscription, refused": ("eve", "SUBSCRIBE", "presence", (489,), ()),
    "her subscription": ("eve", "SUBSCRIBE", "presence", (200,), ()),
    "her message": ("eve", "MESSAGE", None, (200,), ()),
    "his call, ringing": ("bob", "INVITE", None, (180,), ()),
    "his call, answered": ("bob", "INVITE", None, (200,), ("REFER", "refer")),
    "his subscription": ("bob", "SUBSCRIBE", "presence", (200,), ("presence",)),
    "his to nothing": ("bob", "SUBSCRIBE", None, (200,), ()),
    "his to two": ("bob", "SUBSCRIBE", "presence, dialog", (200,), ()),
    "his in quotes": ("bob", "SUBSCRIBE", '"presence"', (200,), ()),
    "his REFER": ("bob", "REFER", None, (202,), ("refer",)),
}
SENT = [("NOTIFY", "check-sync"), ("NOTIFY", "presence"), ("NOTIFY", "refer"), ("NOTIFY", None), ("REFER", None),
        ("NOTIFY", "check-sync;reboot=true"), ("notify", "check-sync"), ("NOTIFY", "check-sync, presence"),
        ("NOTIFY", '"check-sync"'), ("NOTIFY", "presence, check-sync"), ("NOTIFY", "check-sync/x"), ("NOTIFY", "check-sync x")]


@pytest.mark.parametrize("begun", BEGUN)
def test_strangers_command_no_phone_in_a_dialog(unsigned, net, begun):
    """A token that a refused request has brought back opens nothing that a phone obeys, nor does a subscription the other
    way, nor one to something else."""
    who, method, event, codes, may = BEGUN[begun]
    bob, eve = Phone(unsigned.peer(net, "tcp"), unsigned.user()).register(), Far(unsigned, net)
    eve.peer.answer = None
    more = {"Event": event, "Refer-To": "<sip:x@example.org>" if method == "REFER" else None}
    if who == "eve":
        request = Agent(eve.peer, "eve", "example.org").new(method, bob.aor, {"Contact": eve.contact, **more})
        eve.peer.send(request.encode())
        came = came_to(bob, request.get("Call-ID"))
        for code in codes:
            bob.answer(came, code, "As It Is", [("Contact", bob.contact)])
            answer = eve.peer.take(lambda m, c=code: m.code == c and about(m, request.get("Call-ID")), 5, "the answer")
        if not answer.all("Record-Route"):
            assert method == "MESSAGE"  # no dialog can begin so
            return
        dialog = Dialog(eve, request.get("From"), answer.one("To"), request.get("Call-ID"),
                        list(reversed(answer.values("Record-Route"))), addr_spec(bob.contact)[0], 1)
    else:
        _, came = bob.ask(bob.agent.new(method, eve.uri, {"Contact": bob.contact, **more}), eve)
        for code in codes:
            eve.answer(came, code, "As It Is", [("Contact", eve.contact)])
            bob.net.wait(lambda c=code: [m for m in bob.peer.inbox if m.code == c and about(m, came.one("Call-ID"))], 5, "the answer")
        dialog = Dialog.of_callee(eve, came)
    for (asked, package), made_up in itertools.product(SENT, (False, True)):
        made = dialog.new(asked, [("Contact", eve.contact), ("Subscription-State", "active"), ("Refer-To", "<sip:x@example.org>")]
                          + ([("Event", package)] if package else []))
        if made_up:
            made.set("To", f"{made.get('To').partition(';tag=')[0]};tag=made-up")
        eve.peer.send(made.encode())
        got = net.wait(lambda m=made: bob.find(m, lambda m: m.method) or eve.find(m, lambda m: m.code and m.code >= 300), 5,
                       "what comes of it")
        if got.method:
            assert asked in may or package in may, (asked, package, made_up)
            bob.answer(got, 481, "No")
        else:
            assert got.code in (403, 404, 481), got.start
            assert made_up or (asked not in may and package not in may), (asked, package, got.start)


# --- the attacks that were shown ---

class Dupe:
    """A phone as they are: it answers every challenge for a realm that it has a password of."""

    def __init__(self, server, net, transport="udp"):
        self.user = server.user()
        self.phone = Phone(server.peer(net, transport), self.user).register()

    def obey(self, request, response):
        """The request again, with answers to all challenges for example.com; None: there is none."""
        again = request.copy().set("Via", self.phone.peer.via())
        number, method = request.get("CSeq").split()
        again.set("CSeq", f"{int(number) + 1} {method}")
        found = False
        for ask, reply in zip(ASKS, ANSWERS):
            for value in response.all(ask):
                parameters = digest.parse(value)[1]
                if parameters.get("realm", "").lower() == "example.com" and parameters.get("algorithm", "MD5") in digest.HASHES:
                    again.set(reply, digest.answer(parameters, self.user.name, self.user.password, method, request.uri))
                    found = True
        return again if found else None


def led_on(dupe, request, attacker, challenge, tries=4):
    """The phone goes on as long as it is asked, and the attacker answers each time with 401 and 407. Gives what reached him."""
    got = []
    for _ in range(tries):
        dupe.phone.send(request)
        number = int(request.get("CSeq").split()[0])
        while True:
            message = dupe.phone.net.wait(
                lambda r=request, n=number: attacker.find(r, lambda m: m.method) or
                dupe.phone.find(r, lambda m: m.code and m.code >= 300 and m.cseq[0] == n), 5, "an answer")
            if not message.method:
                break
            got.append(message)
            code = 401 if len(got) % 2 else 407
            attacker.answer(message, code, "Yes?", [(ASKS[code == 407], challenge)])
        if request.method == "INVITE":
            dupe.phone.send(dupe.phone.ack_of_failure(request, message))
        again = dupe.obey(request, message)
        if again is None:
            break
        request = again
    assert got
    return got


def test_digest_leak(unsigned, net):
    """repro-digest-leak: who is called asks for the realm of the domain, with a nonce of his choice and MD5."""
    alice, eve = Dupe(unsigned, net), Phone(unsigned.peer(net, "udp"), unsigned.user()).register()
    request = alice.phone.agent.new("MESSAGE", eve.aor)
    for came in led_on(alice, request, eve, 'Digest realm="example.com", nonce="evil", algorithm=MD5, qop="auth"'):
        assert not carried(came.raw)


def challenge_at(peer_agent, code, method, uri, headers):
    refused = peer_agent.exchange(peer_agent.new(method, uri, headers))
    assert refused.code == code, refused.start
    return next(value for ask in ASKS for value in refused.all(ask))


def dialog_with(dupe, attacker, method, contact):
    """The phone begins a dialog, in which the other end puts itself on the way, and names somebody else as its Contact."""
    own = {"Contact": dupe.phone.contact, "Event": "presence", "Expires": "600"}
    request, came = dupe.phone.ask(dupe.phone.agent.new(method, attacker.aor, own), attacker)
    came.headers.insert(0, ("record-route", f"<sip:{attacker.peer.address};lr>"))
    attacker.answer(came, 200, "OK", [("Contact", f"<{contact}>"), ("Expires", "600")])
    dialog = Dialog.of_caller(dupe.phone, request, dupe.phone.told(request, 200))
    if method == "INVITE":
        dupe.phone.send(dialog.new("ACK", number=int(request.get("CSeq").split()[0])))
    return dialog, own


@pytest.mark.parametrize("method", ["SUBSCRIBE", "INVITE"])
def test_private_key_foreign(unsigned, net, method):
    """repro-private-key-foreign: alice's refresh of a dialog, whose remote target is made to be alice, is challenged with a
    nonce that the credential service gave the attacker on his own TLS connection."""
    alice, carol = Dupe(unsigned, net), Phone(unsigned.peer(net, "udp"), unsigned.user()).register()
    owner = unsigned.agent(net, alice.user)
    assert owner.publish(*certs.pair(alice.user.aor)).code == 200
    thief = unsigned.agent(net)
    ask = {"Event": "credential", "To": f"<{alice.user.aor}>"}
    challenge = challenge_at(thief, 401, "SUBSCRIBE", alice.user.aor, ask)
    dialog, own = dialog_with(alice, carol, method, alice.user.aor)
    for came in led_on(alice, dialog.new(method, own.items()), carol, challenge):
        for _, value in carried(came.raw):
            answer = thief.exchange(thief.new("SUBSCRIBE", alice.user.aor, {**ask, "Authorization": value}))
            assert answer.code == 401
        assert not carried(came.raw)
    assert not [m for m in thief.peer.inbox if m.method and credential_of(m)]


@pytest.mark.parametrize("header", ASKS)
def test_call_as_another(unsigned, net, header):
    """repro-call-as-another: eve calls alice, names bob as her Contact, and asks alice's phone, when it refreshes the call,
    with a nonce of the proxy's; with its answer she would call bob as alice."""
    alice, bob = Dupe(unsigned, net), Phone(unsigned.peer(net, "udp"), unsigned.user()).register()
    eve = Far(unsigned, net)
    eve.peer.answer = None
    caller = unsigned.agent(net, transport="udp")
    challenge = challenge_at(caller, 407, "MESSAGE", "sip:x@example.org", {"From": f"<{alice.user.aor}>;tag=9"})
    eve.peer.send(caller.new("INVITE", alice.user.aor, {
        "Via": eve.peer.via(), "From": "<sip:eve@evil.example>;tag=e", "Contact": f"<{bob.aor}>",
        "Record-Route": f"<sip:{eve.peer.address};lr>"}).encode())
    invite = alice.phone.net.wait(lambda: next((m for m in alice.phone.peer.inbox if m.method == "INVITE"), None), 5, "the call")
    alice.phone.answer(invite, 200, "OK", [("Contact", alice.phone.contact)])
    eve.peer.take(lambda m: m.code == 200, 5, "the 200")
    request = Dialog.of_callee(alice.phone, invite).new("INVITE", [("Contact", alice.phone.contact)])
    assert request.uri == bob.aor
    for came in led_on(alice, request, eve, f'{challenge}\r\n{header}: {challenge}'):
        for _, value in carried(came.raw):
            call = caller.new("INVITE", bob.aor, {"From": f"<{alice.user.aor}>;tag=z", "Proxy-Authorization": value})
            assert caller.exchange(call).code == 407
        assert not carried(came.raw)
    assert not [m for m in bob.peer.inbox if m.method == "INVITE"]


# --- an answer is good where it was asked for ---

SERVICES = {"registrar": ("REGISTER", "WWW-Authenticate", "Authorization"),
            "proxy": ("MESSAGE", "Proxy-Authenticate", "Proxy-Authorization"),
            "publish": ("PUBLISH", "WWW-Authenticate", "Authorization"),
            "subscribe": ("SUBSCRIBE", "WWW-Authenticate", "Authorization")}
WAYS = [("udp", "127.0.0.1"), ("tcp", "127.0.0.1"), ("tls", "127.0.0.1"), ("tls", "127.0.0.3"), ("udp", "127.0.0.3")]


class Desk:
    """A user's request to one service of the server on one connection, and what became of it."""

    def __init__(self, server, net, user, service, way):
        self.service, self.way = service, way
        self.peer = server.peer(net, way[0], way[1])
        self.agent = server_agent(self.peer, user)
        self.method, self.asks, self.answers = SERVICES[service]
        self.keeps = service in ("publish", "subscribe")

    def request(self):
        uri = {"registrar": "sip:example.com", "proxy": "sip:nobody-at-all@example.com"}.get(self.service, self.agent.aor)
        made = self.agent.new(self.method, uri, {"To": f"<{uri if self.service == 'proxy' else self.agent.aor}>",
                                                 "User-Agent": "a name of the usual length, for there is room for twice of it"})
        return made.set("Event", "credential").set("Expires", "0") if self.keeps else made

    def outcome(self, answer):
        refused = next((value for value in answer.all(self.asks)), None)
        return "stale" if refused and "stale=true" in refused.lower() else "asked" if refused else "accepted"

    def challenge(self):
        answer = self.agent.exchange(self.request())
        assert self.outcome(answer) == "asked", answer.start
        return next(c for c in map(digest.parse, answer.all(self.asks)) if c[1].get("algorithm") == "SHA-256")[1]

    def present(self, challenge, nc):
        """What the service says of an answer to that challenge, which was made for this very request."""
        request = self.request()
        own = {**challenge, "realm": self.challenge()["realm"]}  # a thief would have the realm that is asked for
        request.set(self.answers, digest.answer(own, self.agent.user, self.agent.password, request.method, request.uri, nc=nc))
        return self.outcome(self.agent.exchange(request))


def server_agent(peer, user):
    agent = Agent(peer, user.name, password=user.password)
    agent.peer.answer = 200
    return agent


def test_an_answer_is_good_only_where_it_was_asked_for(server, net):
    """DIG-11: every service's challenge at every service, from every address and transport. The same service and address, at
    the credential service the same connection, or it is stale; what the two requests of that service share is one window."""
    lab = server("digest.sha-256=on")
    user = lab.user()
    desks = [Desk(lab, net, user, service, way) for service in SERVICES for way in WAYS
             if way[0] == "tls" or service in ("registrar", "proxy")]
    kind = {"publish": "credential", "subscribe": "credential"}
    counts = itertools.count(1)
    for asked in desks:
        challenge = asked.challenge()
        for here in desks:
            same = kind.get(asked.service, asked.service) == kind.get(here.service, here.service)
            place = here is asked if asked.keeps else here.way[1] == asked.way[1]
            assert here.present(challenge, next(counts)) == ("accepted" if same and place else "stale"), \
                f"{asked.service} {asked.way} at {here.service} {here.way}"
    here = desks[0]
    challenge = here.challenge()
    other = next(d for d in desks if d.service == here.service and d.way == ("tcp", "127.0.0.1"))
    assert [here.present(challenge, 1), other.present(challenge, 1), other.present(challenge, 2), here.present(challenge, 2)] \
        == ["accepted", "stale", "accepted", "stale"]
