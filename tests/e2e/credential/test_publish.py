"""PUBLISH: the draft's rules (rows PUB), RFC 3903 (rows ESC), formats (FMT, IAN) and the order of checks (T-15)."""

import base64

import pytest
from peer import certs, multipart
from peer.lab import DATA
from peer.sipclient import certificate_of, credential_of

CREDENTIAL = {"Event": "credential"}
HOUR = 3600
SMALL = DATA / "rsa512.cer"
SAN = "SubjectAltName Mismatch"
MIXED = "multipart/mixed;boundary=boundary"


def publish_body(agent, kind, body, **headers):
    """The response to a PUBLISH with this body as it stands."""
    return agent.call("PUBLISH", agent.sips, {**CREDENTIAL, "Content-Type": kind, **headers}, body)


def granted(response):
    """The lifetime of an accepted publication; its 200 has one SIP-ETag and one Expires (ESC-12)."""
    assert response.code == 200, response.start
    assert response.etag
    return response.expires


def test_PUB_02_both_forms_and_any_order(owner, pair, other_pair):
    assert granted(owner.publish(pair[0])) > 0
    assert owner.fetch_credential() == (pair[0], None)
    assert granted(owner.publish(*pair)) > 0
    assert owner.fetch_credential() == pair
    reverse = multipart.build(("application/pkcs8", other_pair[1]), ("application/pkix-cert", other_pair[0]))
    assert granted(publish_body(owner, MIXED, reverse)) > 0
    assert owner.fetch_credential() == other_pair


def test_PUB_06_TLS_digest_and_ownership(lab, net, owner, user, pair):
    stranger = lab.user()
    for transport, expected in (("udp", (403, 403, 403)), ("tcp", (403, 403, 403)), ("tls", (401, 403, 200))):
        agents = lab.agent(net, transport=transport), lab.agent(net, stranger, transport), \
            lab.agent(net, user, transport)
        assert tuple(agent.publish(pair[0], uri=user.sips).code for agent in agents) == expected
    assert owner.fetch_credential() == (pair[0], None)


def test_PUB_06_resource_is_the_request_uri(lab, net, owner, user, pair):
    stranger = lab.user()
    named = {"From": f"<{stranger.sips}>;tag=x", "To": f"<{stranger.sips}>"}
    assert owner.publish(*pair, headers=named).code in (200, 403)
    assert lab.agent(net, stranger).fetch_credential() == (b"", None)
    thief = lab.agent(net, stranger)
    mine = {"From": f"<{user.sips}>;tag=x", "To": f"<{user.sips}>"}
    assert thief.publish(certs.certificate(user.aor), uri=user.sips, headers=mine).code == 403


@pytest.mark.parametrize("names, code", [
    (["sip:{user}@example.com"], 200),
    (["sips:{user}@example.com"], 200),
    (["sip:{user}@EXAMPLE.com"], 200),
    (["sip:{escaped}@example.com"], 200),
    (["DNS:example.com", "sip:bob@example.com", "sip:{user}@example.com"], 200),
    (["sip:bob@example.com"], 403),
    (["sip:{upper}@example.com"], 403),
    (["sip:{user}@other.example"], 403),
    (["sip:{user}@sub.example.com"], 403),
    (["sip:{user}@example.com.other.example"], 403),
    (["sip:example.com"], 403),
    (["im:{user}@example.com"], 403),
    (["email:{user}@example.com"], 403),
    (["DNS:{user}"], 403),
    ([], 403),
])
def test_PUB_07_subject_alt_name_names_the_user(owner, user, names, code):
    escaped = f"%{ord(user.name[0]):02X}{user.name[1:]}"
    names = [name.format(user=user.name, upper=user.name.upper(), escaped=escaped) for name in names]
    body = certs.certificate(*names, cn=user.aor)
    answer = owner.publish(body)
    assert answer.code == code
    assert code == 200 or answer.reason == SAN
    assert owner.fetch_credential() == ((body, None) if code == 200 else (b"", None))


