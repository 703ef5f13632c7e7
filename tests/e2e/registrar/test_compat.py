"""digest.compat (row DIG-13, RFC 3261 22.4): what phones send for an answer, and what must not come of taking it (G17)."""

import itertools

import pytest
from peer import digest
from peer.phone import Phone
from peer.sipclient import Agent

TRANSPORTS = ["udp", "tcp", "tls"]
DOMAIN = "example.com"


@pytest.fixture(scope="module")
def kinds(labs):
    servers = {kind: labs.server(f"digest.compat={kind}", "identity.sign=off", "digest.guesses=0").start() for kind in ("phones", "strict")}
    yield servers
    for one in servers.values():
        one.stop()


class Odd:
    """A phone that answers challenges in a way of its own."""

    def __init__(self, server, net, transport="udp", source="127.0.0.1", user=None):
        self.user = user or server.user()
        self.agent = Agent(server.peer(net, transport, source), self.user.name, password=self.user.password)
        self.agent.peer.behind_proxy = True
        self.challenge, self.number = None, 1

    def request(self, method="REGISTER", uri=f"sip:{DOMAIN}", contact="sip:a@192.0.2.77:5070", **headers):
        made = self.agent.new(method, uri, {"To": f"<{self.agent.aor}>", **headers})
        return made.set("Contact", f"<{contact}>") if method == "REGISTER" else made

    def asked(self, request):
        """The challenge for it."""
        answer = self.agent.exchange(request)
        assert answer.code in (401, 407), answer.start
        self.challenge = self.agent.pick(answer)
        return self.challenge

    def value(self, request, qop="auth", nc=1, cnonce="0a4f113b", uri=None, name=None, drop=()):
        c, uri, name = self.challenge, uri or request.uri, name or self.user.name
        count = f"{nc:08x}"
        response = digest.compute(c["algorithm"], name, c["realm"], self.user.password, request.method, uri, c["nonce"],
                                  count, cnonce, qop, request.body)
        values = {"username": name, "realm": c["realm"], "nonce": c["nonce"], "uri": uri, "response": response}
        if qop:
            values.update(cnonce=cnonce, nc=count, qop=qop)
        return "Digest " + ", ".join(f"{k}={v}" if k in ("nc", "qop") else f'{k}="{v}"' for k, v in values.items() if k not in drop)

    def answered(self, request, **how):
        """The status of the request with such an answer, and whether a new challenge says stale."""
        self.number += 1
        again = request.copy().set("Via", self.agent.peer.via()).set("CSeq", f"{self.number} {request.method}")
        again.set("Authorization" if request.method == "REGISTER" else "Proxy-Authorization", self.value(again, **how))
        answer = self.agent.exchange(again)
        asked = digest.challenges(answer)
        return answer.code, any(one.get("stale", "").lower() == "true" for one in asked)


ACCEPTED, STALE, CHALLENGED = (200, False), (401, True), (401, False)
ODD = {  # how it answers a challenge for sip:example.com or, by MESSAGE, for sip:bob@example.com:PORT;x=1
    "no qop": {"qop": None},
    "no qop, no algorithm": {"qop": None, "drop": ("algorithm",)},
    "user@domain": {"name": f"{{user}}@{DOMAIN}"},
    "uri without port and parameters": {"uri": "bare"},
}


def spelled(how, phone, request):
    made = dict(how)
    if "name" in made:
        made["name"] = made["name"].format(user=phone.user.name)
    if "uri" in made:
        made["uri"] = request.uri.split(";")[0].rsplit(":", 1)[0]
    return made


@pytest.mark.parametrize("transport", TRANSPORTS)
@pytest.mark.parametrize("odd", ODD)
def test_DIG_13_how_phones_answer(kinds, net, odd, transport):
    for kind, method in itertools.product(kinds, ("REGISTER", "MESSAGE")):
        server = kinds[kind]
        phone = Odd(server, net, transport)
        bob = Phone(server.peer(net, "tcp"), server.user()).register()
        port = server.port + (transport == "tls")
        uri = f"sip:{DOMAIN}:{port};x=1" if method == "REGISTER" else f"sip:{bob.user.name}@{DOMAIN}:{port};x=1"
        request = phone.request(method, uri)
        phone.asked(request)
        bob.peer.answer = 200
        expected = 200 if kind == "phones" else 401 if method == "REGISTER" else 407
        assert phone.answered(request, **spelled(ODD[odd], phone, request))[0] == expected, (kind, method)


@pytest.mark.parametrize("change", ["password", "uri", "port", "method", "name", "domain"])
def test_DIG_13_what_is_wrong_stays_wrong(kinds, net, change):
    """An answer without qop for another method or place, a name of another domain, a uri with another port."""
    phone = Odd(kinds["phones"], net)
    request = phone.request(uri=f"sip:{DOMAIN}:{kinds['phones'].port}")
    phone.asked(request)
    how = {"qop": None}
    if change == "password":
        phone.user.password += "x"
    elif change == "uri":
        how["uri"] = "sip:example.org"
    elif change == "port":
        how["uri"] = f"sip:{DOMAIN}:{kinds['phones'].port + 1}"
    elif change == "name":
        how["name"] = kinds["phones"].user().name
    elif change == "domain":
        how["name"] = f"{phone.user.name}@example.org"
    else:
        other = phone.request("MESSAGE", request.uri)
        value = phone.value(other, qop=None)
        phone.value = lambda *_, **__: value
    assert phone.answered(request, **how) == CHALLENGED


