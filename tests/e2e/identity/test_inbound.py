"""The verifier in the proxy: requests of another domain to users of this one, RFC 4474 section 6 (rows VER)."""

import json
import re

import pytest
from peer import certs
from peer.abroad import ASSERTED, DAVE, Border, change_after
from peer.lab import until
from peer.phone import Dialog, Phone
from peer.sipclient import addr_spec, token
from peer.stub import sip_date


@pytest.fixture(scope="module")
def servers(labs, trust, rejecting):
    """A server for each mode; mark is the default."""
    mark, off = labs.server(trust).start(), labs.server(trust, "identity.verify-inbound=off").start()
    yield {"mark": mark, "reject": rejecting, "off": off}
    mark.stop()
    off.stop()


@pytest.fixture
def borders(servers, net, abroad):
    made = {mode: Border(server, net, abroad) for mode, server in servers.items()}
    made["mark"].warm()
    return made


@pytest.fixture
def mark(servers, net, abroad):
    return Border(servers["mark"], net, abroad).warm()


def change(name, value):
    """Sets a header field of a signed request; a function gets the old value."""
    def do(request):
        request.set(name, value(request.get(name)) if callable(value) else value)
    return do


def body_changed(at):
    def do(request):
        body = bytearray(request.body)
        body[at] ^= 1
        request.body = bytes(body)
    return do