def test_PUB_07_switches(server, net):
    other = server("credential.san-email=on")
    owner = other.agent(net, other.user())
    assert owner.publish(certs.certificate(f"email:{owner.user}@example.com")).code == 200
    assert owner.publish(certs.certificate("email:bob@example.com")).code == 403
    other = server("credential.check-san=off")
    owner = other.agent(net, other.user())
    assert owner.publish(certs.certificate("DNS:laptop.example")).code == 200


@pytest.mark.parametrize("options, code", [
    ({"since": HOUR}, 437),
    ({"since": 60}, 437),
    ({"since": -2 * HOUR, "until": -HOUR}, 437),
    ({"since": -HOUR, "until": -1}, 437),
    ({"ca": True}, 437),
    ({"ca": False}, 200),
    ({"ca": None}, 200),
], ids=lambda value: str(value))
def test_PUB_08_PUB_09_PUB_10_validity_and_ca_flag(owner, user, options, code):
    old = certs.certificate(user.aor, key=certs.rsa_key(1))
    etag = owner.publish(old).etag
    body = certs.certificate(user.aor, **options)
    answer = owner.publish(body)
    assert answer.code == code
    assert owner.fetch_credential() == (body if code == 200 else old, None)
    if code == 437:
        assert answer.reason == "Unsupported Certificate"
        assert answer.one("Warning").startswith("399 ")
        assert owner.publish(old, headers={"SIP-If-Match": etag}).code == 200


def test_PUB_11_SEC_10_refused_publication_changes_nothing(lab, net, owner, user, pair, watcher):
    etag = owner.publish(*pair).etag
    watching, device = watcher.subscribe(user.aor), owner.subscribe(event="credential")
    stranger = lab.agent(net, lab.user())
    mismatch = certs.certificate(user.aor), certs.pkcs8(certs.rsa_key(1))
    refusals = [
        stranger.publish(certs.certificate(user.aor), uri=user.sips),
        owner.publish(certs.certificate("sip:bob@example.com")),
        owner.publish(certs.certificate(user.aor, until=-1)),
        owner.publish(certs.certificate(user.aor, ca=True)),
        owner.publish(*mismatch),
        owner.publish(b"no certificate"),
        owner.publish(*pair, headers={"SIP-If-Match": "zzz"}),
        owner.publish(*pair, headers={"Expires": 5}),
        owner.publish(headers={"SIP-If-Match": "zzz", "Expires": 0}),
        publish_body(owner, "text/plain", b"hello"),
    ]
    assert [r.code for r in refusals] == [403, 403, 437, 437, 400, 400, 412, 423, 412, 415]
    watching.silent(0.5)
    device.silent(0.1)
    assert owner.fetch_credential() == pair
    assert owner.subscribe(event="credential").notify.event[1]["etag"] == etag
    assert owner.publish(*pair, headers={"SIP-If-Match": etag}).code == 200


def test_PUB_12_watchers_of_both_packages_are_told(owner, watcher, user, pair, judge):
    watching, device = watcher.subscribe(user.aor), owner.subscribe(event="credential")
    assert owner.publish(*pair).code == 200
    assert certificate_of(watching.next()) == pair[0]
    assert credential_of(device.next()) == pair
    judge.check(watching.notify)
    judge.check(device.notify)


@pytest.mark.parametrize("expires, match", [(0, True), (0, False), (None, True), (None, False), (HOUR, False), (HOUR, True)])
def test_PUB_14_PUB_15_ESC_09_publish_without_body_revokes(owner, watcher, user, pair, expires, match):
    etag = owner.publish(*pair).etag
    watching, device = watcher.subscribe(user.aor), owner.subscribe(event="credential")
    fields = {"Expires": expires, "SIP-If-Match": etag if match else None}
    revoked = owner.publish(headers=fields)
    assert granted(revoked) == 0 and revoked.etag != etag
    assert watching.next().state[0] == "active" and certificate_of(watching.notify) == b""
    assert device.next().state == ("terminated", {"reason": "deactivated"})
    assert credential_of(device.notify) == (b"", None)
    assert owner.fetch_credential() == (b"", None) and watcher.fetch(user.aor) == b""


