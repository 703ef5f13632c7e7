"""Who is gone is gone (T-48, G48) for what waits: a request that a user has sent, or that is for him, waits for a name server,
a certificate or a connection while he is deleted, gets another password, or makes room for another of his name."""

import os
import socket
import ssl
import threading

import pytest
from peer.abroad import next_host, response
from peer.dnsstub import A, NameServer, address
from peer.lab import domain_certificate, until
from peer.phone import Phone
from peer.sipclient import UdpPeer
from peer.stub import RawWeb

WAYS = ["del", "passwd", "del and add", "nothing"]


def goes(server, user, way):
    """Said to be done when it returns."""
    if way == "passwd":
        assert server.admin("user", "passwd", user.aor, stdin="another one's\n").returncode == 0
    if way.startswith("del"):
        assert server.admin("user", "del", user.aor).returncode == 0
    if way == "del and add":
        assert server.admin("user", "add", user.aor, stdin="the next one's\n").returncode == 0


class Held(NameServer):
    """Says that a name is at an address when it may."""

    def __init__(self, host, records):
        self.gate, self.waits = threading.Event(), threading.Event()
        super().__init__(host, records)

    def answer(self, query):
        if query[-4:-2] == A.to_bytes(2, "big"):
            self.waits.set()
            self.gate.wait(20)
        return super().answer(query)


class HeldTls:
    """A server that takes a connection, and begins the handshake when it may. `got` is what it reads then."""

    def __init__(self, certificate, key):
        self.gate, self.waits, self.ended, self.got = threading.Event(), threading.Event(), threading.Event(), b""
        self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self.context.load_cert_chain(certificate, key)
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        threading.Thread(target=self.serve, daemon=True).start()

    def serve(self):
        sock, _ = self.listener.accept()
        self.waits.set()
        self.gate.wait(20)
        try:
            sock.settimeout(2)
            with self.context.wrap_socket(sock, server_side=True) as secure:
                while data := secure.recv(65536):
                    self.got += data
        except OSError:
            pass
        self.ended.set()


@pytest.mark.parametrize("method", ["MESSAGE", "INVITE"])
@pytest.mark.parametrize("way", WAYS)
def test_what_a_user_sent_waits_for_a_name_server(server, net, way, method):
    host = next_host()
    there = UdpPeer(net, ("127.0.0.1", 1), host=host)
    there.behind_proxy, there.answer = True, None
    names = Held(f"127.{60 + os.getpid() % 190}.{next_host().partition('.1.')[2]}", {"slow.test": [address(host)]})
    other = server(f"server.dns={names.host}:53", "proxy.reach=any")
    there.server = ("127.0.0.1", other.port)
    user = other.user()
    alice = Phone(other.peer(net, "tcp"), user).register()
    alice.prove_first(alice.agent.new(method, f"sip:x@slow.test:{there.port}", {"Contact": alice.contact}))
    net.wait(names.waits.is_set, 5, "the question")
    goes(other, user, way)
    names.gate.set()
    if way == "nothing":
        net.wait(lambda: there.inbox, 10, "the request")
    else:
        net.idle(1.5)
        assert not there.inbox
        assert [m.code for m in alice.peer.inbox if m.code and m.code > 100] == [403]
    names.close()


@pytest.mark.parametrize("way", WAYS)
def test_what_a_user_sent_waits_for_a_connection(server, net, labs, way):
    directory = labs.directory()
    far = HeldTls(*domain_certificate(directory, "slow.test", "sip:slow.test", "DNS:slow.test"))
    other = server(f"route.slow.test=tls:127.0.0.1:{far.port}", f"tls.ca={directory / 'ca.crt'}")
    user = other.user()
    alice = Phone(other.peer(net, "tcp"), user).register()
    alice.prove_first(alice.agent.new("MESSAGE", "sip:x@slow.test"))
    net.wait(far.waits.is_set, 5, "the connection")
    goes(other, user, way)
    far.gate.set()
    until(lambda: far.ended.is_set() or (way == "nothing" and far.got), 10, "the end of the connection")
    assert (b"MESSAGE" in far.got) == (way == "nothing")


@pytest.mark.parametrize("ends", ["hangs up", "503"])
@pytest.mark.parametrize("way", WAYS)
def test_what_a_user_sent_is_not_tried_elsewhere(server, net, way, ends):
    """RFC 3263 4.3: the first of two targets fails, when the user is gone already."""
    first, second = (socket.create_server(("127.0.0.1", 0)) for _ in range(2))
    other = server("route.two.test=" + ", ".join(f"tcp:127.0.0.1:{one.getsockname()[1]}" for one in (first, second)))
    user = other.user()
    alice = Phone(other.peer(net, "tcp"), user).register()
    alice.prove_first(alice.agent.new("MESSAGE", "sip:x@two.test"))
    taken, _ = first.accept()
    came = taken.recv(65536)
    goes(other, user, way)
    if ends == "503":
        lines = [line for line in came.split(b"\r\n") if line.split(b":")[0] in (b"Via", b"From", b"To", b"Call-ID", b"CSeq")]
        taken.sendall(b"\r\n".join([b"SIP/2.0 503 Busy", *lines, b"Content-Length: 0", b"", b""]))
    else:
        taken.close()
    second.settimeout(10 if way == "nothing" else 1.5)
    try:
        second.accept()[0].close()
        tried = True
    except TimeoutError:
        tried = False
    assert tried == (way == "nothing")
    for one in (first, second, taken):
        one.close()


@pytest.mark.parametrize("way", WAYS)
def test_what_is_for_a_user_waits_for_a_certificate(border, net, abroad, way):
    gate, waits = threading.Event(), threading.Event()

    def hold(sock, _path):
        waits.set()
        gate.wait(20)
        sock.sendall(response(abroad.content(), "200 OK", kind="application/pkix-cert"))

    web = RawWeb(hold, next_host())
    made = border("identity.fetch-allow=127.0.0.0/8")
    request = made.signed(url=web.url())
    made.stranger.send(request)
    net.wait(waits.is_set, 5, "the fetch")
    goes(made.server, made.user, way)
    gate.set()
    answer = net.wait(lambda: made.arrived(request) or [m for m in made.stranger.peer.inbox if m.code and m.code > 100], 10,
                      "what comes of it")
    net.idle(0.5)
    if way == "nothing":
        assert answer[0].method == "MESSAGE"
    else:
        assert not made.arrived(request) and answer[0].code == 480
    web.close()
