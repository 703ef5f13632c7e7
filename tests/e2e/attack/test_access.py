"""Who gets in: credentials of every wrong kind, judged by an oracle of their own (G16), keys that leave only to their
owner (G24), and users whom nobody can find out (G18). The ids are rows of REQUIREMENTS.md."""

import re

import pytest
from peer import certs, digest
from peer.sipclient import Agent, Timeout, parameters, split, token

DOMAIN, REALM = "example.com", "credential.example.com"
UNRESERVED = set("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_.!~*'()&=+$,;?/")


@pytest.fixture(scope="module")
def site(labs):
    """A server that does not mind many wrong answers."""
    started = labs.server("notify.interval=0", "digest.guesses=0").start()
    yield started
    started.stop()


# --- the oracle ---

def unescape(text):
    return re.sub(r"%([0-9A-Fa-f]{2})", lambda found: chr(int(found[1], 16)), text)


def owner_of(uri):
    """The user whose address of record a URI of the domain is, or None."""
    found = re.fullmatch(r"sips?:([^@:]+)(?::[^@]*)?@([^;?:]+)(?::\d+)?(?:[;?].*)?", uri, re.I)
    if not found or found[2].lower() != DOMAIN:
        return None
    return unescape(found[1])


def answers(request):
    """The answers to our challenge among the Authorization fields, each a dictionary; None for malformed ones."""
    out = []
    for name, value in request.headers:
        if name.lower() != "authorization" or not value.lower().startswith("digest "):
            continue
        if value.count('"') % 2:
            return None
        given = {}
        for piece in split(value[7:]):
            key, _, text = piece.partition("=")
            if key.strip().lower() in given:
                return None
            given[key.strip().lower()] = text.strip().strip('"')
        if given.get("realm") == REALM:
            out.append(given)
    return out


def allowed(case, request):
    """What RFC 7616 and the draft say about this request, from what the test knows: passwords, nonces, counts."""
    if case.transport != "tls" or case.relayed or not (given := answers(request)) or len(given) != 1:
        return False
    given = given[0]
    password = case.passwords.get(given.get("username"))
    algorithm = case.nonces.get(given.get("nonce"))
    if password is None or algorithm is None or given.get("algorithm", "MD5").upper() != algorithm:
        return False
    if given.get("qop") not in ("auth", "auth-int") or not given.get("cnonce") or given.get("uri") != request.uri:
        return False
    if not re.fullmatch(r"[0-9a-fA-F]{8}", given.get("nc", "")) or int(given["nc"], 16) in (0, *case.counts):
        return False
    right = digest.compute(algorithm, given["username"], REALM, password, request.method, given["uri"], given["nonce"],
                           given["nc"], given["cnonce"], given["qop"], request.body)
    return given.get("response", "").lower() == right and owner_of(request.uri) == given["username"]


# --- the matrix ---