def test_PUB_14_revocation_with_a_wrong_etag(owner, pair):
    owner.publish(*pair)
    for expires in (0, None):
        assert owner.publish(headers={"Expires": expires, "SIP-If-Match": "zzz"}).code == 412
    assert owner.fetch_credential() == pair


def test_PUB_14_revocation_of_nothing(owner, pair):
    first, second = owner.publish(headers={"Expires": 0}), owner.publish()
    assert granted(first) == granted(second) == 0 and first.etag != second.etag
    assert owner.publish(*pair).code == 200


def test_T_17_empty_publish_hybrid(server, net):
    other = server("credential.empty-publish=hybrid")
    owner = other.agent(net, other.user())
    body = certs.certificate(owner.aor)
    etag = owner.publish(body).etag
    refreshed = owner.publish(headers={"SIP-If-Match": etag, "Expires": HOUR})
    assert granted(refreshed) == HOUR and owner.fetch_credential() == (body, None)
    assert granted(owner.publish(headers={"Expires": HOUR})) == 0
    assert owner.fetch_credential() == (b"", None)


def test_T_17_empty_publish_rfc3903(server, net):
    other = server("credential.empty-publish=rfc3903")
    owner = other.agent(net, other.user())
    body = certs.certificate(owner.aor)
    etag = owner.publish(body).etag
    for expires in (HOUR, None):
        assert owner.publish(headers={"Expires": expires}).code == 400
    refreshed = owner.publish(headers={"SIP-If-Match": etag, "Expires": HOUR})
    assert granted(refreshed) == HOUR
    assert owner.fetch_credential() == (body, None)
    assert granted(owner.publish(headers={"SIP-If-Match": refreshed.etag, "Expires": 0})) == 0
    assert owner.fetch_credential() == (b"", None)


MALFORMED = {
    "no certificate at all": lambda cert, key: ("application/pkix-cert", b"hello"),
    "PEM certificate": lambda cert, key: ("application/pkix-cert", certs.pem(cert)),
    "truncated certificate": lambda cert, key: ("application/pkix-cert", cert[:-1]),
    "two certificates": lambda cert, key: ("application/pkix-cert", cert + cert),
    "PKCS#1 key": lambda cert, key: multipart.credential(cert, certs.pkcs1(certs.rsa_key())),
    "PEM key": lambda cert, key: multipart.credential(cert, certs.key_pem(certs.rsa_key())),
    "truncated key": lambda cert, key: multipart.credential(cert, key[:-1]),
    "key that is a certificate": lambda cert, key: multipart.credential(cert, cert),
    "key in BER": lambda cert, key: multipart.credential(cert, certs.ber_indefinite(key)),
    "encrypted key in BER": lambda cert, key: multipart.credential(
        cert, certs.ber_indefinite(certs.pkcs8_encrypted(certs.rsa_key(), "phrase"))),
    "empty key": lambda cert, key: multipart.credential(cert, b""),
    "key without certificate": lambda cert, key: (MIXED, multipart.build(("application/pkcs8", key))),
    "certificate twice": lambda cert, key: (MIXED, multipart.build(
        ("application/pkix-cert", cert), ("application/pkcs8", key), ("application/pkix-cert", cert))),
    "key twice": lambda cert, key: (MIXED, multipart.build(
        ("application/pkix-cert", cert), ("application/pkcs8", key), ("application/pkcs8", key))),
    "no delimiter": lambda cert, key: (MIXED, cert),
    "no boundary": lambda cert, key: ("multipart/mixed", multipart.credential(cert, key)[1]),
}


@pytest.mark.parametrize("name", MALFORMED)
def test_PUB_17_FMT_07_FMT_08_malformed_bodies(owner, user, pair, name):
    etag = owner.publish(*pair).etag
    answer = publish_body(owner, *MALFORMED[name](certs.certificate(user.aor), pair[1]))
    assert answer.code == 400
    assert answer.reason not in ("", "Bad Request"), "the reason phrase tells what is wrong"
    assert owner.publish(*pair, headers={"SIP-If-Match": etag}).code == 200