@pytest.mark.parametrize("transport", TRANSPORTS)
def test_DIG_13_G17_a_nonce_is_good_once_without_qop(kinds, net, transport):
    phone = Odd(kinds["phones"], net, transport)
    request = phone.request()
    phone.asked(request)
    assert phone.answered(request, qop=None) == ACCEPTED
    for how in ({"qop": None}, {"nc": 1}, {"nc": 7}, {"qop": "auth-int", "nc": 2}):
        assert phone.answered(request, **how) == STALE, how
    # And the other way round: a nonce that had a count is not good without one.
    phone.asked(request)
    assert phone.answered(request) == ACCEPTED
    assert phone.answered(request, qop=None) == STALE


@pytest.mark.parametrize("transport", TRANSPORTS)
def test_DIG_13_one_count_for_ever_refreshes(kinds, net, transport):
    phone = Odd(kinds["phones"], net, transport)
    request = phone.request()
    phone.asked(request)
    for _ in range(4):
        assert phone.answered(request) == ACCEPTED
    assert phone.answered(request, cnonce="another") == ACCEPTED
    strict = Odd(kinds["strict"], net, transport)
    strict.asked(request := strict.request())
    assert strict.answered(request) == ACCEPTED
    assert strict.answered(request) == STALE


CHANGES = {
    "another contact": lambda r: r.set("Contact", "<sip:a@192.0.2.78:5070>"),
    "another user part": lambda r: r.set("Contact", "<sip:b@192.0.2.77:5070>"),
    "one more": lambda r: r.add("Contact", "<sip:b@192.0.2.77:5070>"),
    "a parameter": lambda r: r.set("Contact", "<sip:a@192.0.2.77:5070>;q=0.4"),
    "the end": lambda r: r.set("Expires", "0"),
    "another time": lambda r: r.set("Expires", "1800"),
    "everything": lambda r: r.set("Contact", "*").set("Expires", "0"),
    "no contact": lambda r: r.set("Contact", None),
    "another call": lambda r: r.set("Call-ID", "another@test.invalid"),
    "a path": lambda r: r.set("Path", "<sip:192.0.2.9;lr>").set("Supported", "path"),
}


@pytest.mark.parametrize("transport", TRANSPORTS)
@pytest.mark.parametrize("change", CHANGES)
def test_DIG_13_G17_used_credentials_change_nothing(kinds, net, change, transport):
    phone = Odd(kinds["phones"], net, transport)
    request = phone.request()
    phone.asked(request)
    assert phone.answered(request) == ACCEPTED
    before = kinds["phones"].admin("status").stdout
    assert phone.answered(CHANGES[change](request.copy())) == STALE
    lines = [line for line in kinds["phones"].admin("status").stdout.splitlines() if phone.user.name in line]
    assert len(lines) == 1 and lines[0].split()[:2] == [line for line in before.splitlines() if phone.user.name in line][0].split()[:2]


def test_DIG_13_G17_from_elsewhere(kinds, net):
    """Another port or connection is another source: who has read a request cannot take the binding with it."""
    for one, other in itertools.product(TRANSPORTS, TRANSPORTS):
        phone = Odd(kinds["phones"], net, one)
        request = phone.request()
        phone.asked(request)
        assert phone.answered(request) == ACCEPTED
        thief = Odd(kinds["phones"], net, other, user=phone.user)
        thief.challenge, thief.number = phone.challenge, 50
        assert thief.answered(request) == STALE, (one, other)


def test_DIG_13_G17_a_repeated_request_does_not_outrun_the_phone(kinds, net):
    """The CSeq of used credentials does not count: else whoever repeats them with a high one would lock the phone out."""
    phone = Odd(kinds["phones"], net)
    request = phone.request()
    phone.asked(request)
    assert phone.answered(request) == ACCEPTED
    copy = request.copy().set("CSeq", "2000000 REGISTER")
    copy.set("Via", phone.agent.peer.via()).set("Authorization", phone.value(request))
    assert phone.agent.exchange(copy).code == 200
    assert phone.answered(request, nc=2) == ACCEPTED


@pytest.mark.parametrize("method", ["MESSAGE", "INVITE"])
def test_DIG_13_G17_requests_need_a_new_count(kinds, net, method):
    server = kinds["phones"]
    bob = Phone(server.peer(net, "tcp"), server.user()).register()
    bob.peer.answer = 486
    phone = Odd(server, net, "tcp")
    request = phone.request(method, bob.aor)
    phone.asked(request)
    assert phone.answered(request)[0] == 486
    assert phone.answered(request) == (407, True)
    assert phone.answered(request, nc=2)[0] == 486
