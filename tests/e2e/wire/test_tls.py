"""Transport security (rows TLS) and digest authentication (rows DIG), as seen at the server."""

import ssl
import time

import certs
import digest
import lab as program
import pytest
import tlsprobe
from sipclient import Agent, StreamPeer, addr_spec, credential_of, tls_connect, tls_context

CREDENTIAL = {"Event": "credential"}


def in_tls(lab, net, **options):
    """An agent on a TLS connection with these settings."""
    return Agent(StreamPeer(net, tls_connect(lab.port + 1, tls_context(lab.ca, **options)), "TLS"))


@pytest.mark.parametrize("suite", ["AES128-SHA", "AES128-SHA256"])
def test_TLS_01_TLS_02_mandatory_suites(lab, net, suite):
    agent = in_tls(lab, net, ciphers=suite + ":@SECLEVEL=0", version=ssl.TLSVersion.TLSv1_2)
    assert agent.peer.sock.cipher()[0] == suite
    assert agent.options().code == 200


@pytest.mark.parametrize("suite", [tlsprobe.RSA_AES128_SHA, tlsprobe.RSA_AES128_SHA256])
def test_TLS_01_TLS_02_client_without_extensions(lab, suite):
    assert tlsprobe.probe(lab.port + 1, tlsprobe.client_hello(tlsprobe.TLS12, [suite])) == (tlsprobe.TLS12, suite)


def test_TLS_01_static_rsa_is_the_last_choice(lab, net):
    agent = in_tls(lab, net, ciphers="AES128-SHA:AES128-SHA256:ECDHE-RSA-AES128-GCM-SHA256:@SECLEVEL=0",
                   version=ssl.TLSVersion.TLSv1_2)
    assert agent.peer.sock.cipher()[0] == "ECDHE-RSA-AES128-GCM-SHA256"


def test_D_10_static_rsa_off(server):
    other = server("tls.static-rsa=off")
    hello = tlsprobe.client_hello(tlsprobe.TLS12, [tlsprobe.RSA_AES128_SHA, tlsprobe.RSA_AES128_SHA256])
    assert tlsprobe.probe(other.port + 1, hello) is None


def test_TLS_03_server_name_chooses_the_certificate(labs, server):
    directory = labs.directory()
    one = program.domain_certificate(directory, "one", "sip:example.com", "DNS:example.com")
    two = program.domain_certificate(directory, "two", "sip:other.example", "DNS:other.example", key=certs.rsa_key(51))
    other = server(f"tls.certificate={one[0]},{two[0]}", f"tls.key={one[1]},{two[1]}", directory=directory)
    for asked, shown in (("example.com", "example.com"), ("other.example", "other.example"),
                         ("OTHER.example", "other.example"), ("unknown.example", "example.com"), (None, "example.com")):
        tls_connect(other.port + 1, tls_context(other.ca), asked, expect=shown).close()


@pytest.mark.parametrize("suites", [
    [tlsprobe.RSA_NULL_MD5, tlsprobe.RSA_NULL_SHA, tlsprobe.RSA_NULL_SHA256],
    [tlsprobe.ANON_AES128, tlsprobe.ANON_3DES, tlsprobe.ECDH_ANON_AES128],
    [tlsprobe.EXPORT_RC4, tlsprobe.EXPORT_DES, tlsprobe.RC4_MD5, tlsprobe.RC4_SHA, tlsprobe.DES],
], ids=["NULL", "anonymous", "export, RC4, DES"])
def test_TLS_06_no_poor_suites(lab, suites):
    assert tlsprobe.probe(lab.port + 1, tlsprobe.client_hello(tlsprobe.TLS12, suites)) is None


@pytest.mark.parametrize("version", [tlsprobe.SSL3, tlsprobe.TLS10, tlsprobe.TLS11], ids=["SSL3", "TLS1.0", "TLS1.1"])
def test_TLS_07_old_versions(lab, version):
    suites = [tlsprobe.RSA_AES128_SHA, tlsprobe.ECDHE_RSA_AES128_SHA, tlsprobe.RSA_AES256_SHA]
    assert tlsprobe.probe(lab.port + 1, tlsprobe.client_hello(version, suites)) is None


def test_TLS_07_ssl2(lab):
    assert tlsprobe.probe(lab.port + 1, tlsprobe.SSL2_HELLO) is None


def serves(server, net, certificate=None):
    """True when a TLS client with this certificate gets an answer to OPTIONS."""
    try:
        return in_tls(server, net, certificate=certificate).options().code == 200
    except (OSError, AssertionError):
        return False