def test_PUB_18_key_of_another_certificate(owner, user):
    body = certs.certificate(user.aor)
    answer = owner.publish(body, certs.pkcs8(certs.rsa_key(1)))
    assert (answer.code, answer.reason) == (400, "Private Key Does Not Match Certificate")
    assert owner.fetch_credential() == (b"", None)
    sealed = certs.pkcs8_encrypted(certs.rsa_key(1), "phrase")
    assert owner.publish(body, sealed).code == 200
    assert owner.fetch_credential() == (body, sealed)


def test_PUB_19_ESC_07_unknown_body_types(owner, pair):
    refused = publish_body(owner, "text/plain", b"hello")
    assert refused.code == 415
    assert sorted(refused.values("Accept")) == ["application/pkcs8", "application/pkix-cert", "multipart/mixed"]

    def with_part(handling):
        unknown = ("text/plain", b"hello", [f"Content-Disposition: render;handling={handling}"])
        body = multipart.build(("application/pkix-cert", pair[0]), ("application/pkcs8", pair[1]), unknown)
        return publish_body(owner, MIXED, body)

    assert with_part("required").code == 415
    assert owner.fetch_credential() == (b"", None)
    assert with_part("optional").code == 200
    assert owner.fetch_credential() == pair


def plain(cert, key):
    return multipart.credential(cert, key)[1]


def base64_part(kind, data):
    return kind, base64.encodebytes(data).replace(b"\n", b"\r\n"), ["Content-Transfer-Encoding: BASE64"]


LENIENT = {
    "example of the draft": (MIXED, lambda cert, key: b"--boundary\r\nContent-ID: 123\r\nContent-Type: "
                             b"application/pkix-cert\r\n\r\n\r\n" + cert + b"\r\n--boundary\r\nContent-ID: 456\r\n"
                             b"Content-Type: application/pkcs8\r\n\r\n" + key + b"\r\n--boundary"),
    "no last delimiter": (MIXED, lambda cert, key: plain(cert, key)[:-len("--boundary--")]),
    "preamble and epilogue": (MIXED, lambda cert, key: b"A\r\nword\r\n" + plain(cert, key) + b"\r\nthe end\r\n"),
    "quoted boundary": ('multipart/mixed; charset=x; boundary="a b"', lambda cert, key: multipart.build(
        ("application/pkix-cert", cert), ("application/pkcs8", key), boundary="a b")),
    "space after the delimiter": (MIXED, lambda cert, key: plain(cert, key).replace(
        b"--boundary\r\n", b"--boundary \t\r\n")),
    "empty lines around DER": (MIXED, lambda cert, key: plain(b"\r\n" + cert + b"\r\n", b"\r\n" + key + b"\r\n")),
    "case of types and names": ("Multipart/Mixed;Boundary=boundary", lambda cert, key: plain(cert, key).replace(
        b"application/pkix", b"Application/PKIX").replace(b"Content-Type", b"content-TYPE")),
    "parameters of types, IAN-02 and IAN-03": (MIXED, lambda cert, key: multipart.build(
        ("application/pkix-cert; version=3", cert), ("application/pkcs8; foo=1", key))),
    "Content-ID and unknown headers": (MIXED, lambda cert, key: multipart.build(
        ("application/pkix-cert", cert, ["Content-ID: 123", "X-Any: thing"]), ("application/pkcs8", key))),
    "base64, FMT-18": (MIXED, lambda cert, key: multipart.build(
        base64_part("application/pkix-cert", cert), base64_part("application/pkcs8", key))),
    "nested multipart, FMT-18": (MIXED, lambda cert, key: multipart.build(
        (MIXED.replace("=boundary", "=inner"), plain(cert, key).replace(b"--boundary", b"--inner")))),
    "another name for encrypted keys, T-02": (MIXED, lambda cert, key: multipart.build(
        ("application/pkix-cert", cert), ("application/pkcs8-encrypted", key))),
}