class Case:
    """One attempt: an agent of `alice` and one of `mallory`, who has an account too."""

    def __init__(self, agent, other, mallory, transport, method):
        self.agent, self.other, self.mallory, self.transport, self.method = agent, other, mallory, transport, method
        self.passwords = {who.user: who.password for who in (agent, mallory)}
        self.nonces, self.counts, self.relayed = {}, set(), False

    def bare(self, uri=None, headers=None):
        """The request without credentials. An authorized PUBLISH would be refused only for its entity-tag."""
        fields = {"Event": "credential", "Expires": 0 if self.method == "SUBSCRIBE" else 3600}
        if self.method == "PUBLISH":
            fields["SIP-If-Match"] = "nosuch"
        return self.agent.new(self.method, uri or self.agent.sips, {**fields, **(headers or {})})

    def challenges(self, agent=None):
        """{algorithm: challenge} for the connection of this agent; by PUBLISH, on TLS. MD5 is what the registrar offers."""
        agent = agent or self.agent
        refused = agent.exchange(agent.new("PUBLISH", agent.sips, {"Event": "credential", "Expires": 0}))
        assert refused.code == 401, refused.start
        found = {c.get("algorithm", "MD5"): c for c in digest.challenges(refused)}
        if agent is self.agent:
            self.nonces.update({c["nonce"]: algorithm for algorithm, c in found.items()})
        refused = agent.exchange(agent.new("REGISTER", f"sip:{DOMAIN}", {"To": f"<{agent.aor}>"}))
        return {**{c["algorithm"]: {**c, "realm": REALM} for c in digest.challenges(refused)}, **found}

    def signed(self, request=None, algorithm="SHA-256", agent=None, **options):
        """The request with credentials; options as those of digest.answer, or of another user."""
        request = request or self.bare()
        challenge = options.pop("challenge", None) or self.challenges(agent)[algorithm]
        again = request.copy()
        again.set("CSeq", f"2 {request.method}").set("Via", request.get("Via").replace("branch=z9hG4bK", "branch=z9hG4bKa"))
        values = {"user": self.agent.user, "password": self.agent.password, "method": request.method,
                  "uri": request.uri, "qop": "auth", **options}
        return again.set("Authorization", digest.answer(challenge, body=request.body, **values))

    def changed(self, **replace):
        return self.signed(replace=replace)

    def edited(self, change, **options):
        """The right answer with its text changed."""
        request = self.signed(**options)
        return request.set("Authorization", change(request.get("Authorization")))


def second_answer(case, value):
    request = case.signed()
    return request.add("Authorization", value or request.get("Authorization"))


def used(case, first, second):
    """The second of two answers to one nonce."""
    challenge = case.challenges()["SHA-256"]
    assert case.agent.exchange(case.signed(challenge=challenge, nc=first)).code in (200, 412)
    case.counts.add(first)
    return case.signed(challenge=challenge, nc=second)


def relayed(case, *headers):
    request = case.signed()
    case.relayed = True
    for name, value in headers:
        request.add(name, value)
    return request


def spelt(name, **options):
    """The user name in another spelling, the response made with `user`, which is the real one by default."""
    return lambda c: c.signed(replace={"username": name(c.agent.user)}, **options)


def named(name):
    """The user name in another spelling in the header and in the digest."""
    return lambda c: c.signed(user=name(c.agent.user))


def escaped(text):
    return "".join(f"%{ord(char):02x}" for char in text)