@pytest.mark.parametrize("mode, without, foreign", [("off", True, True), ("optional", True, None),
                                                    ("require", False, False)])
def test_TLS_08_ESC_16_mutual_authentication(labs, server, net, mode, without, foreign):
    directory = labs.directory()
    known = program.domain_certificate(directory, "client", "sip:client.example", "DNS:client.example")
    other = server(f"tls.client-certificate={mode}", directory=directory)
    stranger = other.directory / "stranger.crt", known[1]
    stranger[0].write_bytes(certs.pem(certs.certificate("sip:client.example", key=certs.rsa_key(50))))
    assert serves(other, net, known)
    assert serves(other, net) == without
    assert foreign is None or serves(other, net, stranger) == foreign


def test_TLS_09_sips(owner, user, pair):
    subscription = owner.subscribe(user.sips, "credential")
    assert addr_spec(subscription.response.one("Contact"))[0].startswith("sips:")
    assert addr_spec(subscription.notify.one("Contact"))[0].startswith("sips:")
    assert addr_spec(subscription.notify.one("From"))[0] == user.sips
    assert subscription.notify.uri == addr_spec(subscription.request.get("Contact"))[0]
    assert owner.publish(*pair, uri=user.sips).code == 200
    assert credential_of(subscription.next()) == pair
    plain = owner.subscribe(user.aor)
    assert addr_spec(plain.response.one("Contact"))[0].startswith("sip:")


def test_TLS_14_every_request_is_checked(owner, user, pair):
    assert owner.publish(*pair).code == 200
    bare = owner.new("SUBSCRIBE", user.sips, {**CREDENTIAL, "Expires": 60})
    assert owner.exchange(bare).code == 401
    assert owner.exchange(owner.new("PUBLISH", user.sips, {**CREDENTIAL, "Expires": 0})).code == 401
    assert owner.fetch_credential() == pair


@pytest.mark.parametrize("transport", ["udp", "tcp", "tls"])
def test_TLS_15_listeners_and_responses_on_the_same_connection(lab, net, transport):
    agent = lab.agent(net, transport=transport)
    response = agent.options()
    assert response.code == 200 and response.peer is agent.peer
    via = response.one("Via")
    assert "rport=" in via or transport != "udp"


def test_TLS_15_several_requests_in_one_segment_and_one_in_many(lab, net):
    agent = lab.agent(net, transport="tcp")
    requests = [agent.new("OPTIONS", "sip:example.com") for _ in range(3)]
    agent.peer.send(b"\r\n\r\n".join(request.encode() for request in requests))
    assert [agent.final(request).code for request in requests] == [200] * 3
    slow = agent.new("OPTIONS", "sip:example.com")
    for octet in slow.encode():
        agent.peer.send(bytes([octet]))
    assert agent.final(slow).code == 200


def test_DIG_01_DIG_03_DIG_04_DIG_06_challenge(owner):
    refused = owner.exchange(owner.new("PUBLISH", owner.sips, CREDENTIAL))
    assert refused.code == 401 and not refused.all("Proxy-Authenticate")
    offered = digest.challenges(refused)
    assert [c["algorithm"] for c in offered] == ["SHA-256", "MD5"]
    for challenge in offered:
        assert challenge["realm"] == "example.com"
        assert "auth" in [value.strip() for value in challenge["qop"].split(",")]
        assert challenge.get("stale", "false").lower() == "false"
    assert len({challenge["nonce"] for challenge in offered + [owner.challenge()]}) > 1


@pytest.mark.parametrize("algorithm", ["SHA-256", "MD5"])
@pytest.mark.parametrize("qop", ["auth", "auth-int"])
def test_DIG_06_algorithms_and_qop(owner, pair, algorithm, qop):
    owner.algorithm, owner.qop = algorithm, qop
    offered = owner.challenge()["qop"]
    if qop == "auth-int" and qop not in offered:
        pytest.skip("auth-int is optional and not offered")
    assert owner.publish(*pair).code == 200
    assert owner.fetch_credential() == pair


def test_DIG_06_md5_off(server, net):
    other = server("digest.md5=off")
    owner = other.agent(net, other.user())
    refused = owner.exchange(owner.new("PUBLISH", owner.sips, CREDENTIAL))
    assert [c["algorithm"] for c in digest.challenges(refused)] == ["SHA-256"]
    assert owner.revoke().code == 200