@pytest.mark.parametrize("name", LENIENT)
def test_PUB_20_FMT_18_IAN_02_IAN_03_leniency(owner, pair, name):
    certificate, key = pair
    if "encrypted" in name:
        key = certs.pkcs8_encrypted(certs.rsa_key(), "phrase")
    kind, wrap = LENIENT[name]
    assert publish_body(owner, kind, wrap(certificate, key)).code == 200
    assert owner.fetch_credential() == (certificate, key)


@pytest.mark.parametrize("disposition", [None, "signal", "render", "signal;handling=required", "session"])
def test_T_47_disposition_of_a_known_type_is_ignored(owner, pair, disposition):
    assert owner.publish(*pair, headers={"Content-Disposition": disposition}).code == 200
    assert owner.fetch_credential() == pair


def test_PUB_21_too_large(owner):
    request = owner.new("PUBLISH", owner.sips, {**CREDENTIAL, "Content-Type": "application/pkix-cert"})
    request.body = b"\0" * (1 << 20)
    assert owner.exchange(request).code == 413
    assert owner.options().code == 200


def test_PUB_23_collision(lab, net, owner, user, pair):
    etag = owner.publish(*pair).etag
    devices = [lab.agent(net, user) for _ in range(2)]
    requests, bodies = [], []
    for number, device in enumerate(devices):
        body = certs.certificate(user.aor, key=certs.rsa_key(number))
        fields = {**CREDENTIAL, "Content-Type": "application/pkix-cert", "SIP-If-Match": etag}
        requests.append(device.authorize(device.new("PUBLISH", user.sips, fields, body), device.challenge()))
        bodies.append(body)
    for device, request in zip(devices, requests):
        device.send(request)
    codes = [device.final(request).code for device, request in zip(devices, requests)]
    assert sorted(codes) == [200, 412]
    assert owner.fetch_credential() == (bodies[codes.index(200)], None)


def test_PUB_24_event_certificate_is_not_published(owner, user):
    refused = owner.publish(certs.certificate(user.aor), headers={"Event": "certificate"})
    assert refused.code == 489
    assert sorted(refused.values("Allow-Events")) == ["certificate", "credential"]


def test_PUB_24_alias(server, net):
    other = server("certificate.publish=on")
    owner = other.agent(net, other.user())
    body = certs.certificate(owner.aor)
    assert owner.publish(body, headers={"Event": "certificate"}).code == 200
    assert owner.fetch_credential() == (body, None)


def test_ESC_01_served_domain_only(owner, pair):
    assert owner.publish(*pair, uri="sips:nobody@other.example").code == 407
    refused = owner.exchange(owner.new("PUBLISH", "sips:nobody@example.com", CREDENTIAL))
    assert refused.code == 401
    assert owner.publish(*pair, uri="sips:nobody@example.com").code == 403


@pytest.mark.parametrize("event", [None, "presence", "Credential", "credentials"])
def test_ESC_02_unknown_event(owner, pair, event):
    refused = owner.publish(*pair, headers={"Event": event})
    assert refused.code == 489
    assert sorted(refused.values("Allow-Events")) == ["certificate", "credential"]


def test_ESC_03_publication_without_etag_replaces(owner, pair, other_pair):
    first = owner.publish(*pair)
    second = owner.publish(*other_pair)
    assert second.code == 200 and second.etag != first.etag
    assert owner.publish(*pair, headers={"SIP-If-Match": first.etag}).code == 412
    assert owner.fetch_credential() == other_pair


def test_ESC_04_sip_if_match(owner, pair):
    etag = owner.publish(*pair).etag
    for value in (f"{etag}, {etag}", "", "a b", '"quoted"'):
        assert owner.publish(*pair, headers={"SIP-If-Match": value}).code == 400, value
    refused = owner.publish(*pair, headers={"SIP-If-Match": "zzz"})
    assert (refused.code, refused.reason) == (412, "Conditional Request Failed")
    assert owner.publish(*pair, headers={"SIP-If-Match": etag}).code == 200