# What is wrong, the status that RFC 4474 has for it, and how it is made: the URL of the certificate, a change before it is
# signed, and one after.
FAULTS = {
    "no Identity-Info": (436, None, None, change("Identity-Info", None)),
    "no alg": (436, None, None, change("Identity-Info", lambda old: old.partition(";")[0])),
    "empty alg": ((436, 437), None, None, change("Identity-Info", lambda old: old.partition(";")[0] + ";alg=")),
    "no URI": (436, None, None, change("Identity-Info", "<>;alg=rsa-sha1")),
    "no brackets": (436, None, None, change("Identity-Info", lambda old: re.sub("[<>]", "", old))),
    "ftp": (436, "ftp://127.0.0.1/example.cer", None, None),
    "sip": (436, "sip:example.org", None, None),
    "cid": (436, "cid:example.org", None, None),
    "file": (436, "file:///etc/passwd", None, None),
    "relative": (436, None, None, change("Identity-Info", "<example.cer>;alg=rsa-sha1")),
    "unreachable": (436, "http://127.0.0.1:9/example.cer", None, None),
    "no such host": (436, "http://nosuch.invalid/example.cer", None, None),
    "404": (436, lambda abroad: abroad.page(b"<html>none</html>", "404 Not Found", "text/html"), None, None),
    "500": (436, lambda abroad: abroad.page(abroad.content(), "500 Error"), None, None),
    "HTML": (436, lambda abroad: abroad.page(b"<html>hello</html>", kind="text/html"), None, None),
    "empty page": (436, lambda abroad: abroad.page(b""), None, None),
    "too large": (436, lambda abroad: abroad.page(b"\x30\x82\x4e\x20" + bytes(20000)), None, None),
    "cut off": (436, lambda abroad: abroad.page(abroad.content()[:-1]), None, None),
    "more behind it": ((436, 437), lambda abroad: abroad.page(abroad.content() + b"more"), None, None),
    "two URIs": (436, None, None, change("Identity-Info", lambda old: f"{old}, {old}")),
    "self-signed": (437, lambda abroad: abroad.publish("sip:example.org", "DNS:example.org", issuer=False), None, None),
    "unknown CA": (437, lambda abroad: abroad.publish("sip:example.org", "DNS:example.org",
                                                      issuer=certs.authority(certs.rsa_key(91), cn="Evil CA")), None, None),
    "same name of another CA": (437, lambda abroad: abroad.publish("sip:example.org", issuer=certs.authority(certs.rsa_key(91))),
                                None, None),
    "expired": (437, lambda abroad: abroad.publish("sip:example.org", since=-7200, until=-3600), None, None),
    "not yet valid": (437, lambda abroad: abroad.publish("sip:example.org", since=3600), None, None),
    "atlanta's": (437, lambda abroad: abroad.publish("sip:atlanta.example", "DNS:atlanta.example", cn="example.org"), None, None),
    "of a subdomain": (437, lambda abroad: abroad.publish("sip:sub.example.org", "DNS:sub.example.org"), None, None),
    "of a longer name": (437, lambda abroad: abroad.publish("DNS:example.org.evil.example", "DNS:xexample.org"), None, None),
    "of a user": (437, lambda abroad: abroad.publish(DAVE), None, None),
    "of a mail domain": (437, lambda abroad: abroad.publish("email:dave@example.org", "http://example.org"), None, None),
    "with NUL": (437, lambda abroad: abroad.publish("DNS:example.org\0.evil.example"), None, None),
    "the domain only in CN beside dNSName": (437, lambda abroad: abroad.publish("DNS:atlanta.example", cn="example.org"),
                                             None, None),
    "alg foo": (437, None, None, change("Identity-Info", lambda old: old.replace("rsa-sha1", "foo"))),
    "alg rsa-md5": (437, None, None, change("Identity-Info", lambda old: old.replace("rsa-sha1", "rsa-md5"))),
    "alg none": (437, None, None, change("Identity-Info", lambda old: old.replace("rsa-sha1", "none"))),
    "From of another user": (438, None, None, change("From", lambda old: old.replace("dave", "eve"))),
    "From with a parameter": (438, None, None, change("From", lambda old: old.replace("org>", "org;x=y>"))),
    "From in capitals": (438, None, None, change("From", lambda old: old.replace("example.org", "EXAMPLE.org"))),
    "From escaped": (438, None, None, change("From", lambda old: old.replace("dave", "d%61ve"))),
    "From sips": (438, None, None, change("From", lambda old: old.replace("sip:", "sips:"))),
    "To": (438, None, None, change("To", "<sip:bob@example.com>")),
    "To with a parameter": (438, None, None, change("To", lambda old: old.replace(">", ";user=phone>"))),
    "To sips": (438, None, None, change("To", lambda old: old.replace("sip:", "sips:"))),
    "Call-ID": (438, None, None, change("Call-ID", lambda old: "x" + old)),
    "CSeq": (438, None, None, change("CSeq", "77 MESSAGE")),
    "Date": (438, None, None, lambda request: request.set("Date", sip_date(-100))),
    "Contact added": (438, None, None, change("Contact", "<sip:mallory@127.0.0.1:9>")),
    "Contact changed": (438, None, change("Contact", "<sip:dave@127.0.0.1:9>"), change("Contact", "<sip:eve@127.0.0.1:9>")),
    "Contact removed": (438, None, change("Contact", "<sip:dave@127.0.0.1:9>"), change("Contact", None)),
    "first octet of the body": (438, None, None, body_changed(0)),
    "last octet of the body": (438, None, None, body_changed(-1)),
    "octet behind NUL": (438, None, lambda request: setattr(request, "body", b"a\0b\0c"), body_changed(2)),
    "body shorter": (438, None, None, lambda request: setattr(request, "body", request.body[:-1])),
    "body longer by NUL": (438, None, None, lambda request: setattr(request, "body", request.body + b"\0")),
    "body gone": (438, None, None, lambda request: setattr(request, "body", b"")),
    "another alg's hash": (438, None, None, change("Identity-Info", lambda old: old.replace("sha1", "sha256"))),
    "an octet of the signature": (438, None, None, change("Identity", lambda old: old[:20] + "AB"[old[20] == "A"] + old[21:])),
    "half a signature": (438, None, None, change("Identity", lambda old: old[:172] + '"')),
    "a signature twice": (438, None, None, change("Identity", lambda old: old[:-1] + old[1:])),
    "empty signature": ((400, 438), None, None, change("Identity", '""')),
    "no base64": ((400, 438), None, None, change("Identity", '"?!#"')),
    "zeros": (438, None, None, change("Identity", '"' + "A" * 342 + '=="')),
    "stale Date": (403, lambda abroad: abroad.publish("sip:example.org", since=-7200),
                   change("Date", lambda _: sip_date(-3700)), None),
    "Date of tomorrow": (403, None, change("Date", lambda _: sip_date(3700)), None),
    "no Date": (400, None, None, change("Date", None)),
    "unreadable Date": (400, None, None, change("Date", "yesterday")),
    "Date before the certificate": (437, lambda abroad: abroad.publish("sip:example.org", since=-60),
                                    change("Date", lambda _: sip_date(-600)), None),
    "Date behind the certificate": (437, lambda abroad: abroad.publish("sip:example.org", until=600),
                                    change("Date", lambda _: sip_date(1800)), None),
    # Two faults: the first step decides.
    "bad URI and bad body": (436, "http://127.0.0.1:9/example.cer", None, body_changed(0)),
    "bad URI and stale Date": (436, "http://127.0.0.1:9/example.cer", change("Date", lambda _: sip_date(-9000)), None),
    "unknown CA and bad body": (437, lambda abroad: abroad.publish("sip:example.org", issuer=False), None, body_changed(0)),
    "atlanta's and bad body": (437, lambda abroad: abroad.publish("DNS:atlanta.example"), None, body_changed(0)),
    "bad body and stale Date": (438, lambda abroad: abroad.publish("sip:example.org", since=-7200),
                                change("Date", lambda _: sip_date(-3700)), body_changed(0)),
    "bad body and Date before the certificate": (438, lambda abroad: abroad.publish("sip:example.org", since=-60),
                                                 change("Date", lambda _: sip_date(-600)), body_changed(0)),
}