VIA = "SIP/2.0/TLS relay.example.net;branch=z9hG4bKrelay"
VARIANTS = {
    # Legal ones: that the matrix can tell.
    "right": lambda c: c.signed(),
    "right MD5": lambda c: c.signed(algorithm="MD5"),
    "right MD5 unnamed": lambda c: c.signed(algorithm="MD5", replace={"algorithm": None}),
    "right auth-int": lambda c: c.signed(qop="auth-int"),
    "right upper-case response": lambda c: c.edited(
        lambda v: re.sub(r'response="(\w+)"', lambda m: f'response="{m[1].upper()}"', v)),
    "right lower-case scheme": lambda c: c.edited(lambda v: v.replace("Digest", "digest", 1)),
    "right and a foreign realm": lambda c: second_answer(c, 'Digest realm="x", username="y", nonce="z", uri="sip:x"'),
    "right higher count": lambda c: used(c, 1, 9),
    "right skipped count": lambda c: used(c, 9, 5),
    "right route": lambda c: c.signed(c.bare(headers={"Route": "<sip:example.com;lr>"})),
    # Who.
    "none": lambda c: c.bare(),
    "wrong password": lambda c: c.signed(password="guess"),
    "empty password": lambda c: c.signed(password=""),
    "mallory": lambda c: c.signed(user=c.mallory.user, password=c.mallory.password),
    "name of mallory, password of alice": lambda c: c.signed(user=c.mallory.user),
    "empty user": named(lambda _: ""),
    "empty user, digest of alice": spelt(lambda _: ""),
    "no user": lambda c: c.changed(username=None),
    "case of user": named(str.upper),
    "case of user, digest of alice": spelt(str.upper),
    "escaped user": named(escaped),
    "escaped user, digest of alice": spelt(escaped),
    "user with a password": named(lambda n: n + ":x"),
    "user with a password, digest of alice": spelt(lambda n: n + ":x"),
    "user with NUL, digest of alice": spelt(lambda n: n + "\0x"),
    "user with escaped NUL, digest of alice": spelt(lambda n: n + "%00"),
    "user is AOR, digest of alice": spelt(lambda n: f"{n}@{DOMAIN}"),
    "user is AOR": named(lambda n: f"{n}@{DOMAIN}"),
    # The parameters.
    "foreign realm": lambda c: c.changed(realm="example.org"),
    "case of realm": lambda c: c.changed(realm="EXAMPLE.COM"),
    "no realm": lambda c: c.changed(realm=None),
    "digest uri of mallory": lambda c: c.signed(uri=c.mallory.sips),
    "digest for another uri": lambda c: c.signed(uri=c.mallory.sips, replace={"uri": c.agent.sips}),
    "no uri": lambda c: c.changed(uri=None),
    "digest for another method": lambda c: c.signed(method="REGISTER"),
    "MD5 nonce as SHA-256": lambda c: c.signed(challenge={**c.challenges()["MD5"], "algorithm": "SHA-256"}),
    "SHA-256 nonce as MD5": lambda c: c.signed(challenge={**c.challenges()["SHA-256"], "algorithm": "MD5"}),
    "SHA-256 unnamed": lambda c: c.changed(algorithm=None),
    "unknown algorithm": lambda c: c.changed(algorithm="SHA-512-256"),
    "MD5-sess": lambda c: c.signed(algorithm="MD5", replace={"algorithm": "MD5-sess"}),
    "made-up nonce": lambda c: c.signed(challenge={**c.challenges()["SHA-256"], "nonce": "AQEAAAAA" * 6}),
    "empty nonce": lambda c: c.signed(challenge={**c.challenges()["SHA-256"], "nonce": ""}),
    "changed nonce": lambda c: c.signed(challenge={**(f := c.challenges()["SHA-256"]), "nonce": f["nonce"][:-1] + "_"}),
    "nonce of another connection": lambda c: c.signed(challenge=c.challenges(c.other)["SHA-256"]),
    "same count": lambda c: used(c, 1, 1),
    "lower count that was used": lambda c: used(c, 7, 7),
    "count 0": lambda c: c.signed(nc=0),
    "count of 9 digits": lambda c: c.edited(lambda v: v.replace("nc=0", "nc=00")),
    "count that is no number": lambda c: c.changed(nc="0000000g"),
    "no count": lambda c: c.changed(nc=None),
    "no qop": lambda c: c.changed(qop=None),
    "RFC 2069": lambda c: c.signed(qop=None, replace={"qop": None, "nc": None, "cnonce": None}),
    "unknown qop": lambda c: c.changed(qop="auth-conf"),
    "auth-int over another body": lambda c: c.edited(lambda v: v.replace("qop=auth", "qop=auth-int")),
    "no cnonce": lambda c: c.changed(cnonce=None),
    "empty cnonce": lambda c: c.changed(cnonce=""),
    "no response": lambda c: c.changed(response=None),
    "empty response": lambda c: c.changed(response=""),
    "zeros": lambda c: c.changed(response="0" * 64),
    "half a response": lambda c: c.edited(lambda v: re.sub(r'response="(.{32}).*?"', r'response="\1"', v)),
    # The header field.
    "twice the same": lambda c: second_answer(c, None),
    "a wrong one behind": lambda c: second_answer(c, f'Digest realm="{REALM}", username="x", response="y"'),
    "two in one field": lambda c: c.edited(lambda v: f"{v}, {v}"),
    "user twice": lambda c: c.edited(lambda v: f'{v}, username="{c.mallory.user}"'),
    "user twice, first mallory": lambda c: c.edited(
        lambda v: v.replace("Digest ", f'Digest username="{c.mallory.user}", ')),
    "response twice": lambda c: c.edited(lambda v: v + ', response="0"'),
    "Basic": lambda c: c.bare(headers={"Authorization": "Basic YWxpY2U6YWxpY2U="}),
    "to the proxy": lambda c: (lambda r: r.set("Proxy-Authorization", r.get("Authorization"))
                               .set("Authorization", None))(c.signed()),
    "no blank": lambda c: c.edited(lambda v: v.replace("Digest ", "Digest")),
    "unended quote": lambda c: c.edited(lambda v: v + ', x="'),
    # The way.
    "To tag": lambda c: (lambda r: r.set("To", f"<{r.uri}>;tag=1"))(c.bare()),
    "Route": lambda c: c.bare(headers={"Route": f"<sips:{DOMAIN};lr>"}),
    "two Vias": lambda c: relayed(c, ("Via", VIA)),
    "two Vias in one": lambda c: (lambda r: r.set("Via", f"{r.get('Via')}, {VIA}"))(relayed(c)),
    "compact second Via": lambda c: relayed(c, ("v", VIA)),
    "Record-Route": lambda c: relayed(c, ("Record-Route", "<sip:relay.example.net;lr>")),
}


