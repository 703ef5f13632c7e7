"""The authentication service for requests that are forwarded, RFC 4474 section 5 and 9 (rows AUT).

The judge is identity.py: it builds the digest-string from the octets that came, and fetches the certificate from
Identity-Info."""

import random
import re

import pytest
from cryptography import x509
from peer import digest, identity
from peer import lab as program
from peer.abroad import ASSERTED
from peer.lab import until
from peer.phone import HOP, Dialog, Far, Phone, Sender, about, came_to, lines
from peer.sipclient import addr_spec
from peer.stub import sip_date

ADDED = HOP + (b"date", b"content-length", b"l", b"identity", b"identity-info", b"p-asserted-identity")
SDP = (b"v=0\r\no=alice 2890844526 2890844526 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\n"
       b"m=audio 49172 RTP/AVP 0\r\na=rtpmap:0 PCMU/8000\r\n")


def proven(judge, message):
    """Raises unless the octets carry one right signature, by the certificate that Identity-Info names."""
    for name in ("Identity", "Identity-Info", "Date", "Content-Length"):
        assert len(message.all(name)) == 1, f"{len(message.all(name))} times {name}"
    uri, alg = identity.identity_info(message)
    identity.verify(message, x509.load_der_x509_certificate(judge.certificate(uri)).public_key())
    return alg


def unsigned(message):
    assert not message.all("Identity") and not message.all("Identity-Info")


@pytest.fixture
def far(plain, net):
    return Far(plain, net)


@pytest.fixture
def alice(plain, net):
    return Sender(plain.peer(net, "tcp"), plain.user())


@pytest.fixture
def carol(plain, net):
    phone = Phone(plain.peer(net, "tcp"), plain.user()).register()
    phone.peer.answer = 200
    phone.uri = phone.aor  # where others send to
    return phone


@pytest.fixture(params=["local", "far"])
def other(request, far, carol):
    return carol if request.param == "local" else far


def kept(raw, came):
    """Nothing of the sender's is changed."""
    assert lines(came.raw, ADDED) == lines(raw, ADDED)
    assert came.body == raw.partition(b"\r\n\r\n")[2]


def test_AUT_02_date_and_content_length_are_added(plain, net, other, judge):
    """In a datagram Content-Length may be missing."""
    sender = Sender(plain.peer(net, "udp"), plain.user())
    raw, came = sender.to(other, "MESSAGE", {"Date": None}, b"hello\0there", length=False)
    kept(raw, came)
    judge.check(came)
    assert int(came.one("Content-Length")) == 11
    assert identity.SIP_DATE.fullmatch(came.one("Date"))


def test_AUT_02_a_date_that_is_there_stays(alice, other, judge):
    """And Content-Length is written anew, as it always is."""
    raw, came = alice.to(other, "MESSAGE", {"Date": f"Date:  {sip_date(-5)} ", "Content-Length": "l:  0005"}, b"hello")
    without = tuple(name for name in ADDED if name != b"date")
    assert lines(came.raw, without) == lines(raw, without)
    assert b"Content-Length: 5" in lines(came.raw)
    judge.check(came)


@pytest.mark.parametrize("sender", ["<sip:dave@example.org>", "<sip:USER@sub.example.com>", "sip:example.com@example.org",
                                    "<sip:USER@example.com.example.org>", "<sip:anonymous@anonymous.invalid>",
                                    "<tel:+12125551212>", "<tel:+1212;phone-context=example.com>",
                                    '"sip:USER@example.com" <sip:dave@example.org>'])
def test_AUT_03_AUT_22_not_responsible(alice, carol, sender):
    """A foreign From is forwarded without a challenge, and without Identity."""
    raw, came = alice.to(carol, "MESSAGE", {"From": f"From: {sender};tag=1"}, b"hello", credentials=False)
    unsigned(came)
    kept(raw, came)


@pytest.mark.parametrize("transport", ["udp", "tcp", "tls"])
def test_AUT_04_challenge_and_authorization(plain, net, other, judge, transport):
    sender, somebody = Sender(plain.peer(net, transport), plain.user()), plain.user()
    sender.refused(other, 407, "MESSAGE", credentials=False)
    sender.refused(other, 403, "MESSAGE", {"From": f"From: <{somebody.aor}>;tag=1"})
    sender.refused(other, 403, "MESSAGE", {"From": "From: <sip:nobody-at-all@example.com>;tag=1"})
    raw, came = sender.to(other, "MESSAGE", (), b"hello")
    assert not came.all("Proxy-Authorization")
    kept(raw, came)
    judge.check(came)