def test_DIG_04_auth_int_covers_the_body(owner, pair):
    request = owner.new("PUBLISH", owner.sips, {**CREDENTIAL, "Content-Type": "application/pkix-cert"}, pair[0])
    signed = owner.authorize(request, owner.challenge(), qop="auth-int")
    signed.body = certs.certificate(owner.aor, key=certs.rsa_key(1))
    assert owner.exchange(signed).code == 401
    assert owner.fetch_credential() == (b"", None)


def test_DIG_02_no_basic(owner):
    refused = owner.exchange(owner.new("PUBLISH", owner.sips, {**CREDENTIAL, "Authorization": "Basic YTpi"}))
    assert refused.code == 401
    assert all(value.startswith("Digest ") for value in refused.all("WWW-Authenticate"))


def test_DIG_05_replay_is_refused(owner, pair, other_pair):
    challenge = owner.challenge()
    fields = {**CREDENTIAL, "Content-Type": "application/pkix-cert"}
    first = owner.authorize(owner.new("PUBLISH", owner.sips, fields, pair[0]), challenge, nc=1)
    assert owner.exchange(first).code == 200
    assert owner.exchange(owner.authorize(owner.new("PUBLISH", owner.sips, fields, other_pair[0]), challenge,
                                          nc=2)).code == 200
    replay = first.copy().set("Via", owner.peer.via())
    assert owner.exchange(replay).code == 401
    assert owner.exchange(replay.copy().set("Via", owner.peer.via()).set("Call-ID", "other")).code == 401
    assert owner.fetch_credential() == (other_pair[0], None)


def test_DIG_05_count_may_skip(owner):
    challenge = owner.challenge()
    for count in (1, 5, 6):
        request = owner.authorize(owner.new("PUBLISH", owner.sips, {**CREDENTIAL, "Expires": 0}), challenge, nc=count)
        assert owner.exchange(request).code == 200


def test_DIG_05_expired_nonce_is_stale(server, net):
    other = server("digest.nonce-lifetime=1")
    owner = other.agent(net, other.user())
    request = owner.new("PUBLISH", owner.sips, {**CREDENTIAL, "Expires": 0})
    challenge = owner.challenge()
    net.idle(2.2)
    refused = owner.exchange(owner.authorize(request, challenge))
    assert refused.code == 401 and owner.pick(refused)["stale"].lower() == "true"
    wrong = owner.exchange(owner.authorize(request, challenge, password="wrong"))
    assert wrong.code == 401 and owner.pick(wrong).get("stale", "false").lower() == "false"
    assert owner.exchange(owner.authorize(request, owner.pick(refused))).code == 200


def test_DIG_05_nonce_of_another_server(owner, plain, net):
    foreign = plain.agent(net, plain.lab_user("alice")).challenge()
    request = owner.new("PUBLISH", owner.sips, {**CREDENTIAL, "Expires": 0})
    assert owner.exchange(owner.authorize(request, foreign)).code == 401
    assert owner.exchange(owner.authorize(request, {**foreign, "nonce": "0123456789abcdef"})).code == 401


@pytest.mark.parametrize("change", [
    {"response": "0" * 64}, {"uri": "sips:bob@example.com"}, {"realm": "other.example"}, {"nc": "00000002"},
    {"cnonce": None}, {"qop": None, "nc": None, "cnonce": None}, {"nc": None}, {"algorithm": "MD5"},
], ids=lambda change: ",".join(change))
def test_DIG_04_damaged_credentials(owner, change):
    request = owner.new("PUBLISH", owner.sips, {**CREDENTIAL, "Expires": 0})
    assert owner.exchange(owner.authorize(request, owner.challenge(), replace=change)).code in (400, 401)
    assert owner.revoke().code == 200


def test_DIG_04_credentials_for_another_uri(owner, user):
    request = owner.new("PUBLISH", user.sips, {**CREDENTIAL, "Expires": 0})
    assert owner.exchange(owner.authorize(request, owner.challenge(), uri="sips:bob@example.com")).code in (400, 401)


def test_DIG_04_credentials_twice(owner):
    request = owner.authorize(owner.new("PUBLISH", owner.sips, {**CREDENTIAL, "Expires": 0}), owner.challenge())
    value = request.get("Authorization")
    assert owner.exchange(request.copy().add("Authorization", value)).code == 400
    again = owner.authorize(owner.new("PUBLISH", owner.sips, {**CREDENTIAL, "Expires": 0}), owner.challenge())
    again.set("Authorization", again.get("Authorization") + f', username="{owner.user}"')
    assert owner.exchange(again).code == 400