def attempt(case, request):
    """The status of the answer."""
    branch = parameters(split(request.get("Via"))[0].partition(";")[2])["branch"]
    peer = case.agent.peer
    peer.send(request.encode())
    found = peer.take(lambda m: m.code and m.branch == branch, 5, f"an answer to {request.headers}")
    return found.code


@pytest.mark.parametrize("method", ["PUBLISH", "SUBSCRIBE"])
@pytest.mark.parametrize("transport", ["tls", "tcp", "udp"])
def test_G16_no_way_around_authentication(site, net, method, transport):
    """Every variant gets what the oracle says; whoever is let in passes to 412 (PUBLISH) or 200 (SUBSCRIBE)."""
    alice, mallory = site.user(), site.user()
    owner = site.agent(net, alice)
    pair = certs.pair(alice.aor)
    assert owner.publish(*pair).code == 200
    wrong, accepted = [], 0
    other, thief = site.agent(net, alice), site.agent(net, mallory)
    sender = owner if transport == "tls" else site.agent(net, alice, transport=transport)
    for name, variant in VARIANTS.items():
        case = Case(owner, other, thief, transport, method)
        request = variant(case)
        case.agent = sender
        if sender is not owner:
            request.set("Via", sender.peer.via())
        expected = allowed(case, request)
        code = attempt(case, request)
        if (code in ((200,) if method == "SUBSCRIBE" else (200, 412))) != expected or not 200 <= code < 500:
            wrong.append(f"{name}: {code}, and the oracle says {expected}")
        accepted += expected
    assert not wrong, "\n".join(wrong)
    assert accepted == (8 if transport == "tls" else 0), "the oracle itself"
    assert owner.fetch_credential() == pair


def spellings(name):
    """Request-URIs that could be taken for those of a user, in one reading or another."""
    first = f"%{ord(name[0]):02x}{name[1:]}"
    return [f"{scheme}:{user}@{host}" for scheme in ("sip", "sips") for user, host in (
        (name, DOMAIN), (name, DOMAIN.upper()), (first, DOMAIN), (first.upper(), DOMAIN), (name.upper(), DOMAIN),
        (f"{name}:x", DOMAIN), (f"{name}%00", DOMAIN), (f"%00{name}", DOMAIN), (f"{name};x=y", DOMAIN),
        (f"{name}%40{DOMAIN}", DOMAIN), (f"x@{name}", DOMAIN), (f"{name}/", DOMAIN), (f"{name}%20", DOMAIN),
        (name, f"{DOMAIN}:5061"), (name, f"{DOMAIN};user=phone"), (name, f"{DOMAIN}?Authorization=x"),
        (name, f"{DOMAIN}."), (name, f"www.{DOMAIN}"), (f"{name}%", DOMAIN), (f"..%2f{name}", DOMAIN))]