def faulty(border, fault):
    """(request, its proper statuses)"""
    codes, url, before, after = FAULTS[fault]
    request = border.unsigned(body=b"hello\0there")
    if before:
        before(request)
    border.sign(request, url(border.abroad) if callable(url) else url)
    if after:
        after(request)
    return request, codes if isinstance(codes, tuple) else (codes,)


@pytest.mark.parametrize("fault", FAULTS)
def test_VER_02_VER_04_to_VER_09_reject(reject, fault):
    request, codes = faulty(reject, fault)
    answer, came = reject.outcome(request)
    assert answer.code in codes and came is None, answer.start
    if answer.code == 403:
        assert answer.reason == "Stale Date"
    if answer.code > 428:
        assert answer.reason in ("Bad Identity-Info", "Unsupported Certificate", "Invalid Identity Header")
        reject.refused(request.set("Via", reject.stranger.peer.via()).set("CSeq", request.get("CSeq")), answer.code)


@pytest.mark.parametrize("fault", FAULTS)
def test_VER_16_mark_passes_what_fails_unmarked(mark, fault):
    request, _ = faulty(mark, fault)
    request.set(ASSERTED, f"<{DAVE}>")  # which is forged, and taken off
    mark.passes(request, marked=False)


@pytest.mark.parametrize("fault", ["404", "self-signed", "To", "stale Date", "no Date", "no Identity-Info"])
def test_VER_16_off_looks_at_nothing(borders, fault):
    border = borders["off"]
    request, _ = faulty(border, fault)
    hits = sum(len(web.hits) for web in border.abroad.webs.values())
    request.set(ASSERTED, "<sip:president@example.org>")
    answer, came = border.outcome(request)
    assert answer.code == 200 and came.all(ASSERTED) == ["<sip:president@example.org>"]
    assert sum(len(web.hits) for web in border.abroad.webs.values()) == hits


@pytest.mark.parametrize("mode", ["mark", "reject"])
@pytest.mark.parametrize("method, body, headers", [
    ("MESSAGE", b"hello", {}), ("MESSAGE", b"", {}), ("MESSAGE", b"\0a|b\0", {}),
    ("OPTIONS", b"", {"Contact": "<sip:dave@127.0.0.1:9>"}),
    ("SUBSCRIBE", b"", {"Contact": "sip:dave@127.0.0.1:9;x=y", "Event": "presence"}),
    ("INFO", bytes(range(256)) * 16, {}), ("FOO", b"x", {})],
    ids=["text", "empty", "binary", "OPTIONS", "SUBSCRIBE", "long", "FOO"])
def test_VER_12_VER_16_valid_requests_are_marked(borders, mode, method, body, headers):
    """One header field with the addr-spec of From, and what was signed stays as it is."""
    for alg in ("rsa-sha1", "rsa-sha256"):
        came = borders[mode].passes(borders[mode].signed(method, body, alg=alg, **headers), marked=True)
        assert came.all(ASSERTED) == [f"<{DAVE}>"]


