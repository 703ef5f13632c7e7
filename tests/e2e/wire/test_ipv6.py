"""The same service on IPv6: listeners, responses, routing of NOTIFYs, and the verbs (RFC 3261 18, RFC 5118)."""

import socket
import ssl

import pytest
from peer import certs
from peer import lab as program
from peer.lab import has_ipv6
from peer.sipclient import Agent, StreamPeer, UdpPeer, certificate_of, tls_context
from peer.stub import account

pytestmark = pytest.mark.skipif(not has_ipv6(), reason="no IPv6 on the loopback interface")


@pytest.fixture(scope="module")
def site(labs):
    """A lab that listens on both families, on the same ports."""
    made = labs.server()
    made.options = [f"server.listen-{kind}=127.0.0.1:{made.port + offset}, [::1]:{made.port + offset}"
                    for kind, offset in (("udp", 0), ("tcp", 0), ("tls", 1), ("https", 2))]
    made.start()
    yield made
    made.stop()


def stream(site, net, transport):
    sock = socket.create_connection(("::1", site.port + (transport == "TLS")), timeout=10)
    if transport == "TLS":
        sock = tls_context(site.ca).wrap_socket(sock, server_hostname="example.com")
    return StreamPeer(net, sock, transport)


@pytest.mark.parametrize("transport", ["UDP", "TCP", "TLS"])
def test_fetch_over_IPv6(site, net, transport):
    user = site.user()
    owner = Agent(stream(site, net, "TLS"), user.name, password=user.password)
    body = certs.certificate(user.aor)
    assert owner.publish(body).code == 200
    peer = UdpPeer(net, ("::1", site.port)) if transport == "UDP" else stream(site, net, transport)
    watcher = Agent(peer)
    assert watcher.options().code == 200
    subscription = watcher.subscribe(user.aor)
    assert certificate_of(subscription.notify) == body
    host = "@example.com;" if transport == "TLS" else "@[::1]:"  # by TLS, where the certificate has the name
    assert host in subscription.target and subscription.refresh(600).code == 200
    if transport == "UDP":
        assert peer.streams, "too large for a datagram: it came by TCP"


def test_received_and_rport_of_IPv6(site, net):
    """RFC 3581 4, RFC 5118 4.5: the address in received has no brackets."""
    peer = UdpPeer(net, ("::1", site.port))
    agent = Agent(peer)
    request = agent.new("OPTIONS", "sip:example.com")
    request.set("Via", request.get("Via").replace(peer.address, "[2001:db8::9]:5060"))
    via = agent.exchange(request).one("Via")
    assert "received=::1" in via and f"rport={peer.port}" in via


def test_the_verbs_speak_IPv6(site, tmp_path):
    user = site.user()
    file = account(tmp_path / "own.account", user.aor, user.password, f"tls:[::1]:{site.port + 1}", site.ca)
    for words in (["publish", "-a", file, "--new"], ["certificate", "-a", file, user.aor],
                  ["credential", "-a", file, "-o", tmp_path / "own"], ["revoke", "-a", file]):
        done = program.vouch(*words)
        assert done.returncode == 0, done.stderr


def test_identity_certificate_over_IPv6(site):
    with socket.create_connection(("::1", site.port + 2), timeout=10) as sock:
        with tls_context(site.ca).wrap_socket(sock, server_hostname="example.com") as web:
            web.sendall(b"GET /nothing HTTP/1.1\r\nHost: [::1]\r\n\r\n")
            assert web.recv(4096).startswith(b"HTTP/1.1 404 ")


def test_ipv4_and_ipv6_listeners_are_two(site):
    """The IPv6 socket does not take the IPv4 address of the other: both are bound."""
    assert all(program.accepts(site.port + offset) for offset in range(3))
    assert isinstance(ssl.get_server_certificate(("::1", site.port + 1)), str)
