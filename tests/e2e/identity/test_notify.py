"""The authentication service that signs every NOTIFY, RFC 4474 (rows AUT)."""

import base64
import email.utils
import hashlib
import re
import socket
import ssl
import time
import urllib.parse

import pytest
from cryptography import x509
from cryptography.exceptions import InvalidSignature
from peer import certs, identity
from peer import lab as program
from peer.sipclient import Message, addr_spec, certificate_of


@pytest.fixture
def notify(owner, watcher, user):
    """A NOTIFY with a certificate."""
    owner.publish(certs.certificate(user.aor))
    return watcher.subscribe(user.aor).notify


def rewritten(message, name, value):
    """The message with another value of one header field."""
    head, _, body = message.raw.partition(b"\r\n\r\n")
    lines = [line for line in head.split(b"\r\n") if not line.lower().startswith(name.lower().encode() + b":")]
    return Message(b"\r\n".join(lines + ([f"{name}: {value}".encode()] if value else [])) + b"\r\n\r\n" + body)


@pytest.mark.slow
def test_AUT_07_AUT_06_date_lies_in_the_life_of_the_domain_certificate(labs, server, net):
    directory = labs.directory()
    certificate, key = program.domain_certificate(directory, "brief", "sip:example.com", "DNS:example.com", until=4)
    other = server(f"identity.certificate={certificate}", f"identity.key={key}", directory=directory)
    watcher = other.agent(net, transport="tcp")
    assert watcher.subscribe("sip:alice@example.com").notify.body == b""
    net.idle(5)
    assert watcher.try_subscribe("sip:alice@example.com").code == 500


def test_AUT_08_one_of_each_header(notify):
    for name in ("Identity", "Identity-Info", "Date", "Content-Length", "From", "To", "Call-ID", "CSeq", "Contact"):
        assert len(notify.all(name)) == 1, name


def test_AUT_09_no_identity_in_responses(owner, pair, watcher):
    responses = [owner.publish(*pair), owner.revoke(), watcher.options(), watcher.subscribe(owner.aor).response]
    for response in responses:
        assert not response.all("Identity") and not response.all("Identity-Info")


@pytest.mark.parametrize("name", ["From", "To", "Call-ID", "CSeq", "Date", "Contact", "body"])
def test_AUT_10_every_element_is_signed(notify, judge, name):
    judge.check(notify)
    if name == "body":
        changed = Message(notify.raw[:-1] + bytes([notify.raw[-1] ^ 1]))
    else:
        values = {"From": "<sip:bob@example.com>;tag=1", "To": "<sip:bob@example.com>;tag=1", "Call-ID": "another",
                  "CSeq": f"{notify.cseq[0] + 1} NOTIFY", "Contact": None,
                  "Date": email.utils.formatdate(time.time() + 60, usegmt=True)}
        changed = rewritten(notify, name, values[name])
    with pytest.raises(InvalidSignature):
        judge.check(changed)


def test_AUT_11_cseq_and_date_are_canonical(notify):
    assert re.fullmatch(r"[1-9]\d* NOTIFY", notify.one("CSeq"))
    assert identity.SIP_DATE.fullmatch(notify.one("Date"))
    assert abs(email.utils.parsedate_to_datetime(notify.one("Date")).timestamp() - time.time()) < 10


def test_AUT_12_empty_body_and_contact(watcher, judge):
    notify = watcher.subscribe("sip:nobody@example.com").notify
    signed = identity.digest_string(notify)
    assert notify.body == b"" and signed.endswith(b"|")
    assert signed.split(b"|")[5] == addr_spec(notify.one("Contact"))[0].encode() != b""
    judge.check(notify)


def test_AUT_12_binary_body(owner, watcher, user, judge):
    """The body has NUL, CR LF and the separator, which is signed like any octet."""
    name = "".join(map(chr, range(1, 128)))
    body = certs.certificate(user.aor, f"sip:|{name}|@x.example")
    assert owner.publish(body).code == 200 and b"\0" in body
    notify = watcher.subscribe(user.aor).notify
    assert certificate_of(notify) == body
    judge.check(notify)