@pytest.mark.parametrize("names, cn, sender", [
    (["sip:example.org"], "x", DAVE), (["DNS:EXAMPLE.org"], "x", DAVE), ([], "example.org", DAVE), ([], "Example.Org", DAVE),
    (["DNS:a.example", "DNS:example.org"], "x", DAVE), (["sip:a.example", "SIP:example.org"], "x", DAVE),
    (["DNS:*.example.org"], "x", "sip:dave@sub.example.org"), (["sip:example.org"], "x", "sip:dave@EXAMPLE.ORG"),
    (["DNS:example.org"], "x", "sips:dave@example.org"), (["DNS:example.org"], "x", "sip:example.org"),
    (["DNS:example.org"], "x", "sip:dave@example.org:5070"), (["DNS:example.org"], "x", "sip:d%40b@example.org;x=%40example.com"),
])
def test_VER_06_names_that_are_good_for_the_sender(reject, names, cn, sender):
    request = reject.unsigned(From=f"<{sender}>;tag=1")
    reject.passes(reject.sign(request, reject.abroad.publish(*names, cn=cn)), marked=True)


@pytest.mark.parametrize("names, sender", [
    (["DNS:*.example.org"], DAVE), (["DNS:*.example.org"], "sip:dave@a.b.example.org"), (["DNS:*.org"], "sip:dave@a.example.org"),
    (["DNS:*"], DAVE), (["sip:*.example.org"], "sip:dave@sub.example.org"), (["DNS:example.org"], "sip:dave@sub.example.org"),
    (["DNS:example.org"], "sip:example.org@example.net"), (["DNS:example.org"], "sip:dave@example.org.example.net"),
    (["DNS:example.org"], '"sip:dave@example.org" <sip:eve@example.net>'),
])
def test_VER_06_names_that_are_not(reject, names, sender):
    sender = sender if "<" in sender else f"<{sender}>"
    request = reject.unsigned(From=f"{sender};tag=1")
    reject.refused(reject.sign(request, reject.abroad.publish(*names)), 437)


def test_VER_06_no_wildcards(border):
    """identity.wildcard=off."""
    made = border("identity.verify-inbound=reject", "identity.wildcard=off")
    request = made.unsigned(From="<sip:dave@sub.example.org>;tag=1")
    made.refused(made.sign(request, made.abroad.publish("DNS:*.example.org")), 437)
    request = made.unsigned(From="<sip:dave@sub.example.org>;tag=1")
    made.passes(made.sign(request, made.abroad.publish("DNS:sub.example.org")), marked=True)


@pytest.mark.parametrize("offset", [-3500, 3500])
def test_VER_08_date_within_the_hour(reject, offset):
    url = reject.abroad.publish("sip:example.org", since=-7200)
    reject.passes(reject.signed(url=url, Date=sip_date(offset)), marked=True)


def test_VER_08_date_skew(border):
    made = border("identity.verify-inbound=reject", "identity.date-skew=60")
    made.refused(made.signed(Date=sip_date(-100)), 403, "Stale Date")
    made.refused(made.signed(Date=sip_date(100)), 403, "Stale Date")
    made.passes(made.signed(Date=sip_date(-30)), marked=True)


@pytest.mark.parametrize("mode", ["mark", "reject"])
def test_VER_01_no_identity_where_none_is_demanded(borders, mode):
    """It passes without a mark, and so does the form of RFC 8224 (T-36)."""
    border = borders[mode]
    border.passes(border.unsigned(), marked=False)
    border.passes(border.unsigned(Date=None), marked=False)
    border.passes(border.unsigned(Date=sip_date(-9000)), marked=False)
    form = f"eyJh.eyJi.c2ln;info=<{border.abroad.url}>;alg=ES256;ppt=shaken"
    for value in (form, "abcdef", f"abcdef;info=<{border.abroad.url}>"):
        border.passes(border.unsigned(Identity=value), marked=False)
    twice = border.unsigned(Identity=form)
    twice.add("Identity", form)
    border.passes(twice, marked=False)


@pytest.mark.parametrize("mode", ["mark", "reject"])
@pytest.mark.parametrize("field", [f"{ASSERTED}: <{DAVE}>", f"p-asserted-identity:{DAVE}", f"{ASSERTED} :\r\n <{DAVE}>",
                                   f"{ASSERTED}: <{DAVE}>, <tel:+1>", f"{ASSERTED}: <{DAVE}>\r\n{ASSERTED}: <tel:+1>",
                                   f"P-ASSERTED-IDENTITY: \"Dave\" <{DAVE}>;x=y"])