def test_ESC_05_lifetime(owner, user, pair):
    assert granted(owner.publish(*pair, headers={"Expires": 3600})) == 3600
    day = certs.certificate(user.aor, until=86400)
    for asked in (None, 172800):
        assert 86390 <= granted(owner.publish(day, headers={"Expires": asked})) <= 86400


def test_ESC_06_too_brief(owner, user, pair):
    for asked in (1, 5, 59):
        refused = owner.publish(*pair, headers={"Expires": asked})
        assert refused.code == 423 and refused.one("Min-Expires") == "60"
    assert granted(owner.publish(*pair, headers={"Expires": 60})) == 60
    brief = certs.certificate(user.aor, until=30)
    for asked in (30, None):
        assert 25 <= granted(owner.publish(brief, headers={"Expires": asked})) <= 31  # time() lags the other clock by a tick


def test_ESC_08_refresh(server, net):
    other = server("credential.empty-publish=hybrid", "notify.interval=0")
    user = other.user()
    owner, watcher = other.agent(net, user), other.agent(net, transport="tcp")
    pair = certs.pair(user.aor)
    first = owner.publish(*pair, headers={"Expires": 600})
    watching, device = watcher.subscribe(user.aor), owner.subscribe(event="credential")
    refreshed = owner.publish(headers={"SIP-If-Match": first.etag, "Expires": 3600})
    assert granted(refreshed) == 3600 and refreshed.etag != first.etag
    watching.silent(0.5)
    device.silent(0.1)
    assert owner.publish(headers={"SIP-If-Match": first.etag, "Expires": 3600}).code == 412
    beyond = owner.publish(headers={"SIP-If-Match": refreshed.etag, "Expires": 365 * 86400})
    assert 29 * 86400 < granted(beyond) <= 30 * 86400
    assert owner.fetch_credential() == pair


def test_ESC_10_body_with_expires_0(owner, watcher, user, pair, other_pair):
    etag = owner.publish(*pair).etag
    watching = watcher.subscribe(user.aor)
    assert granted(owner.publish(*other_pair, headers={"Expires": 0})) == 0
    watching.silent(0.5)
    assert owner.fetch_credential() == pair
    assert granted(owner.publish(*other_pair, headers={"Expires": 0, "SIP-If-Match": etag})) == 0
    assert certificate_of(watching.next()) == b""
    assert owner.fetch_credential() == (b"", None)


def test_ESC_11_store_failure(server, net):
    other = server("notify.interval=0", restore_signals=False)
    user = other.user()
    owner, watcher = other.agent(net, user), other.agent(net, transport="tcp")
    old, new = (certs.certificate(user.aor, key=certs.rsa_key(n)) for n in range(2))
    etag = owner.publish(old).etag
    watching = watcher.subscribe(user.aor)
    other.forbid_writing()
    assert owner.publish(new).code in (500, 503)
    assert owner.publish(headers={"Expires": 0}).code in (500, 503)
    watching.silent(0.5)
    assert certificate_of(watcher.subscribe("sip:bob@example.com", expires=0).notify) == b""
    assert watcher.fetch(user.aor) == old
    other.forbid_writing(False)
    assert owner.publish(new, headers={"SIP-If-Match": etag}).code == 200
    assert certificate_of(watching.next()) == new


def test_ESC_12_every_success_has_a_new_etag(server, net):
    other = server("notify.interval=0")
    user = other.user()
    owner = other.agent(net, user)
    bodies = [certs.certificate(user.aor, key=certs.rsa_key(n)) for n in range(2)]
    etags = []
    for number in range(30):
        answers = [owner.publish(bodies[number % 2])]
        answers.append(owner.publish(headers={"SIP-If-Match": answers[0].etag, "Expires": 3600}))
        if number % 5 == 0:
            answers.append(owner.publish(headers={"Expires": 0}))
        assert {answer.code for answer in answers} == {200}
        etags += [answer.etag for answer in answers]
    other.stop()
    other.start()
    owner = other.agent(net, user)
    etags += [owner.publish(bodies[0]).etag for _ in range(10)]
    assert len(set(etags)) == len(etags) == 76