def test_AUT_13_AUT_15_rsa_sha1_by_default(notify, judge):
    assert re.fullmatch(r'"[A-Za-z0-9+/]+={0,2}"', notify.one("Identity"))
    assert re.fullmatch(r"<https?://[^<>\s]+>;alg=rsa-sha1", notify.one("Identity-Info"))
    uri, alg = identity.identity_info(notify)
    key = x509.load_der_x509_certificate(judge.certificate(uri)).public_key()
    assert key.key_size >= 1024 and alg == "rsa-sha1"
    assert re.search(rb'\r\nIdentity: "[^\r\n]{%d}"\r\n' % ((key.key_size // 8 + 2) // 3 * 4), notify.raw)
    judge.check(notify)


def test_AUT_14_rsa_sha256(server, net, judge):
    other = server("identity.alg=rsa-sha256")
    user = other.user()
    owner, watcher = other.agent(net, user), other.agent(net, transport="tcp")
    owner.publish(certs.certificate(user.aor))
    for notify in (watcher.subscribe(user.aor).notify, owner.subscribe(event="credential").notify):
        assert identity.identity_info(notify)[1] == "rsa-sha256"
        judge.check(notify)


def test_AUT_16_certificate_is_served(lab, notify, judge):
    uri, _ = identity.identity_info(notify)
    assert uri.startswith("https://") and uri.endswith(".cer")
    assert f":{lab.port + 2}/" in uri
    response = identity.http_get(uri, lab.ca)
    assert response.status == 200 and response.getheader("Content-Type") == "application/pkix-cert"
    assert int(response.getheader("Content-Length")) == len(response.content)
    served = x509.load_der_x509_certificate(response.content)
    assert served.public_bytes(certs.DER) == response.content
    identity.verify(notify, served.public_key())
    assert certs.names_domain(response.content, "example.com")
    certs.signed_by(response.content, judge.ca)


def test_AUT_16_web_server_serves_nothing_else(lab, notify):
    uri, _ = identity.identity_info(notify)
    root = uri[:uri.index("/", len("https://"))]
    for path in ("/", "/ca/ca.key", "/../ca/ca.key", "/%2e%2e/ca/ca.key", "/vouch.conf", "/nosuch.cer"):
        response = identity.http_get(root + path, lab.ca)
        assert response.status in (400, 403, 404), path
        assert b"PRIVATE" not in response.content and b"[server]" not in response.content


@pytest.mark.parametrize("size, code", [(4000, 200), (4200, 431)])
def test_AUT_16_a_request_of_a_browser_has_four_kilobytes_in_one_piece_and_in_many(lab, notify, size, code):
    url = urllib.parse.urlsplit(identity.identity_info(notify)[0])
    begin = f"GET {url.path} HTTP/1.1\r\nHost: {url.netloc}\r\nX: ".encode()
    octets = begin + b"y" * (size - len(begin)) + b"\r\n\r\n"
    for piece in (len(octets), 500):
        context = ssl.create_default_context(cafile=lab.ca)
        context.check_hostname = False
        with context.wrap_socket(socket.create_connection(("127.0.0.1", url.port), 5)) as sock:
            for at in range(0, len(octets), piece):
                sock.sendall(octets[at:at + piece])
                time.sleep(0.01)
            answer = sock.recv(100)
        assert answer.startswith(f"HTTP/1.1 {code} ".encode()), piece


def test_AUT_16_plain_http(server, net):
    port = program.free_ports(1)
    other = server(f"server.listen-http=127.0.0.1:{port}", f"identity.url=http://127.0.0.1:{port}/")
    notify = other.agent(net, transport="tcp").subscribe("sip:alice@example.com").notify
    uri, _ = identity.identity_info(notify)
    assert uri.startswith(f"http://127.0.0.1:{port}/") and uri.endswith(".cer")
    response = identity.http_get(uri, other.ca)
    assert response.status == 200 and response.getheader("Content-Type") == "application/pkix-cert"
    identity.verify(notify, x509.load_der_x509_certificate(response.content).public_key())


@pytest.mark.parametrize("how", ["reload", "restart", "kill -9", "restart twice"])
def test_AUT_17_roll_over(labs, server, net, judge, how):
    directory = labs.directory()
    certificate, key = program.domain_certificate(directory, "domain", "sip:example.com", "DNS:example.com")
    other = server(f"identity.certificate={certificate}", f"identity.key={key}", directory=directory)
    watcher = other.agent(net, transport="tcp")
    old = watcher.subscribe("sip:alice@example.com").notify
    old_uri = judge.check(old)
    program.domain_certificate(directory, "domain", "sip:example.com", "DNS:example.com", key=certs.rsa_key(51))
    if how == "reload":
        assert other.admin("reload").returncode == 0
    else:
        other.crash() if how == "kill -9" else other.stop()
        other.start()
        if how == "restart twice":
            other.stop()
            other.start()
        watcher = other.agent(net, transport="tcp")
    new = watcher.subscribe("sip:alice@example.com").notify
    new_uri = judge.check(new)
    assert new_uri != old_uri
    for uri, notify in ((old_uri, old), (new_uri, new)):
        response = identity.http_get(uri, other.ca)
        assert response.status == 200
        identity.verify(notify, x509.load_der_x509_certificate(response.content).public_key())
    kept = (other.directory / "store/identity").read_text().splitlines()
    assert [line.split()[0] == "0" for line in kept] == [False] * (len(kept) - 1) + [True] and len(kept) > 1


@pytest.mark.parametrize("line, served", [("%d", True), ("%d past", False), ("%d far", False), ("x", False), ("0 0", False)])
def test_AUT_17_what_the_store_says_of_older_certificates(labs, server, net, judge, line, served):
    """Not for longer than a day, whatever a clock has said; and no line that cannot be read keeps the server from its work."""
    other = server()
    watcher = other.agent(net, transport="tcp")
    uri = judge.check(watcher.subscribe("sip:alice@example.com").notify)
    other.stop()
    file = other.directory / "store/identity"
    old = certs.certificate("sip:example.com", "DNS:example.com", key=certs.rsa_key(51))
    when = int(time.time()) + {"%d": 3600, "%d past": -60, "%d far": 3 * 86400}.get(line, 0)
    first = line.split()[0] % when if "%" in line else line
    file.write_text(f"{first} {base64.urlsafe_b64encode(old).decode().rstrip('=')}\n" + file.read_text())
    other.start()
    path = f"{uri.rpartition('/')[0]}/{hashlib.sha256(old).hexdigest()[:32]}.cer"
    assert (identity.http_get(path, other.ca).status == 200) == served
    assert identity.http_get(uri, other.ca).status == 200


def test_AUT_19_retransmission_is_identical(lab, net, user, judge):
    """Nobody answers, so the NOTIFY over UDP comes again after T1."""
    watcher = lab.agent(net, transport="udp")
    watcher.peer.answer = None
    subscription = watcher.subscribe(user.aor)
    if subscription.notify.peer.transport != "UDP":
        pytest.skip("this server sends every NOTIFY over TCP, which has no retransmissions")
    net.wait(lambda: len(watcher.peer.copies) >= 3, 5, "two retransmissions")
    assert len({copy.raw for copy in watcher.peer.copies}) == 1
    first, second, third = watcher.peer.copies[:3]
    assert 0.4 <= second.time - first.time <= 0.8 and 0.8 <= third.time - second.time <= 1.4
    judge.check(third)


def test_AUT_19_each_notify_has_its_own_signature(watcher, user, judge):
    subscription = watcher.subscribe(user.aor)
    first = subscription.notify
    subscription.refresh()
    second = subscription.next()
    assert first.one("Identity") != second.one("Identity") and second.cseq[0] == first.cseq[0] + 1
    judge.check(second)


def test_AUT_20_no_digest_for_the_servers_own_notify(watcher, user, judge):
    notify = watcher.subscribe(user.aor).notify
    assert not notify.all("Proxy-Authorization") and not notify.all("Authorization")
    judge.check(notify)


@pytest.mark.parametrize("names", [["sip:sip.example.com", "DNS:sip.example.com"], ["DNS:other.example"],
                                   ["sip:alice@example.com"]])
def test_AUT_23_certificate_is_for_the_domain_of_the_users(labs, names):
    directory = labs.directory()
    certificate, key = program.domain_certificate(directory, "host", *names)
    process = program.Process("lab", "--dir", directory, "--port", program.free_ports(), "-o",
                              f"identity.certificate={certificate}", "-o", f"identity.key={key}")
    try:
        assert process.wait() == 1
        assert "example.com" in process.log and "identity" in process.log and len(process.err) == 1
        assert not process.out
    finally:
        process.kill()