def test_VER_16_a_mark_cannot_be_forged(borders, mode, field):
    """Whoever sends it: without Identity it is taken off, with one it is replaced, and a local user has his own."""
    border = borders[mode]
    for signed in (False, True):
        request = border.signed() if signed else border.unsigned()
        border.stranger.peer.send(request.encode().replace(b"\r\nCall-ID:", f"\r\n{field}\r\nCall-ID:".encode()))
        answer, came = border.result(request)
        assert answer.code == 200
        border.check(request, came, marked=signed)
    local = Phone(border.server.peer(border.net, "tcp"), border.server.user()).register()
    name, _, value = field.partition(":")
    value, _, second = value.strip().partition(f"\r\n{ASSERTED}: ")
    request = local.agent.new("MESSAGE", border.user.aor, {name: value}, b"hello")
    if second:
        request.add(ASSERTED, second)
    sent, came = local.ask(request, border.phone)
    assert [addr_spec(one)[0] for one in came.all(ASSERTED)] == [local.aor]


@pytest.mark.parametrize("mode", ["mark", "reject"])
def test_VER_16_inside_a_dialog_of_local_users_no_mark_is_forged(borders, mode):
    border = borders[mode]
    border.phone.peer.answer = None
    local = Phone(border.server.peer(border.net, "tcp"), border.server.user()).register()
    sent, came = local.ask(local.agent.new("INVITE", border.user.aor, {"Contact": local.contact}), border.phone)
    border.phone.answer(came, 200, "OK", [("Contact", border.phone.contact)])
    dialog = Dialog.of_caller(local, sent, local.told(sent, 200))
    local.send(dialog.new("ACK", number=sent.get("CSeq").split()[0]))
    sent, came = dialog.ask(dialog.new("INFO", [(ASSERTED, "<sip:president@example.org>")]), border.phone)
    assert "president" not in "".join(came.all(ASSERTED))
    border.phone.answer(came, 200)
    local.told(sent, 200)


def test_VER_10_replay(reject):
    """The same signed parts again, whatever else is new; a larger CSeq of the same Call-ID is legal."""
    request = reject.signed()
    reject.passes(request, marked=True)
    for name, value in (("Via", None), ("From", f"<{DAVE}>;tag={token()}"), ("From", f"Eve <{DAVE}>;tag={token()}"),
                        ("To", f"<{reject.user.aor}>;tag={token()}"), ("Max-Forwards", "7"), ("Subject", "new")):
        again = request.copy().set("Via", reject.stranger.peer.via())
        if value:
            again.set(name, value)
        answer, _ = reject.outcome(again)
        assert (answer.code, answer.reason) == (403, "Replayed Request") or answer.code == 482 and name not in ("From", "To"), \
            f"{answer.start} with another {name}"
    another = reject.another()
    reject.refused(request.copy().set("Via", another.peer.via()).set("From", f"<{DAVE}>;tag=x"), 403, "Replayed Request", another)
    later = reject.unsigned(CSeq="2 MESSAGE")
    reject.passes(reject.sign(later.set("Call-ID", request.get("Call-ID"))), marked=True)
    method = reject.unsigned("INFO", Call_ID=request.get("Call-ID"))
    reject.passes(reject.sign(method), marked=True)
    sender = reject.unsigned(From="<sip:eve@example.org>;tag=1", Call_ID=request.get("Call-ID"))
    reject.passes(reject.sign(sender), marked=True)


def test_VER_10_replay_is_not_marked(mark):
    request = mark.signed()
    mark.passes(request, marked=True)
    again = request.copy().set("Via", mark.stranger.peer.via()).set("From", f"<{DAVE}>;tag={token()}")
    mark.passes(again, marked=False)


def test_VER_10_what_failed_is_no_replay(reject):
    """Only valid requests are remembered: a forgery must not keep the real one out."""
    request = reject.signed()
    forged = change_after(request.copy()).set("Via", reject.stranger.peer.via()).set("From", f"<{DAVE}>;tag={token()}")
    reject.refused(forged, 438)
    reject.passes(request, marked=True)


