"""Transport security (rows TLS), as seen at the server."""

import ssl
import subprocess
import time

import pytest
from peer import certs, tlsprobe
from peer import lab as program
from peer.sipclient import Agent, StreamPeer, addr_spec, credential_of, tls_connect, tls_context

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


REFUSED = {  # options of `openssl s_client`, and the alert that RFC 5246 7.2.2 has for it
    "old": (["-tls1_1", "-cipher", "DEFAULT@SECLEVEL=0"], "alert protocol version"),
    "suite": (["-tls1_2", "-cipher", "DHE-RSA-AES128-SHA256"], "alert handshake failure"),
    "curve": (["-tls1_2", "-curves", "X448", "-cipher", "ECDHE"], "alert handshake failure"),
    "signature": (["-tls1_2", "-sigalgs", "ed25519", "-cipher", "ECDHE"], "alert handshake failure"),
    "newer": (["-tls1_3"], "alert protocol version"),
}


@pytest.mark.parametrize("why", REFUSED)
def test_TLS_07_who_is_refused_is_told_why(lab, why):
    options, expected = REFUSED[why]
    tried = subprocess.run(["openssl", "s_client", "-connect", f"127.0.0.1:{lab.port + 1}", *options], input="",
                           capture_output=True, text=True, timeout=20, check=False)
    if why == "newer" and tried.returncode == 0:
        pytest.skip("this library has TLS 1.3")
    assert tried.returncode == 1 and expected in tried.stderr, tried.stderr