@pytest.mark.parametrize("method", ["PUBLISH", "SUBSCRIBE"])
def test_G16_G24_another_user_under_every_spelling(site, net, method):
    """Mallory, with her own right password, asks for alice. No request is accepted, and no octet of the key comes."""
    alice, mallory = site.user(), site.user()
    pair = certs.pair(alice.aor)
    assert site.agent(net, alice).publish(*pair).code == 200
    thief = site.agent(net, mallory)
    for uri in spellings(alice.name):
        fields = {"Event": "credential", "Expires": 0 if method == "SUBSCRIBE" else 3600, "To": f"<{uri}>"}
        response = thief.call(method, uri, fields)
        assert 400 <= response.code < 500, f"{uri}: {response.start}"
    for name in ("From", "To", "Contact", "P-Asserted-Identity", "P-Preferred-Identity", "Remote-Party-ID"):
        response = thief.call(method, alice.sips, {"Event": "credential", name: f"<{alice.sips}>;tag=1"})
        assert 400 <= response.code < 500, f"{name}: {response.start}"
    assert not [m for m in thief.peer.copies if m.method]
    assert site.agent(net, alice).fetch_credential() == pair


def test_G24_the_key_leaves_on_the_connection_of_its_owner_only(site, net):
    alice, mallory = site.user(), site.user()
    pair, newer = certs.pair(alice.aor), certs.pair(alice.aor, 1)
    owner, publisher = site.agent(net, alice), site.agent(net, alice)
    assert publisher.publish(*pair).code == 200
    dialog = owner.subscribe(event="credential")
    strangers = [site.agent(net, mallory), site.agent(net, mallory, transport="tcp"),
                 site.agent(net, mallory, transport="udp"), site.agent(net, alice, transport="tcp"),
                 site.agent(net, alice, transport="udp")]
    for stranger in strangers:
        # In the dialog of the owner, with a Contact of one's own, and with one's own credentials, if any.
        request = dialog.again(headers={"Via": stranger.peer.via(), "Contact": f"<sip:x@{stranger.peer.address}>"})
        request.set("CSeq", "77 SUBSCRIBE")
        assert stranger.run(request)[1].code in (401, 403)
        response = stranger.try_subscribe(alice.sips, event="credential")
        assert response.code in (401, 403), response.start
        assert stranger.subscribe(alice.aor, expires=0).notify.body == pair[0]
        assert stranger.try_subscribe(alice.aor, headers={"Accept": "multipart/mixed"}).code == 406
    assert publisher.publish(*newer).code == 200
    assert dialog.next().body.count(newer[1]) == 1
    net.idle(0.3)
    peers = [peer for stranger in strangers for peer in (stranger.peer, *getattr(stranger.peer, "streams", ()))]
    seen = [m.raw for peer in peers for m in peer.copies]
    assert len(seen) >= len(strangers)
    for secret in (pair[1], newer[1]):
        assert not [raw for raw in seen if secret[30:90] in raw]


@pytest.mark.parametrize("end", ["revoked", "new password", "deleted", "connection"])
def test_G24_no_key_after_the_end(site, net, end):
    """What ended by revocation, a new password, deletion or with its connection never sends a key again."""
    alice = site.user()
    pair, newer = certs.pair(alice.aor), certs.pair(alice.aor, 1)
    owner = site.agent(net, alice)
    assert owner.publish(*pair).code == 200
    device = site.agent(net, alice)
    dialog = device.subscribe(event="credential")
    password = alice.password
    if end == "revoked":
        assert owner.revoke().code == 200
    elif end == "new password":
        password = "another"
        assert site.admin("user", "passwd", alice.aor, stdin="another\n").returncode == 0
    elif end == "deleted":
        assert site.admin("user", "del", alice.aor).returncode == 0
        site.user(alice.name, password)
    else:
        device.peer.close()
    count = len(device.peer.copies)
    if end != "connection":
        assert dialog.next().state == ("terminated", {"reason": "deactivated"}) and dialog.notify.body == b""
        count += 1
    owner.password = password
    assert owner.publish(*newer).code == 200
    net.idle(0.3)
    assert len(device.peer.copies) == count
    device = device if end != "connection" else site.agent(net, alice)
    device.password = password
    request = dialog.again(headers={"Via": device.peer.via()})
    assert device.run(request.set("CSeq", "99 SUBSCRIBE"))[1].code == 481


