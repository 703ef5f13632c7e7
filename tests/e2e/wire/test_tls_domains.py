"""TLS between domains (RFC 5922): what this server shows where it connects to, what it takes from those who connect, and
what the log says when they do not agree."""

import socket
import ssl
import threading

import pytest
from peer import certs
from peer import lab as program
from peer.lab import until
from peer.sipclient import Agent, tls_context


class TlsServer:
    """Accepts connections and asks for a certificate: `shown` has what clients showed, `errors` what went wrong."""

    def __init__(self, ca, certificate, key, ask=ssl.CERT_REQUIRED):
        self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self.context.load_cert_chain(certificate, key)
        self.context.load_verify_locations(ca)
        self.context.verify_mode = ask
        self.shown, self.errors, self.received = [], [], b""
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        threading.Thread(target=self.serve, daemon=True).start()

    def serve(self):
        while True:
            try:
                sock = self.listener.accept()[0]
            except OSError:
                return
            sock.settimeout(10)
            try:
                with self.context.wrap_socket(sock, server_side=True) as tls:
                    self.shown.append(tls.getpeercert(binary_form=True))
                    self.received += tls.recv(65536)
            except OSError as error:
                self.errors.append(str(error))

    def close(self):
        self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()


@pytest.fixture
def peer():
    """Makes servers of another domain."""
    made = []

    def make(*arguments, **options):
        made.append(TlsServer(*arguments, **options))
        return made[-1]

    yield make
    for one in made:
        one.close()


@pytest.fixture
def subscribe(net):
    """A subscription over UDP whose NOTIFY the server takes to a sips Contact, by a connection of its own."""

    def run(server, port):
        agent = server.agent(net, transport="udp")
        request = agent.new("SUBSCRIBE", server.lab_user("bob").aor, {"Event": "certificate", "Expires": 600})
        request.set("Contact", f"<sips:watcher@127.0.0.1:{port}>")
        assert agent.run(request)[1].code == 200

    return run


def lines(server):
    return [line for line in server.process.log.splitlines() if "event=tls_failed" in line]


def failed(server):
    """The one line about a handshake, blanks as blanks."""
    until(lambda: lines(server), 10, "a line about the handshake")
    assert len(lines(server)) == 1
    return lines(server)[0].replace("\\x20", " ")


def test_the_certificate_of_the_domain_is_shown(labs, server, peer, subscribe):
    directory = labs.directory()
    files = program.domain_certificate(directory, "peer", "sip:127.0.0.1", "IP:127.0.0.1")
    site, other = server(directory=directory), peer(directory / "ca.crt", *files)
    subscribe(site, other.port)
    until(lambda: other.received, 10, "the NOTIFY")
    assert other.received.startswith(b"NOTIFY sips:watcher@127.0.0.1") and not other.errors
    own = certs.load_pem_pair((directory / "tls.crt").read_bytes(), (directory / "tls.key").read_bytes())[0]
    assert other.shown == [own]
    assert not lines(site)


def test_a_new_certificate_is_shown_after_a_reload(labs, server, peer, subscribe):
    directory = labs.directory()
    files = program.domain_certificate(directory, "peer", "sip:127.0.0.1", "IP:127.0.0.1")
    site = server(directory=directory)
    program.domain_certificate(directory, "tls", "sip:example.com", "DNS:example.com", key=certs.rsa_key(77))
    assert site.admin("reload").returncode == 0
    other = peer(directory / "ca.crt", *files)
    subscribe(site, other.port)
    until(lambda: other.shown, 10, "the certificate")
    assert other.shown[0] == certs.load_pem_pair((directory / "tls.crt").read_bytes(), certs.key_pem(certs.rsa_key(77)))[0]


@pytest.mark.parametrize("names, options, said", [
    (["sip:other.example"], {}, "the certificate names other.example, not 127.0.0.1"),
    (["sip:127.0.0.1"], {"until": -60}, "the peer's certificate has expired"),
    (["sip:127.0.0.1"], {"eku": [certs.CODE_SIGNING]}, "the peer's certificate is not for a TLS server"),
    (["sip:127.0.0.1"], {"issuer": False}, "the peer's certificate is self-signed and not among the trusted ones"),
], ids=["name", "expired", "purpose", "self-signed"])
def test_a_server_that_is_not_trusted(labs, server, peer, subscribe, names, options, said):
    directory = labs.directory()
    if options.pop("issuer", True):
        files = program.domain_certificate(directory, "peer", *names, **options)
    else:
        files = program.domain_certificate(directory, "peer", *names)
        files[0].write_bytes(certs.pem(certs.certificate(*names, key=certs.rsa_key(50))))
    site, other = server(directory=directory), peer(directory / "ca.crt", *files)
    subscribe(site, other.port)
    line = failed(site)
    assert f"peer=127.0.0.1:{other.port} side=client name=127.0.0.1 reason={said}" in line
    assert not other.received