def test_AUT_04_sips(plain, net, judge):
    one, other = (Phone(plain.peer(net, "tls"), plain.user(), secure=True).register() for _ in range(2))
    sent, came = one.ask(one.agent.new("MESSAGE", other.aor, body=b"hello"), other)
    assert addr_spec(came.one("From"))[0] == one.aor and one.aor.startswith("sips:")
    assert sent.get("Proxy-Authorization")
    judge.check(came)
    other.answer(came, 200)
    one.told(sent, 200)


@pytest.mark.parametrize("offset", [-660, 660, -86400, 86400 * 365 * 15])
def test_AUT_06_stale_date(alice, other, offset):
    alice.refused(other, 403, "MESSAGE", {"Date": f"Date: {sip_date(offset)}"}, phrase="Stale Date")


@pytest.mark.parametrize("offset", [-540, 540])
def test_AUT_06_date_within_ten_minutes(alice, other, judge, offset):
    date = sip_date(offset)
    raw, came = alice.to(other, "MESSAGE", {"Date": f"Date: {date}"}, b"hello")
    kept(raw, came)
    judge.check(came)
    assert came.one("Date") == date


@pytest.mark.parametrize("date", ["", "yesterday", "Sat, 32 Nov 2026 10:00:00 GMT", "Sat, 28 Nov 2026 10:00:00 CET",
                                  "Sat, 28 Nov 2026 10:00 GMT", "2026-11-28T10:00:00Z", "1795860000"])
def test_AUT_06_date_that_cannot_be_read(alice, far, date):
    alice.refused(far, 400, "MESSAGE", {"Date": f"Date: {date}"})


def test_AUT_06_two_dates(alice, far):
    alice.refused(far, 400, "MESSAGE", {"Date": f"Date: {sip_date()}\r\nDate: {sip_date()}"})


@pytest.mark.slow
def test_AUT_07_date_outside_the_life_of_the_certificate(labs, server, net, judge):
    """Before notBefore and after notAfter requests go unsigned; in between they are signed."""
    directory = labs.directory()
    certificate, key = program.domain_certificate(directory, "brief", "sip:example.com", "DNS:example.com", since=-60, until=5)
    made = server(f"identity.certificate={certificate}", f"identity.key={key}", directory=directory)
    far, alice = Far(made, net), Sender(made.peer(net, "tcp"), made.user())
    for replace in ({"Date": f"Date: {sip_date(-540)}"}, {"Date": f"Date: {sip_date(540)}"}):
        unsigned(alice.to(far, "MESSAGE", replace, b"hello")[1])
    judge.check(alice.to(far, "MESSAGE", (), b"hello")[1])
    until(lambda: not alice.to(far, "MESSAGE", (), b"hello")[1].all("Identity"), 10, "the first unsigned request")
    unsigned(alice.to(far, "MESSAGE", (), b"hello")[1])