def test_DIG_05_credentials_of_another_method(owner, user):
    challenge = owner.challenge()
    for_publish = owner.authorize(owner.new("PUBLISH", user.sips, {**CREDENTIAL, "Expires": 0}), challenge)
    request = owner.new("SUBSCRIBE", user.sips, {**CREDENTIAL, "Authorization": for_publish.get("Authorization")})
    assert owner.exchange(request).code == 401


def test_T_46_unknown_user_is_challenged_alike(owner, user):
    known = owner.exchange(owner.new("PUBLISH", user.sips, CREDENTIAL))
    unknown = owner.exchange(owner.new("PUBLISH", "sips:nobody@example.com", CREDENTIAL))
    assert (known.start, [n for n, _ in known.headers]) == (unknown.start, [n for n, _ in unknown.headers])
    guess = owner.authorize(owner.new("PUBLISH", user.sips, CREDENTIAL), owner.challenge(), password="wrong")
    wrong_password = owner.exchange(guess)
    guess = owner.authorize(owner.new("PUBLISH", user.sips, CREDENTIAL), owner.challenge(), user="nobody")
    wrong_user = owner.exchange(guess)
    assert wrong_password.code == 401
    assert (wrong_password.start, [n for n, _ in wrong_password.headers]) == \
        (wrong_user.start, [n for n, _ in wrong_user.headers])


@pytest.mark.parametrize("transport", ["udp", "tcp", "tls"])
def test_DIG_09_cancel_is_never_challenged(lab, net, user, transport):
    agent = lab.agent(net, transport=transport)
    cancel = agent.new("CANCEL", user.sips if transport == "tls" else user.aor, {"CSeq": "1 CANCEL"})
    assert agent.exchange(cancel).code == 481


def handshakes(port, source, count):
    """How many of so many connections from that address, one right after another, are answered a ClientHello."""
    hello = tlsprobe.client_hello(tlsprobe.TLS12, [tlsprobe.RSA_AES128_SHA])
    return sum(tlsprobe.probe(port, hello, source) is not None for _ in range(count))


def test_handshakes_are_limited(server, net):
    """Two seconds' worth at once, and then so many a second; what is established, and other sources, are not concerned."""
    other = server("limits.handshakes-per-source=5", "limits.handshakes=30", "limits.rsa-failures=0",
                   "tls.client-certificate=off")
    port, established = other.port + 1, other.agent(net, transport="tls")
    begin = time.monotonic()
    count = handshakes(port, "127.0.1.1", 60)
    assert 10 <= count <= 11 + 5 * (time.monotonic() - begin), "the 11th is closed"
    assert established.options().code == 200
    assert handshakes(port, "127.0.1.2", 3) == 3
    program.until(lambda: "reason=handshake_rate" in other.process.log, 5, "the line in the log")
    assert other.process.log.count("event=tls_refused peer=127.0.1.1:") <= 51
    time.sleep(1.1)
    assert handshakes(port, "127.0.1.1", 5) == 5, "it has recovered"
    # All together: others can use up what is left for everybody.
    assert sum(handshakes(port, f"127.0.2.{number}", 10) for number in range(20)) < 150
    assert established.options().code == 200
    time.sleep(1.1)
    assert handshakes(port, "127.0.1.3", 5) == 5


def test_failed_static_rsa_handshakes_are_limited(server):
    """Whoever would use the server as an RSA oracle is refused; many of them together end the offer for everybody."""
    other = server("limits.rsa-failures=2", "tls.client-certificate=off")
    port = other.port + 1
    static = tlsprobe.client_hello(tlsprobe.TLS12, [tlsprobe.RSA_AES128_SHA])
    accepted = tlsprobe.TLS12, tlsprobe.RSA_AES128_SHA
    for _ in range(2):
        assert tlsprobe.failed_rsa_handshake(port, "127.0.1.1")
    assert not tlsprobe.failed_rsa_handshake(port, "127.0.1.1")
    assert tlsprobe.probe(port, static, "127.0.1.2") == accepted, "others are not concerned"
    for number in range(10, 19):
        for _ in range(2):
            tlsprobe.failed_rsa_handshake(port, f"127.0.1.{number}")
    assert tlsprobe.probe(port, static, "127.0.1.99") is None
    with tls_connect(port, tls_context(other.ca)) as sock:
        assert "ECDHE" in sock.cipher()[0], "forward secrecy goes on"