def test_ESC_13_order_of_reception(owner, user):
    bodies = [certs.certificate(user.aor, key=certs.rsa_key(n % 2)) for n in range(6)]
    challenge = owner.challenge()
    fields = {**CREDENTIAL, "Content-Type": "application/pkix-cert"}
    requests = [owner.authorize(owner.new("PUBLISH", user.sips, fields, body), challenge, nc=n + 1)
                for n, body in enumerate(bodies)]
    owner.peer.send(b"".join(request.encode() for request in requests))
    answers = [owner.final(request) for request in requests]
    assert [answer.code for answer in answers] == [200] * 6
    assert owner.fetch_credential() == (bodies[-1], None)
    assert owner.publish(bodies[0], headers={"SIP-If-Match": answers[-1].etag}).code == 200


def test_ESC_14_no_dialog(server, net):
    other = server("credential.direct=off")
    owner = other.agent(net, other.user())
    fields = {"Contact": "<sips:bob@203.0.113.9>", "Record-Route": "<sips:203.0.113.9;lr>"}
    answer = owner.publish(certs.certificate(owner.aor), headers=fields)
    assert answer.code == 200
    assert not answer.all("Contact") and not answer.all("Record-Route")


@pytest.mark.parametrize("transport", ["udp", "tcp", "tls"])
def test_ESC_15_options(lab, net, transport):
    agent = lab.agent(net, transport=transport)
    answer = agent.options()
    assert answer.code == 200
    assert {"PUBLISH", "SUBSCRIBE", "OPTIONS"} <= set(answer.values("Allow"))
    assert sorted(answer.values("Allow-Events")) == ["certificate", "credential"]
    assert {"multipart/mixed", "application/pkix-cert"} <= set(answer.values("Accept"))
    assert sorted(answer.values("Supported")) == ["outbound", "path"]


def test_ESC_18_bit_exact(owner, watcher, user):
    """The certificate holds every octet value, line ends and delimiters of the body around it."""
    tricky = "\r\n--boundary\r\n--boundary--\r\n" + "".join(map(chr, range(1, 128)))
    body = certs.certificate(user.aor, f"sip:{tricky}@x.example"), certs.pkcs8(certs.rsa_key())
    mark = "a" * 40
    published = multipart.build(("application/pkix-cert", body[0]), ("application/pkcs8", body[1]), boundary=mark)
    assert publish_body(owner, f"multipart/mixed;boundary={mark}", published).code == 200
    assert owner.fetch_credential() == body
    assert watcher.fetch(user.aor) == body[0]


def test_ESC_19_end_of_the_publication(quick, net):
    user = quick.user()
    owner, watcher = quick.agent(net, user), quick.agent(net, transport="tcp")
    watching = watcher.subscribe(user.aor)
    answer = owner.publish(*certs.pair(user.aor), headers={"Expires": 2})
    assert granted(answer) == 2
    watching.next()
    device = owner.subscribe(event="credential")
    notify = watching.next(timeout=4)
    assert certificate_of(notify) == b"" and notify.state[0] == "active"
    assert 1 <= notify.time - answer.time <= 3.5
    assert device.next().state == ("terminated", {"reason": "deactivated"})
    assert credential_of(device.notify) == (b"", None)
    assert owner.fetch_credential() == (b"", None)


@pytest.mark.parametrize("make", [certs.pkcs8, certs.pkcs8_v2], ids=["version 1", "version 2"])
def test_FMT_09_plain_key_forms(owner, user, make):
    pair = certs.certificate(user.aor), make(certs.rsa_key())
    assert owner.publish(*pair).code == 200
    assert owner.fetch_credential() == pair


@pytest.mark.parametrize("cipher, prf", [("des-ede3-cbc", "sha1"), ("aes128-wrap-pad", "sha256"),
                                         ("aes256-cbc", "sha256")])