# --- users that nobody can find out ---

def masked(raw, *names):
    """The octets of a message without what is random, counts, or is the name itself."""
    text = raw.decode("latin-1")
    for name in names:
        text = text.replace(name, "NAME")
    for pattern in (r'nonce="[^"]*"', r"tag=[\w.-]+", r"branch=[\w.-]+", r"(?m)^Call-ID: .*$", r'(?m)^Identity: .*$',
                    r"(?m)^Date: .*$", r"cred-\w+", r"(?m)^CSeq: \d+", r"127\.0\.0\.1:\d+", r"rport=\d+", r"(?m)^Retry-After: \d+"):
        text = re.sub(pattern, "-", text)
    return text


def bad_digest(agent, method, name, count=1):
    """The answers to `count` wrong guesses."""
    out = []
    for _ in range(count):
        request = agent.new(method, f"sips:{name}@{DOMAIN}", {"Event": "credential"})
        challenge = agent.pick(agent.exchange(request))
        again = agent.authorize(request, challenge, user=name, password="guess")
        out.append(agent.exchange(again).raw)
    return out


def conversations(server, net, name):
    """Everything a stranger may ask about a user, and what came back."""
    out = []
    for transport in ("tls", "tcp", "udp"):
        agent = server.agent(net, transport=transport)
        for method in ("PUBLISH", "SUBSCRIBE", "OPTIONS", "REGISTER", "MESSAGE", "NOTIFY"):
            for event in ("credential", "certificate"):
                for uri in (f"sip:{name}@{DOMAIN}", f"sips:{name}@{DOMAIN}"):
                    out.append(agent.call(method, uri, {"Event": event, "Expires": 0}).raw)
        for event in ("certificate", "credential"):
            for headers in ({"Expires": 1}, {"Accept": "text/plain"}, {"Require": "x"}, {"Contact": None}):
                out.append(agent.try_subscribe(f"sip:{name}@{DOMAIN}", event, headers=headers).raw)
        net.idle(0.1)
        # Workers sign them, in any order.
        out += sorted((message.raw for message in agent.peer.copies if message.method), key=lambda raw: masked(raw, name))
    agent = server.agent(net)
    for method in ("PUBLISH", "SUBSCRIBE"):
        out += bad_digest(agent, method, name)
        out.append(agent.call(method, f"sips:{name}@{DOMAIN}", {"Event": "credential", "Authorization": "Digest x"}).raw)
    return out


def test_G18_known_and_unknown_users_get_the_same_octets(lab, net):
    known, unknown = lab.user().name, f"u{token()[:8]}"
    answered, other = conversations(lab, net, known), conversations(lab, net, unknown)
    assert [masked(raw, known) for raw in answered] == [masked(raw, unknown) for raw in other]
    assert len(answered) > 90 and any(b"NOTIFY" in raw for raw in answered)


def test_G18_G19_guessing_ends_alike_for_known_and_unknown_users(server, net):
    other = server("digest.guesses=5")
    known, unknown = other.user().name, f"u{token()[:8]}"
    agent = other.agent(net)
    series = [[masked(raw, name) for raw in bad_digest(agent, "PUBLISH", name, 7)] for name in (known, unknown)]
    assert series[0] == series[1]
    assert [text[8:11] for text in series[0]] == ["401"] * 5 + ["503"] * 2