@pytest.mark.parametrize("end", ["stop", "crash"])
def test_VER_10_replay_after_a_restart(border, net, end):
    made = border("identity.verify-inbound=reject")
    requests = [made.signed() for _ in range(20)]
    for request in requests:
        made.passes(request, marked=True)
    server = made.server
    getattr(server, end)()
    server.start()
    made.phone = Phone(server.peer(net, "tcp"), made.user).register()
    made.phone.peer.answer = 200
    stranger = made.another()
    for request in requests:
        again = request.copy().set("Via", stranger.peer.via()).set("From", f"<{DAVE}>;tag={token()}")
        made.refused(again, 403, "Replayed Request", stranger)
    made.passes(made.signed(agent=stranger), marked=True, agent=stranger)


def test_VER_11_retransmissions_are_no_replay(servers, net, abroad):
    border = Border(servers["reject"], net, abroad, "udp")
    for _ in range(3):
        request = border.signed()
        for _ in range(3):
            border.stranger.send(request)
        answer, came = border.result(request)
        assert answer.code == 200
        border.check(request, came, marked=True)
        border.stranger.send(request)
        assert border.stranger.final(request).code == 200
        assert not border.arrived(request)


WRITTEN = {
    "compact": lambda value, info: (f"y: {value}", f"n: {info}"),
    "folded": lambda value, info: (f"Identity: {value[:60]}\r\n    {value[60:120]}\r\n\t{value[120:]}",
                                   f"Identity-Info:\r\n {info}"),
    "folded outside": lambda value, info: (f"Identity:\r\n {value}\r\n ", f"Identity-Info: {info}\r\n "),
    "blanks": lambda value, info: (f"IDENTITY\t:   {value[:9]} {value[9:]}  ",
                                   f"identity-info :{info.replace(';alg=', '  ;  ALG  =  ')}"),
    "the other order": lambda value, info: (f"Identity-Info: {info}", f"Identity: {value}"),
    "more parameters": lambda value, info: (f"Identity: {value}",
                                            f"Identity-Info: {info.replace(';alg', ';x=y;z;alg')};q=\"a;alg=foo\""),
    "alg in capitals": lambda value, info: (f"Identity: {value}", f"Identity-Info: {info.replace('rsa-sha1', 'RSA-SHA1')}"),
}


@pytest.mark.parametrize("how", WRITTEN)
def test_VER_17_however_it_is_written(reject, how):
    request = reject.signed()
    value, info = request.get("Identity"), request.get("Identity-Info")
    first, second = WRITTEN[how](value, info)
    both = f"\r\nIdentity: {value}\r\nIdentity-Info: {info}\r\n".encode()
    assert both in request.encode()
    reject.stranger.peer.send(request.encode().replace(both, f"\r\n{first}\r\n{second}\r\n".encode()))
    answer, came = reject.result(request)
    assert answer.code == 200, answer.start
    assert [addr_spec(one)[0] for one in came.all(ASSERTED)] == [DAVE]
    for line in (first, second):  # a fold with nothing behind it is an empty line to some, and goes on as a blank
        assert re.sub(r"\r\n (?=$)", "   ", line).encode() in came.raw


@pytest.mark.parametrize("bits", [1024, 4096])
def test_VER_17_lengths_of_signatures(reject, bits):
    """RFC 4474 demands 1024 bits or more; policy may demand more of an unknown signer, but must not take a wrong one."""
    key = certs.rsa_key(60, bits)
    request = reject.signed(url=reject.abroad.publish("sip:example.org", key=key), key=key)
    answer, came = reject.outcome(request)
    assert answer.code in ((200, 437) if bits == 1024 else (200,)), answer.start


@pytest.mark.parametrize("twice", ["Identity", "Identity-Info", "Date", "From", "To", "Call-ID", "CSeq", "Contact"])
def test_VER_17_what_is_there_twice_is_never_marked(borders, twice):
    """Each of these fields can appear only once: which of the two was signed cannot be said."""
    for mode in ("mark", "reject"):
        border = borders[mode]
        request = border.signed(Contact="<sip:dave@127.0.0.1:9>")
        other = {"From": "<sip:eve@example.org>;tag=2", "To": "<sip:eve@example.com>", "CSeq": "9 MESSAGE", "Call-ID": "x@y",
                 "Contact": "<sip:eve@127.0.0.1:9>", "Date": sip_date(1)}
        request.add(twice, other.get(twice, request.get(twice)))
        border.stranger.send(request)
        answer = border.stranger.peer.take(lambda m: m.code and m.code >= 200, 10, "the answer")
        came = [m for m in border.phone.peer.inbox if m.method]
        if mode == "reject":
            assert 400 <= answer.code < 500 and not came, answer.start
        assert not any(m.all(ASSERTED) for m in came)