def test_FMT_10_encrypted_key_is_kept_as_it_is(owner, user, cipher, prf):
    pair = certs.certificate(user.aor), certs.pkcs8_encrypted(certs.rsa_key(), "phrase", cipher, prf)
    assert owner.publish(*pair).code == 200
    assert owner.fetch_credential() == pair


def test_FMT_02_sha1_certificate(owner, user):
    body = certs.certificate(user.aor, sha1=True)
    assert owner.publish(body).code == 200
    assert owner.fetch_credential() == (body, None)


def test_FMT_19_size_of_keys(lab, net, owner, user):
    key = certs.rsa_key(0, 1024)
    pair = certs.certificate(user.aor, key=key), certs.pkcs8(key)
    assert owner.publish(*pair).code == 200
    assert owner.fetch_credential() == pair
    small = lab.agent(net, lab.user("small"))
    answer = small.publish(SMALL.read_bytes())
    assert (answer.code, answer.reason) == (437, "Unsupported Certificate")


def test_T_15_order_of_checks(lab, net, owner, user):
    """Each request keeps the faults of the next and has one more that is found earlier."""
    stranger = lab.agent(net, lab.user())
    clear = lab.agent(net, user, "tcp")
    relay = "SIP/2.0/TLS relay.example.com;branch=z9hG4bKrelay"
    faults = {"Event": "credential", "Expires": 5, "SIP-If-Match": "a, b", "Content-Type": "text/plain"}
    body = b"hello"

    def answer(agent, uri, headers, extra=()):
        request = agent.new("PUBLISH", uri, headers, body)
        for name, value in extra:
            request.add(name, value)
        return agent.exchange(request)

    relayed = [("Via", relay)]
    foreign = {**faults, "Event": "presence", "Require": "eventlist"}
    assert answer(clear, "sip:bob@other.example", foreign, [("Event", "credential"), *relayed]).code == 400
    # Another domain is for the proxy, to which Require is nothing.
    assert answer(clear, "sip:bob@other.example", foreign, relayed).code == 407
    assert answer(clear, user.aor, foreign, relayed).code == 420
    foreign["Require"] = None
    assert answer(clear, user.aor, foreign, relayed).code == 489
    refused = answer(clear, user.aor, faults, relayed)
    assert (refused.code, refused.reason) == (403, "TLS Required")
    refused = answer(owner, user.sips, faults, relayed)
    assert (refused.code, refused.reason) == (403, "Direct TLS Connection Required")
    assert answer(owner, user.sips, faults).code == 401
    assert stranger.call("PUBLISH", user.sips, faults, body).code == 403
    for fixed, code in (({}, 400), ({"SIP-If-Match": "zzz"}, 412), ({"SIP-If-Match": None}, 423),
                        ({"Expires": None}, 415)):
        faults.update(fixed)
        assert owner.call("PUBLISH", user.sips, faults, body).code == code
    wrong_key = certs.pkcs8(certs.rsa_key(1))
    for certificate, code in ((certs.certificate("sip:bob@example.com", ca=True), 403),
                              (certs.certificate(user.aor, ca=True), 437), (certs.certificate(user.aor), 400)):
        assert owner.publish(certificate, wrong_key).code == code


def test_T_15_order_of_checks_of_subscribe(lab, net, owner, user):
    faults = {"Event": "presence", "Expires": 5, "To": "<sips:bob@example.com>", "Require": "foo",
              "Content-Type": "text/plain"}
    for fixed, code in (({}, 420), ({"Require": None}, 489), ({"Event": "credential"}, 403),
                        ({"To": f"<{user.sips}>"}, 423), ({"Expires": 3600}, 415)):
        faults.update(fixed)
        assert owner.call("SUBSCRIBE", user.sips, faults, b"hello").code == code
    faults["To"] = "<sips:bob@example.com>"
    refused = lab.agent(net, user, "tcp").call("SUBSCRIBE", user.sips, faults, b"hello")
    assert (refused.code, refused.reason) == (403, "TLS Required")