def test_AUT_08_AUT_13_AUT_15_headers(alice, other, judge):
    raw, came = alice.to(other, "MESSAGE", (), b"hello")
    kept(raw, came)
    names = [name for name, _ in came.headers]
    assert names.count("identity") == names.count("identity-info") == names.count("date") == 1
    assert names.index("identity") < names.index("identity-info")
    assert re.fullmatch(r"<https://[^<>\s]+\.cer>;alg=rsa-sha1", came.one("Identity-Info"))
    uri, alg = identity.identity_info(came)
    key = x509.load_der_x509_certificate(judge.certificate(uri)).public_key()
    assert key.key_size >= 1024 and alg == "rsa-sha1"
    assert re.search(rb'\r\nIdentity: "[A-Za-z0-9+/]{%d}={0,2}"\r\n' % (key.key_size // 6 + 1), came.raw)
    judge.check(came)


def test_AUT_09_register_elsewhere_is_not_signed(alice, far):
    """A REGISTER to somebody else's registrar is let out of the domain like any request, but for Identity."""
    raw, came = alice.to(far, "REGISTER", {"To": "To: <sip:bob@example.org>", "Contact": "Contact: <sip:a@b>, <sip:c@d>"},
                         uri=far.uri.replace("bob@", ""))
    unsigned(came)
    kept(raw, came)


@pytest.mark.parametrize("method", ["MESSAGE", "OPTIONS", "SUBSCRIBE", "NOTIFY", "REFER", "PUBLISH", "INFO", "UPDATE", "PRACK",
                                    "BYE", "FOO"])
def test_AUT_10_every_method(alice, far, judge, method):
    raw, came = alice.to(far, method, {"Contact": "Contact: <sip:USER@127.0.0.1:9>", "Event": "Event: presence"}, b"body")
    kept(raw, came)
    judge.check(came)


FORMS = [
    'From: "A \\" <sip:b@c>; d, e" <sip:USER@example.com>;tag=1', "From: sip:USER@example.com;tag=1",
    "f: <sip:USER@example.com>;tag=1", "From : \r\n  Alice of X\r\n\t<sip:USER@example.com>\r\n ;tag=1",
    "FROM:<sip:USER@example.com;x=y>;a=b;tag=1", "From: <sip:USER@EXAMPLE.com>;tag=1", "f:sip:USER@example.com  ;  tag=1",
    "t: Bob <sip:bob@example.org;user=phone>", "To:\r\n  sip:bob@example.org;x=y", "To: <tel:+1-212-555-1234;ext=7>",
    'To: "semi;colon, <sip:x@y>" <sips:bob@Example.ORG:5061;lr;x=%20>;y=z', "to:<sip:example.org>",
    "To: <http://example.org/a?b=c,d>", "To: <sip:b%6fb;a=b@example.org>",
    "i: CALLID", "Call-ID:   CALLID  ", "Call-ID:\r\n CALLID", "i:CALLID\"<>()[]{}?/\\~*!%",
    "CSeq: 0007   \t METHOD", "CSeq:\r\n 7\r\n\t METHOD", "cseq: 2147483647 METHOD", "CSeq: 0 METHOD", "CSeq:00000000000 METHOD",
    "m: Me <sip:USER@127.0.0.1:9;ob>;expires=5", "Contact: sip:USER@h.example;x=1", "Contact: <tel:+1>",
    'Contact: "a, b" <sip:USER@h.example;transport=tcp;gr=urn:uuid:f81d4fae>;+sip.instance="<urn:uuid:f81d>"',
    "Contact:\r\n\t<sips:USER@[::1]:5061>", "m:<sip:h>;q=0.5",
    "Date: DATE", "date:  DATE  ", "Date:\r\n DATE",
    "c: text/plain", "Content-Type:\r\n text/plain;charset=\"utf-8\"", "X-Folded: a\r\n b\r\n\tc",
    "Content-Length:   LENGTH", "l:LENGTH",
    "Subject: a | b \xe4\xff", "Privacy: id", "P-Charging-Vector: icid-value=1",
    "Expires: 5\r\nY-Other: \"\r\nN-Other:", "Accept: a/b,\r\n c/d;q=0.1",
]
NAMES = {"f": "From", "t": "To", "i": "Call-ID", "m": "Contact", "c": "Content-Type", "l": "Content-Length"}


def form(line, method, body):
    """(the name of the field, the line with its place-holders filled)."""
    name = line.partition(":")[0].strip()
    name = next((n for n in ("From", "To", "Call-ID", "CSeq", "Contact", "Date", "Content-Length")
                 if n.lower() == name.lower()), NAMES.get(name, name))
    return name, line.replace("METHOD", method).replace("DATE", sip_date(-7)).replace("LENGTH", str(len(body)))


@pytest.mark.parametrize("line", FORMS)
def test_AUT_10_AUT_11_forms_of_header_fields(alice, far, judge, line):
    """However it is written, it leaves as it came, and its signature is right."""
    method = "OPTIONS" if line[0].lower() in "mc" else "MESSAGE"
    body = b"hello\r\n"
    name, line = form(line, method, body)
    raw, came = alice.to(far, method, {name: line}, body)
    kept(raw, came)
    proven(judge, came)
    assert identity.digest_string(came).split(b"|")[3].split()[0].decode() == str(int(came.one("CSeq").split()[0]))


@pytest.mark.parametrize("change", [str.lower, str.upper, lambda date: date.replace(" ", "  ")], ids=["lower", "upper", "blanks"])
def test_AUT_11_date_is_canonical(alice, far, judge, change):
    date = sip_date(-7)
    raw, came = alice.to(far, "MESSAGE", {"Date": f"Date: {change(date[:-3])}GMT"}, b"hello")
    kept(raw, came)
    assert identity.digest_string(came).split(b"|")[4].decode() == date
    proven(judge, came)


BODIES = [b"", b"\0", b"\0hello", b"hello\0there", b"a|b|c\r\n\r\n|", b"\r\n", bytes(range(256)) * 8,
          random.Random(4474).randbytes(30000)]


@pytest.mark.parametrize("body", BODIES, ids=lambda body: f"{len(body)}-{body[:3].hex()}")
def test_AUT_12_bodies(alice, other, judge, body):
    raw, came = alice.to(other, "MESSAGE", {"Content-Type": "Content-Type: application/octet-stream"}, body)
    kept(raw, came)
    assert identity.digest_string(came).endswith(b"||" + body)
    judge.check(came)


def test_AUT_12_octets_behind_the_body_of_a_datagram_do_not_count(plain, net, far, judge):
    sender = Sender(plain.peer(net, "udp"), plain.user())
    call_id, raw = sender.octets("MESSAGE", far.uri, {"Content-Length": "Content-Length: 5"}, b"hello, and more")
    sender.peer.send(raw)
    came = came_to(far, call_id, sender)
    assert came.body == b"hello"
    judge.check(came)


def test_AUT_14_rsa_sha256(labs, server, net, judge):
    made = server("identity.alg=rsa-sha256")
    alice, far = Sender(made.peer(net, "tcp"), made.user()), Far(made, net)
    raw, came = alice.to(far, "MESSAGE", (), b"hello")
    kept(raw, came)
    assert proven(judge, came) == "rsa-sha256"


def test_AUT_19_retransmissions_are_identical(plain, net, alice, judge):
    """Nobody answers over UDP: the same octets come again."""
    far = Far(plain, net, "udp")
    far.peer.answer = None
    calls = [alice.octets(method, far.uri, {"Contact": "Contact: <sip:a@b>"}, b"hello") for method in ("MESSAGE", "INVITE")]
    alice.peer.send(b"".join(raw for _, raw in calls))

    def copies(call_id):
        return [m for m in far.peer.copies if about(m, call_id)]

    for call_id, _ in calls:
        net.wait(lambda: len(copies(call_id)) >= 3, 5, "two retransmissions")
        assert len({copy.raw for copy in copies(call_id)}) == 1
        judge.check(copies(call_id)[2])


def test_AUT_19_a_retransmitted_request_is_signed_and_answered_once(plain, net, judge):
    """Copies that come while it is being signed start nothing new."""
    sender, far = Sender(plain.peer(net, "udp"), plain.user()), Far(plain, net)
    for _ in range(5):
        call_id, raw = sender.octets("MESSAGE", far.uri, (), b"hello")
        for _ in range(4):
            sender.peer.send(raw)
        came = came_to(far, call_id, sender)
        judge.check(came)
        answer = sender.peer.take(lambda m: m.code and m.code >= 200 and about(m, call_id), 5, "the answer")
        assert answer.code == 200
        net.idle(0.05)
        assert len([m for m in came.peer.copies if about(m, call_id)]) == 1


def test_AUT_19_every_branch_carries_the_same_signature(plain, net, alice, judge):
    """Two phones of one user."""
    user = plain.user()
    phones = [Phone(plain.peer(net, "tcp"), user).register() for _ in range(2)]
    call_id, raw = alice.octets("INVITE", phones[0].aor, {"Contact": "Contact: <sip:a@b>"}, SDP)
    alice.peer.send(raw)
    came = [came_to(phone, call_id, alice) for phone in phones]
    for one in came:
        kept(raw, one)
        judge.check(one)
    assert came[0].one("Identity") == came[1].one("Identity") and came[0].branch != came[1].branch
    for phone, one in zip(phones, came):
        phone.answer(one, 486, "Busy Here")
    answer = alice.peer.take(lambda m: m.code == 486 and about(m, call_id), 5, "the 486")
    unsigned(answer)


@pytest.mark.parametrize("value", ['"QUJD"', '"{real}"', '""'])
def test_AUT_21_an_identity_of_ones_own_is_refused(alice, other, value):
    _, came = alice.to(other, "MESSAGE", (), b"hello")
    value = value.replace("{real}", came.one("Identity").strip('"'))
    replace = {"Identity": f"Identity: {value}", "Identity-Info": f"Identity-Info: {came.one('Identity-Info')}"}
    alice.refused(other, 403, "MESSAGE", replace, body=b"hello")
    alice.refused(other, 403, "MESSAGE", {"Identity": f"y:{value}"}, body=b"hello")


TOKEN = "eyJhbGciOiJFUzI1NiJ9.eyJkZXN0Ijp7fX0.c2lnbmF0dXJl;info=<https://example.com/c.pem>;alg=ES256;ppt=shaken"


@pytest.mark.parametrize("field", [f"Identity: {TOKEN}", f"y: {TOKEN}", f"Identity: {TOKEN}\r\nIdentity: {TOKEN}",
                                   f"Identity:\r\n {TOKEN}"])
def test_AUT_21_T_36_the_other_identity_is_left_alone(alice, other, field):
    """RFC 8224: no second Identity beside it."""
    raw, came = alice.to(other, "MESSAGE", {"Identity": field}, b"hello")
    assert lines(came.raw, HOP + (b"date", b"p-asserted-identity")) == lines(raw)
    assert len(came.all("Identity")) == field.count(TOKEN) and not came.all("Identity-Info")


@pytest.mark.parametrize("names", [("Identity", "Identity-Info"), ("y", "n"), ("IDENTITY ", "identity-info\t")])
def test_AUT_21_foreign_identity_is_forwarded_as_it_is(alice, carol, names):
    replace = {"From": "From: <sip:dave@example.org>;tag=1", "Privacy": "Privacy: id", "Date": f"Date: {sip_date()}",
               "Identity": f'{names[0]}:  "QUJD\r\n  REVG"', "Info": f"{names[1]}:<http://127.0.0.1:9/x.cer> ; ALG=rsa-sha1"}
    raw, came = alice.to(carol, "MESSAGE", replace, b"hello", credentials=False)
    assert lines(came.raw) == lines(raw)
    assert came.one("Privacy") == "id"


def test_AUT_22_anonymous_of_the_domain(alice, other, judge):
    replace = {"From": 'From: "Anonymous" <sip:anonymous@example.com>;tag=1', "Privacy": "Privacy: id"}
    alice.refused(other, 407, "MESSAGE", replace, credentials=False)
    raw, came = alice.to(other, "MESSAGE", replace, b"hello")
    kept(raw, came)
    judge.check(came)
    assert alice.agent.user.encode() not in came.raw.partition(b"\r\nFrom")[2].replace(alice.peer.address.encode(), b"")


BAD = [{"Contact": "Contact: <sip:a@b>, <sip:c@d>"}, {"Contact": "Contact: <sip:a@b>\r\nm: <sip:c@d>"},
       {"Contact": "Contact: <sip:a|b@h>"}, {"To": "To: <sip:b|b@example.org>"}, {"Call-ID": "Call-ID: CALLID|x"},
       {"Contact": "Contact: <sip:a\x01b@h>"}, {"To": "To: <sip:b\x7fb@example.org>"}, {"Call-ID": "Call-ID: CALLID\x02"},
       {"To": "To: <sip:b\tb@example.org>"}, {"Contact": "Contact: *"},
       {"From": "From: <sip:USER@example.com>;tag=1\r\nf: <sip:USER@example.com>;tag=1"},
       {"Call-ID": "Call-ID: CALLID\r\ni: CALLID"}, {"To": "To: <sip:bob@example.org>\r\nt: <sip:b@example.org>"}]


@pytest.mark.parametrize("replace", BAD, ids=lambda one: repr(list(one.values())[0]))
def test_AUT_10_what_has_no_digest_string(alice, far, replace):
    """Two requests must not have one digest-string: what is not single, or has the separator or a control character in a
    signed part, is no request to sign."""
    alice.refused(far, 400, "OPTIONS", replace, body=b"hello")


@pytest.mark.parametrize("sign", ["outbound", "off"])
def test_sign_outbound_and_off(server, net, judge, sign):
    made = server(f"identity.sign={sign}")
    alice, far = Sender(made.peer(net, "tcp"), made.user()), Far(made, net)
    carol = Phone(made.peer(net, "tcp"), made.user()).register()
    carol.peer.answer = 200
    raw, came = alice.to(carol, "MESSAGE", (), b"hello", uri=carol.aor)
    unsigned(came)
    kept(raw, came)
    assert [addr_spec(value)[0] for value in came.all(ASSERTED)] == [alice.aor]
    raw, came = alice.to(far, "MESSAGE", (), b"hello")
    kept(raw, came)
    if sign == "off":
        unsigned(came)
    else:
        judge.check(came)


def call(one, other):
    """INVITE with SDP, 180, 200, ACK. Gives both ends of the dialog and the INVITE as it came."""
    fields = {"Contact": one.contact, "Content-Type": "application/sdp"}
    sent, came = one.ask(one.agent.new("INVITE", other.uri, fields, SDP), other)
    assert came.body == SDP and sent.get("Proxy-Authorization")
    other.answer(came, 180, "Ringing", [("Contact", other.contact)])
    one.told(sent, 180)
    other.answer(came, 200, "OK", [("Contact", other.contact)])
    answer = one.told(sent, 200)
    unsigned(answer)
    ours, theirs = Dialog.of_caller(one, sent, answer), Dialog.of_callee(other, came)
    ack = ours.new("ACK", number=sent.get("CSeq").split()[0])
    one.send(ack)
    unsigned(one.net.wait(lambda: other.find(ack, lambda m: m.method == "ACK"), 5, "the ACK"))
    return ours, theirs, came


@pytest.mark.parametrize("transport", ["udp", "tcp", "tls"])
def test_AUT_10_T_13_calls_to_another_domain(plain, net, judge, transport):
    """INVITE with SDP, and what is sent in the dialog: challenged and signed each time, Date and CSeq of its own. What the
    other end sends is forwarded as it is."""
    alice, far = Phone(plain.peer(net, transport), plain.user()).register(), Far(plain, net)
    far.peer.answer = None
    ours, theirs, invite = call(alice, far)
    judge.check(invite)
    assert identity.digest_string(invite).split(b"|")[5] == alice.uri.encode()
    for method, headers, body in (("INFO", [], bytes(range(256))), ("INVITE", [("Contact", alice.contact)], SDP),
                                  ("BYE", [], b"")):
        request = ours.new(method, headers, body)
        sent, came = ours.ask(request, far)
        assert sent is not request and sent.get("Proxy-Authorization") and not came.all("Proxy-Authorization")
        judge.check(came)
        far.answer(came, 200, "OK", [("Contact", far.contact)] if method == "INVITE" else ())
        unsigned(alice.told(sent, 200))
        if method == "INVITE":
            ack = ours.new("ACK", number=sent.get("CSeq").split()[0])
            alice.send(ack)
            unsigned(net.wait(lambda: far.find(ack, lambda m: m.method == "ACK"), 5, "the ACK"))


@pytest.mark.parametrize("transport", ["tcp", "tls"])
def test_AUT_10_calls_within_the_domain(plain, net, judge, transport):
    """The INVITE is signed; inside the dialog, over the connection that set it up, nobody is challenged and nothing signed."""
    alice, carol = (Phone(plain.peer(net, transport), plain.user()).register() for _ in range(2))
    carol.uri, at = carol.aor, carol.uri
    ours, theirs, invite = call(alice, carol)
    carol.uri = at
    judge.check(invite)
    for one, other, dialog in ((alice, carol, ours), (carol, alice, theirs), (alice, carol, ours)):
        request = dialog.new("INFO", [("Content-Type", "text/plain")], b"hello")
        sent, came = dialog.ask(request, other)
        assert sent is request
        unsigned(came)
        other.answer(came, 200)
        one.told(sent, 200)


class Callee(Far):
    """Rings, and is quiet when it is cancelled."""

    def __init__(self, server, net, transport):
        super().__init__(server, net, transport)
        self.seen = []
        self.peer.answer = self.react

    def react(self, message):
        self.seen.append(message)
        if message.method == "INVITE":
            self.answer(message, 180, "Ringing")
        elif message.method == "CANCEL":
            self.answer(message, 200)
            self.answer(next(m for m in self.seen if m.method == "INVITE" and m.branch == message.branch), 487, "Terminated")


@pytest.mark.parametrize("transport", ["udp", "tcp"])
@pytest.mark.parametrize("when", ["at once", "ringing"])
def test_AUT_09_cancel(plain, net, alice, judge, transport, when):
    """CANCEL right behind its INVITE, which is being signed then, and of a phone that rings: it is answered 200, the INVITE
    487; CANCEL has no Identity, and an INVITE that went out was signed."""
    callee = Callee(plain, net, transport)
    for _ in range(4):
        call_id, invite = alice.octets("INVITE", callee.uri, {"Contact": "Contact: <sip:a@b>"}, SDP)
        via = re.search(rb"Via: [^\r]*", invite)[0].decode()
        cancel = (f"CANCEL {callee.uri} SIP/2.0\r\n{via}\r\nMax-Forwards: 70\r\nFrom: <{alice.aor}>;tag=1\r\n"
                  f"To: <sip:bob@example.org>\r\nCall-ID: {call_id}\r\nCSeq: 1 CANCEL\r\nContent-Length: 0\r\n\r\n").encode()

        def told(code, method):
            return alice.peer.take(lambda m: m.code == code and about(m, call_id) and m.cseq[1] == method, 5,
                                   f"{code} to {method}")

        alice.peer.send(invite + (cancel if when == "at once" else b""))
        if when == "ringing":
            told(180, "INVITE")
            alice.peer.send(cancel)
        told(200, "CANCEL")
        unsigned(told(487, "INVITE"))
        came = [m for m in callee.seen if about(m, call_id)]
        for message in came:
            if message.method == "INVITE":
                judge.check(message)
            else:
                unsigned(message)
        assert when == "at once" or {m.method for m in came} >= {"INVITE", "CANCEL"}


def test_AUT_08_a_full_queue_is_503(server, net, judge):
    """Everybody is answered, nobody unsigned."""
    made = server("limits.queue=1", "server.workers=1")
    alice, far = Sender(made.peer(net, "tcp"), made.user()), Far(made, net)
    calls = [alice.octets("MESSAGE", far.uri, (), b"hello") for _ in range(100)]
    alice.peer.send(b"".join(raw for _, raw in calls))
    answers = [alice.peer.take(lambda m: m.code and m.code >= 200 and about(m, call_id), 15, "an answer")
               for call_id, _ in calls]
    codes = [answer.code for answer in answers]
    assert set(codes) == {200, 503}, set(codes)
    came = [m for m in far.peer.inbox if m.method]
    assert len(came) == codes.count(200)
    for message in came:
        judge.check(message)
    far.peer.inbox.clear()
    judge.check(alice.to(far, "MESSAGE", (), b"hello")[1])  # and it goes on


def test_status_counts_what_was_signed(server, net):
    made = server()
    alice, far = Sender(made.peer(net, "tcp"), made.user()), Far(made, net)

    def signed():
        return int(re.search(r"^identity +signed +(\d+)$", made.admin("status").stdout, re.M)[1])

    before = signed()
    for _ in range(3):
        alice.to(far, "MESSAGE", (), b"hello")
    alice.refused(far, 403, "MESSAGE", {"Date": f"Date: {sip_date(-700)}"})
    assert signed() == before + 3


def test_AUT_08_many_at_once(plain, net, alice, far, judge):
    """A hundred requests on one connection: each has its own signature."""
    calls = dict(alice.octets("MESSAGE", far.uri, (), f"number {number}".encode()) for number in range(100))
    alice.peer.send(b"".join(calls.values()))
    net.wait(lambda: len([m for m in far.peer.inbox if m.method]) == 100, 15, "a hundred requests")
    for message in far.peer.inbox:
        kept(calls.pop(message.one("Call-ID")), message)
        judge.check(message)
    assert not calls


@pytest.mark.parametrize("sender", ["<sip:SAME@example.com>", "<sip:example.com>", "<sip:USER.@example.com>",
                                    "<sip:USER%20@example.com>", "<sip:%00USER@example.com>", "<sips:SAME@EXAMPLE.COM>"])
def test_AUT_04_no_other_name_of_the_domain(alice, other, sender):
    """The user part is compared octet by octet, but for escapes."""
    alice.refused(other, 403, "MESSAGE", {"From": f"From: {sender.replace('SAME', alice.agent.user.upper())};tag=1"})


@pytest.mark.parametrize("sender", ["<sip:USER@127.0.0.1:PORT>", "<sip:USER@127.0.0.1>", "<sip:USER@localhost>",
                                    "<sip:USER@example.com.>", "<sip:USER@example.co>", "<sip:USER@xexample.com>",
                                    "<sip:USER@[::1]>", "<im:USER@example.com>"])
def test_AUT_03_no_signature_for_a_name_that_the_certificate_has_not(plain, alice, carol, sender):
    """Whatever is done with it, the domain does not vouch for it, unless it is the domain in another writing."""
    sender = sender.replace("PORT", str(plain.port))
    call_id, raw = alice.octets("MESSAGE", carol.aor, {"From": f"From: {sender};tag=1"}, b"hello")
    alice.peer.send(raw)
    answer = alice.peer.take(lambda m: m.code and m.code >= 200 and about(m, call_id), 5, "the answer")
    came = [m for m in carol.peer.inbox if m.method and about(m, call_id)]
    assert len(came) == (answer.code == 200)
    for message in came:
        unsigned(message)
        assert not message.all(ASSERTED)


@pytest.mark.parametrize("field", ["Identity-Info: <https://example.com/x.cer>;alg=rsa-sha1",
                                   "n:<http://127.0.0.1:9/>;alg=rsa-sha256", "Identity-Info:"])
def test_AUT_08_an_identity_info_alone_is_not_completed(alice, other, field):
    """Each header field at most once: what the sender brought must not stand beside that of the domain."""
    call_id, raw = alice.octets("MESSAGE", other.uri, {"Info": field}, b"hello")
    alice.peer.send(raw)
    answer = alice.peer.take(lambda m: m.code and m.code >= 200 and about(m, call_id), 5, "the answer")
    came = [m for m in other.peer.inbox if m.method and about(m, call_id)] + \
        [m for stream in getattr(other.peer, "streams", []) for m in stream.copies if about(m, call_id)]
    assert answer.code in (200, 400, 403), answer.start
    for message in came:
        assert len(message.all("Identity-Info")) <= 1 and len(message.all("Identity")) <= 1


def test_AUT_04_auth_int(alice, far, judge):
    """The digest covers the body, too; a body that is not the one that was meant is not signed."""
    alice.octets("MESSAGE", far.uri)  # gets the nonce
    for body, code in ((b"hello", 200), (b"jello", 407)):
        alice.number += 1
        proof = digest.answer(alice.nonce, alice.agent.user, alice.agent.password, "MESSAGE", far.uri, b"hello", qop="auth-int",
                              nc=alice.number)
        call_id, raw = alice.octets("MESSAGE", far.uri, {"Proof": f"Proxy-Authorization: {proof}"}, body, credentials=False)
        alice.peer.send(raw)
        answer = alice.peer.take(lambda m: m.code and m.code >= 200 and about(m, call_id), 5, "the answer")
        assert answer.code == code, answer.start
        if code == 200:
            judge.check(came_to(far, call_id))


def test_AUT_08_the_sender_goes_away_while_it_is_signed(plain, net, far, judge):
    """What was sent goes on, or not; the server is there for the next one."""
    for transport in ("tcp", "tls"):
        gone = Sender(plain.peer(net, transport), plain.user())
        calls = [gone.octets("INVITE", far.uri, {"Contact": "Contact: <sip:a@b>"}, SDP) for _ in range(60)]
        gone.peer.send(b"".join(raw for _, raw in calls))
        gone.peer.close()
    alice = Sender(plain.peer(net, "tcp"), plain.user())
    judge.check(alice.to(far, "MESSAGE", (), b"hello")[1])
    for message in far.peer.inbox:
        if message.method == "INVITE":
            judge.check(message)


def test_AUT_14_a_reload_changes_the_algorithm(labs, server, net, judge):
    directory = labs.directory()
    made = server(directory=directory)
    alice, far = Sender(made.peer(net, "tcp"), made.user()), Far(made, net)
    assert proven(judge, alice.to(far, "MESSAGE", (), b"hello")[1]) == "rsa-sha1"
    text = made.conf.read_text()
    made.conf.write_text(text.replace("[identity]\n", "[identity]\nalg = rsa-sha256\n"))
    assert made.admin("reload").returncode == 0
    assert proven(judge, alice.to(far, "MESSAGE", (), b"hello")[1]) == "rsa-sha256"


def test_AUT_19_after_a_challenge_date_and_signature_are_new(plain, net, far, judge):
    """The far end challenges, too: the sender asks again with a larger CSeq, and that is another signature."""
    alice = Sender(plain.peer(net, "tcp"), plain.user())
    seen = [alice.to(far, "MESSAGE", {"CSeq": f"CSeq: {number} MESSAGE"}, b"hello")[1] for number in (1, 2)]
    for message in seen:
        judge.check(message)
    assert seen[0].one("Identity") != seen[1].one("Identity")


def test_AUT_10_AUT_11_AUT_12_forms_at_random(alice, far, net, judge):
    """Several forms in one request, with any body: what leaves is right, and as it came."""
    chance, calls = random.Random(4474), {}
    for _ in range(300):
        method = chance.choice(["MESSAGE", "OPTIONS", "SUBSCRIBE", "FOO"])
        body = chance.randbytes(chance.choice([0, 1, 30, 700])).replace(b"a", b"\0")
        chosen = dict(form(line, method, body) for line in chance.sample(FORMS, chance.randint(1, 9))
                      if method != "MESSAGE" or line[0].lower() != "m" and not line.startswith("Contact"))
        if method == "SUBSCRIBE":
            chosen["Event"] = "Event: presence"
        call_id, raw = alice.octets(method, far.uri, chosen, body)
        calls[call_id] = raw
        alice.peer.send(raw)
        net.pump(0)
    net.wait(lambda: len([m for m in far.peer.inbox if m.method]) == len(calls), 20, "all of them")
    for message in far.peer.inbox:
        call_id = next(one for one in calls if about(message, one))
        kept(calls.pop(call_id), message)
        proven(judge, message)
    assert not calls