def test_VER_01_require_a_domain(border):
    """In mark and reject alike what comes from that domain must be signed, and right; others are as before."""
    for mode in ("mark", "reject"):
        made = border(f"identity.verify-inbound={mode}", "identity.require=example.net, Example.ORG")
        made.refused(made.unsigned(), 428)
        made.refused(made.unsigned(From="<sips:dave@EXAMPLE.org:5061>;tag=1"), 428)
        made.refused(made.unsigned(From="<sip:dave@example.net>;tag=1", Date=None), 428)
        made.refused(made.unsigned(Identity=f"eyJh.eyJi.c2ln;info=<{made.abroad.url}>;alg=ES256"), 436)
        made.refused(made.unsigned(Identity="abc"), 436)
        made.refused(made.signed().set("Identity-Info", None), 436)
        for fault in ("404", "self-signed", "atlanta's", "To", "stale Date", "no Date"):
            request, codes = faulty(made, fault)
            made.refused(request, codes[0])
        made.passes(made.signed(), marked=True)
        made.passes(made.unsigned(From="<sip:dave@example.edu>;tag=1"), marked=False)
        made.passes(made.unsigned(From="<sip:dave@sub.example.org>;tag=1"), marked=False)
        request = made.sign(made.unsigned(From="<sip:dave@example.edu>;tag=1"))  # 437: not its certificate
        if mode == "mark":
            made.passes(request, marked=False)
        else:
            made.refused(request, 437)


def test_VER_01_require_of_all(border):
    made = border("identity.require=*")
    made.refused(made.unsigned(), 428)
    made.refused(made.unsigned(From="<sip:dave@example.edu>;tag=1"), 428)
    made.refused(made.unsigned(From="<tel:+12125551212>;tag=1"), 428)
    made.refused(change_after(made.signed()), 438)
    made.passes(made.signed(), marked=True)
    local = Phone(made.server.peer(made.net, "tcp"), made.server.user()).register()  # whom the server authenticates itself
    sent, came = local.ask(local.agent.new("MESSAGE", made.user.aor, {}, b"hello"), made.phone)
    assert [addr_spec(one)[0] for one in came.all(ASSERTED)] == [local.aor]


def strangers_call(border, **headers):
    """A call of the stranger's with signed INVITE. Gives his INVITE, what came, and the 200."""
    border.phone.peer.answer = None
    invite = border.signed("INVITE", b"v=0\r\n", Contact=f"<sip:dave@{border.stranger.peer.address};transport=tcp>", **headers)
    border.stranger.send(invite)
    came = border.net.wait(lambda: border.phone.find(invite, lambda m: m.method), 5, "the INVITE")
    assert [addr_spec(one)[0] for one in came.all(ASSERTED)] == [DAVE]
    border.phone.answer(came, 200, "OK", [("Contact", border.phone.contact)])
    return invite, came, border.stranger.final(invite)


@pytest.mark.parametrize("options", [["identity.verify-inbound=reject", "identity.require=*"], ["identity.verify-inbound=mark"]])
def test_VER_16_ACK_is_never_verified(border, options):
    """It cannot be answered. BYE can, and is verified like the INVITE."""
    made = border(*options)
    invite, came, answer = strangers_call(made)

    def inside(method, number):
        request = made.unsigned(method, b"", From=invite.get("From"), To=answer.one("To"), Call_ID=invite.get("Call-ID"),
                                CSeq=f"{number} {method}", Route=", ".join(reversed(answer.values("Record-Route"))))
        request.uri = made.phone.uri
        return request

    for ack in (inside("ACK", 1), made.sign(inside("ACK", 1)).set("Identity-Info", None)):
        made.stranger.send(ack.set(ASSERTED, f"<{DAVE}>"))
        came = made.net.wait(lambda: made.phone.find(ack, lambda m: m.method == "ACK"), 5, "the ACK")
        assert not came.all(ASSERTED)
    made.phone.peer.answer = 200
    bye = made.sign(inside("BYE", 2))
    made.passes(bye, marked=True)
    if "identity.require=*" not in options:
        made.passes(inside("INFO", 5).set(ASSERTED, f"<{DAVE}>"), marked=False)
    if "identity.require=*" in options:
        made.refused(inside("INFO", 3), 428)
        made.refused(change_after(made.sign(inside("INFO", 4))), 438)