def test_G19_other_spellings_of_a_name_are_no_fresh_guesses(server, net):
    """A name that is spelt otherwise is another name: the right password does not fit it, and what fits is counted."""
    other = server("digest.guesses=3")
    alice = other.user()
    agent = other.agent(net, alice)
    for name in (f"{alice.name}:{n}" for n in range(4)):
        request = agent.new("PUBLISH", alice.sips, {"Event": "credential", "Expires": 0})
        challenge = agent.pick(agent.exchange(request))
        # The digest of alice, under the other name: what a guesser sends who has found the password.
        signed = agent.authorize(request, challenge, replace={"username": name})
        assert agent.exchange(signed).code == 401
    assert agent.publish(headers={"Expires": 0}).code == 200


def test_G19_guesses_at_other_names_do_not_make_room_for_more_at_this_one(server, net):
    """What is known of an account that is guessed at outlives guesses at a few thousand made-up names."""
    other = server("digest.guesses=2")
    alice = other.user()
    agent = other.agent(net)
    challenge = agent.challenge(alice.sips)

    def guess(name, count):
        request = agent.new("PUBLISH", alice.sips, {"Event": "credential"})
        request.set("Authorization", digest.answer(challenge, name, "guess", "PUBLISH", alice.sips, nc=count))
        agent.send(request)
        return request

    assert [agent.final(guess(alice.name, n)).code for n in (1, 2, 3)] == [401, 401, 503]
    sent = []
    for number in range(6000):
        sent.append(guess(f"n{number}", 10 + number))
        if len(sent) == 100:
            for request in sent:
                agent.final(request)
            sent = []
    assert agent.final(guess(alice.name, 9000)).code == 503


def test_G16_a_challenge_is_answered_on_its_own_connection_only(site, net):
    """A nonce that leaks to a relay is worth nothing there, and stays good for its owner."""
    alice = site.user()
    here, there = site.agent(net, alice), site.agent(net, alice)
    request = here.new("PUBLISH", alice.sips, {"Event": "credential", "Expires": 0})
    challenge = here.pick(here.exchange(request))
    stolen = here.authorize(request, challenge)
    stolen.set("Via", there.peer.via())
    refused = there.exchange(stolen)
    assert refused.code == 401 and there.pick(refused)["stale"] == "true"
    assert here.exchange(here.authorize(request, challenge)).code == 200
    with pytest.raises(Timeout):
        there.net.wait(lambda: there.peer.inbox, 0.2, "another answer")


# --- who guesses, and who has to bear it ---

@pytest.mark.parametrize("method, answer", [("REGISTER", "Authorization"), ("MESSAGE", "Proxy-Authorization")])
def test_lockout_spoof(server, net, method, answer):
    """repro-lockout-spoof: who has a nonce for his own address, and writes that of the owner into his packets, does not
    lock the owner out (G19). Who has one for that address does, of that address only, until the minute is over."""
    other = server("digest.guesses=5")
    user = other.user()
    owner = other.agent(net, user, "udp")
    eve = Agent(other.peer(net, "udp", "127.0.0.66"), user.name)
    forged = other.peer(net, "udp")  # another port of the owner's address
    uri = f"sip:{owner.domain}" if method == "REGISTER" else user.aor

    def asked(agent):
        request = agent.new(method, uri, {"To": f"<{user.aor}>"})
        return request, agent.exchange(request)

    def guess(agent, times):
        request, refused = asked(agent)
        for number in range(times):
            again = agent.authorize(request, agent.pick(refused), password="guess", nc=number + 1)
            again.set(answer, again.get("Authorization")).set("Via", forged.via())
            forged.send(again.encode())
        net.idle(0.2)

    def let_in():
        request, refused = asked(owner)
        again = owner.authorize(request, owner.pick(refused))
        return owner.exchange(again.set(answer, again.get("Authorization"))).code in (200, 480)

    assert let_in()
    guess(eve, 20)
    assert let_in(), "the owner is locked out by somebody else"
    guess(owner, 20)
    assert not let_in()