@pytest.mark.parametrize("where, names, taken", [
    ("route", ["sip:example.net"], True),
    ("route", ["sip:other.example"], False),
    ("route", ["sip:127.0.0.1"], False),
    ("contact", ["sip:127.0.0.1"], True),
    ("contact", ["sip:example.net"], False),
    ("sips contact", ["sip:127.0.0.1"], True),
    ("sips contact", ["sip:example.net"], False),
])
def test_CRT_28_the_next_connection_to_a_watcher(labs, server, net, peer, where, names, taken):
    """The connection of the SUBSCRIBE has ended. A proxy that has written its address into Record-Route, as Kamailio does by
    itself, has a certificate of its domain and not of the address; who names a place as his Contact has one for that."""
    directory = labs.directory()
    site = server("identity.sign=off", directory=directory)
    other, owner = peer(directory / "ca.crt", *program.domain_certificate(directory, "peer", *names)), site.user()
    place = f"127.0.0.1:{other.port}"
    headers = {"Contact": f"<sips:w@{place}>" if where == "sips contact" else f"<sip:w@{place};transport=tls>"}
    if where == "route":
        routes = f"<sip:{place};transport=tls;r2=on;lr>, <sip:10.1.2.4;lr>"
        headers = {"Contact": "<sip:w@10.1.2.3;transport=udp>", "Record-Route": routes}
    watcher = Agent(site.peer(net, "tls"), "w", "example.net")
    watcher.peer.behind_proxy = True
    watcher.subscribe(owner.aor, headers=headers)
    watcher.peer.close()
    assert site.agent(net, owner).publish(certs.certificate(owner.aor)).code == 200
    if taken:
        until(lambda: other.received, 10, "the NOTIFY")
        assert other.received.startswith(b"NOTIFY ") and not lines(site)
    else:
        certified = "example.net" if where == "route" else "127.0.0.1"
        assert f"the certificate names {names[0][4:]}, not {certified}" in failed(site)
        assert not other.received


def test_a_server_that_does_not_trust_this_one(labs, server, peer, subscribe):
    directory = labs.directory()
    files = program.domain_certificate(directory, "peer", "sip:127.0.0.1")
    stranger = directory / "strangers.crt"
    stranger.write_bytes(certs.pem(certs.authority(certs.rsa_key(60), "strangers")[0]))
    other = peer(stranger, *files)
    # With TLS 1.3 a client learns of this only after the handshake.
    other.context.maximum_version = ssl.TLSVersion.TLSv1_2
    # Of the client's signatures the first: mbedTLS 3.6 as a client of TLS 1.2 refuses PSS, which it has to offer for 1.3.
    other.context.options &= ~ssl.OP_CIPHER_SERVER_PREFERENCE
    site = server(directory=directory)
    subscribe(site, other.port)
    assert "side=client name=127.0.0.1 reason=the peer sent alert 48 (unknown CA)" in failed(site)


def connects(site, certificate):
    context = tls_context(site.ca)
    context.load_cert_chain(*certificate)
    context.maximum_version = ssl.TLSVersion.TLSv1_2
    try:
        with context.wrap_socket(socket.create_connection(("127.0.0.1", site.port + 1), timeout=10),
                                 server_hostname="example.com"):
            return True
    except OSError:
        return False


@pytest.mark.parametrize("policy, eku, taken", [
    ("any", [certs.SERVER_AUTH], True), ("client", [certs.SERVER_AUTH], False),
    ("client", [certs.SERVER_AUTH, certs.SIP_DOMAIN], True), ("client", [], True), ("any", [certs.CODE_SIGNING], False),
])
def test_purposes_of_client_certificates(labs, server, policy, eku, taken):
    directory = labs.directory()
    known = program.domain_certificate(directory, "client", "sip:client.example", eku=eku)
    site = server(f"tls.peer-eku={policy}", directory=directory)
    assert connects(site, known) == taken
    if not taken:
        assert "side=server name=- reason=the peer's certificate is not for a TLS client" in failed(site)


def test_the_other_side_of_the_log(labs, server):
    directory = labs.directory()
    old = program.domain_certificate(directory, "old", "sip:client.example", until=-60)
    site = server("tls.client-certificate=require", directory=directory)
    socket.create_connection(("127.0.0.1", site.port + 1), timeout=10).close()
    assert not connects(site, old)
    assert "reason=the peer's certificate has expired" in failed(site)
    # Who only looks whether somebody listens is no line.
    assert len(lines(site)) == 1


def test_silence_in_the_handshake(server):
    site = server("limits.handshake-timeout=1")
    with socket.create_connection(("127.0.0.1", site.port + 1), timeout=10) as sock:
        sock.send(b"\x16\x03\x01")
        assert "side=server name=- reason=the TLS handshake took too long" in failed(site)