@pytest.mark.parametrize("options", [["identity.verify-inbound=reject", "identity.require=*"], ["identity.verify-inbound=mark"]])
def test_VER_16_CANCEL_is_never_verified(border, options):
    made = border(*options)
    made.phone.peer.answer = None
    invite = made.signed("INVITE", b"", Contact=f"<sip:dave@{made.stranger.peer.address};transport=tcp>")
    made.stranger.send(invite)
    came = made.net.wait(lambda: made.phone.find(invite, lambda m: m.method), 5, "the INVITE")
    made.phone.answer(came, 180, "Ringing")
    cancel = Phone.ack_of_failure(invite, came)
    cancel.method = "CANCEL"
    made.stranger.send(cancel.set("CSeq", "1 CANCEL").set("To", invite.get("To")))
    assert made.stranger.final(cancel).code == 200
    cancelled = made.net.wait(lambda: made.phone.find(cancel, lambda m: m.method), 5, "the CANCEL")
    assert not cancelled.all("Identity") and not cancelled.all("Identity-Info")
    made.phone.answer(cancelled, 200)
    made.phone.answer(came, 487, "Terminated")
    assert made.stranger.final(invite).code == 487


@pytest.mark.parametrize("transport", ["udp", "tcp", "tls"])
def test_VER_16_transports(servers, net, abroad, transport):
    border = Border(servers["reject"], net, abroad, transport)
    border.passes(border.signed(), marked=True)
    border.refused(change_after(border.signed()), 438)


def test_VER_16_every_phone_of_the_user_gets_the_mark(reject, net):
    reject.phone.peer.answer = None
    second = Phone(reject.server.peer(net, "tcp"), reject.user).register()
    invite = reject.signed("INVITE", b"", Contact="<sip:dave@127.0.0.1:9>")
    reject.stranger.send(invite)
    for phone in (reject.phone, second):
        came = net.wait(lambda: phone.find(invite, lambda m: m.method), 5, "the INVITE")
        reject.check(invite, came, marked=True)
        phone.answer(came, 486, "Busy Here")
    assert reject.stranger.final(invite).code == 486


def test_status_counts_what_was_verified(border):
    made = border()
    assert made.counts() == (0, 0, 0)
    made.passes(made.signed(), marked=True)
    made.passes(made.signed(), marked=True)
    made.passes(change_after(made.signed()), marked=False)
    made.passes(made.unsigned(), marked=False)
    assert made.counts() == (0, 2, 1)
    told = json.loads(made.server.admin("status", "--json").stdout)
    assert (told["identity_signed"], told["identity_verified"], told["identity_failed"]) == (0, 2, 1)


def test_VER_07_a_signed_request_of_ones_own_domain_from_outside(reject, domain):
    """From is ours: the sender is challenged, whatever certificate he shows."""
    url = domain.publish("/ours.cer", "sip:example.com", "DNS:example.com", key=reject.abroad.key)
    request = reject.sign(reject.unsigned(From=f"<{reject.user.aor}>;tag=1"), url)
    answer, came = reject.outcome(request)
    assert answer.code in (403, 407) and came is None


def test_EXM_02_the_example_of_the_draft(reject):
    """Its own defect: From @biloxi with the certificate of atlanta."""
    url = reject.abroad.publish("sip:atlanta.example.com", "DNS:atlanta.example.com")
    request = reject.sign(reject.unsigned(From="<sip:bob@biloxi.example.com>;tag=1"), url)
    reject.refused(request, 437)


def test_VER_09_a_reload_does_not_lose_what_was_seen(border):
    made = border("identity.verify-inbound=reject")
    request = made.signed()
    made.passes(request, marked=True)
    assert made.server.admin("reload").returncode == 0
    again = request.copy().set("Via", made.stranger.peer.via()).set("From", f"<{DAVE}>;tag={token()}")
    made.refused(again, 403, "Replayed Request")
    until(lambda: made.passes(made.signed(), marked=True), 5, "a valid request")
