"""What the verifier in the proxy fetches: the certificates that Identity-Info names (rows VER-03, VER-04, VER-18, G44)."""

import contextlib
import signal
import socket
import ssl
import struct
import time

import pytest
from peer import certs
from peer.abroad import Border, Gate, change_after, listener, raw_web, redirect, response
from peer.sipclient import token
from peer.stub import Web


def test_VER_03_the_certificate_is_fetched_once(reject):
    url = reject.abroad.publish("sip:example.org")
    for _ in range(3):
        reject.passes(reject.signed(url=url), marked=True)
    reject.refused(change_after(reject.signed(url=url)), 438)
    assert reject.abroad.hits(url) == 1


def test_VER_03_one_fetch_for_all_that_wait(border, net):
    """A hundred requests while the web server has not answered: one GET."""
    reject = border("identity.verify-inbound=reject")
    gate = Gate(reject.abroad.content())
    requests = [reject.signed(url=gate.web.url("/shared.cer"), body=f"number {number}".encode()) for number in range(100)]
    bad = change_after(reject.signed(url=gate.web.url("/shared.cer")))
    try:
        reject.stranger.peer.send(b"".join(request.encode() for request in requests + [bad]))
        net.wait(lambda: gate.web.hits, 5, "the GET")
        reject.passes(reject.signed(), marked=True, agent=reject.another())  # whoever needs no fetch does not wait
        gate.opened.set()
        for request in requests:
            answer, came = reject.result(request)
            assert answer.code == 200, answer.start
            reject.check(request, came, marked=True)
        assert reject.result(bad)[0].code == 438
        assert gate.web.hits == ["/shared.cer"]
    finally:
        gate.opened.set()
        gate.web.close()


@pytest.mark.parametrize("kind", ["404", "closed", "garbage"])
def test_VER_18_failures_are_remembered(reject, kind):
    def script(sock, _path):
        if kind != "closed":
            sock.sendall(response(b"none", "404 Not Found") if kind == "404" else b"\0\1\2 garbage\r\n\r\n")

    web = raw_web(script)
    try:
        for _ in range(3):
            reject.refused(reject.signed(url=web.url("/gone.cer")), 436)
        assert web.hits == ["/gone.cer"]
    finally:
        web.close()


def test_VER_04_https(reject, domain):
    """The web server must have a certificate of a trusted authority for its name."""
    evil = certs.authority(certs.rsa_key(91), cn="Evil CA")
    good = domain.tls
    bad = domain.files("evil", "DNS:example.org", "IP:127.0.0.1", issuer=evil)
    other = domain.files("elsewhere", "DNS:elsewhere.example", "IP:127.0.0.2", key=certs.rsa_key(50), cn="elsewhere.example")
    for pair, code in ((good, 200), (bad, 436), (other, 436)):
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(*pair)
        web = Web(context)
        web.pages["/example.cer"] = 200, "application/pkix-cert", reject.abroad.content()
        try:
            request = reject.signed(url=web.url("/example.cer"))
            if code == 200:
                reject.passes(request, marked=True)
                assert web.hits == ["/example.cer"]
            else:
                reject.refused(request, code)
                assert not web.hits
        finally:
            web.close()


def test_VER_18_redirects(reject):
    """Two are followed, three are not; and only on the host that was named."""
    path = "/example.cer"
    content = reject.abroad.content()
    webs = []

    def chain(count, last=None):
        """A web server with so many redirects before the certificate (or before that URL)."""
        def script(sock, path):
            number = int(path.strip("/"))
            if number == count and not last:
                sock.sendall(response(content))
            else:
                target = last if number == count - 1 and last else f"/{number + 1}"
                sock.sendall(response(b"", "302 Found", f"Location: {target}"))

        webs.append(raw_web(script))
        return webs[-1].url("/0")

    with listener() as (port, seen):
        try:
            reject.passes(reject.signed(url=chain(1)), marked=True)
            reject.passes(reject.signed(url=chain(2)), marked=True)
            reject.refused(reject.signed(url=chain(3)), 436)
            reject.refused(reject.signed(url=chain(20)), 436)
            for last in (f"http://localhost:{port}{path}", f"ftp://127.0.0.1:{port}{path}", "file:///etc/passwd",
                         "//localhost" + path, f"http://127.0.0.1@localhost:{port}{path}", "http://", ""):
                reject.refused(reject.signed(url=chain(1, last or " ")), 436)
            assert not seen
        finally:
            for web in webs:
                web.close()


@pytest.mark.slow
def test_VER_18_too_slow_and_too_much(border, net):
    """A server that never answers, one that drips, one that sends for ever: each is given up within the time, and whoever
    needs none of them is served meanwhile. A server that only marks waits no longer, and passes the request unmarked."""
    made, marking = border("identity.verify-inbound=reject"), border()
    sent = {"drip": 0, "endless": 0}

    def drip(sock, _path):
        sock.sendall(b"HTTP/1.1 200 OK\r\nContent-Type: application/pkix-cert\r\nContent-Length: 900\r\n\r\n")
        for _ in range(200):
            sock.sendall(b"\x30")
            sent["drip"] += 1
            time.sleep(0.1)

    def head(sock, _path):
        sock.sendall(b"HTTP/1.1 200 OK\r\n")
        for number in range(200):
            sock.sendall(f"X-{number}: y\r\n".encode())
            time.sleep(0.1)

    def endless(sock, _path):
        sock.sendall(b"HTTP/1.1 200 OK\r\nContent-Type: application/pkix-cert\r\n\r\n")
        while sent["endless"] < 1 << 26:
            sent["endless"] += sock.send(bytes(4096))

    webs = [raw_web(script) for script in (drip, head, endless)]
    made.passes(made.signed(), marked=True)
    with listener() as (port, _):
        urls = [web.url() for web in webs] + [f"http://127.0.0.1:{port}/example.cer"]
        strangers = [made.another() for _ in urls]
        try:
            begin = time.monotonic()
            requests = [made.signed(url=url) for url in urls]
            for stranger, request in zip(strangers, requests):
                stranger.send(request)
            unmarked = marking.signed(url=urls[-1])
            marking.stranger.send(unmarked)
            for _ in range(20):
                made.passes(made.signed(), marked=True)
            for stranger, request in zip(strangers, requests):
                assert made.result(request, stranger, 30)[0].code == 436
            answer, came = marking.result(unmarked, timeout=30)
            assert answer.code == 200
            marking.check(unmarked, came, marked=False)
            assert time.monotonic() - begin < 20
            assert sent["endless"] < 1 << 24 and sent["drip"] < 150
        finally:
            for web in webs:
                web.close()


@pytest.mark.parametrize("octets, code", [
    (lambda c: b"HTTP/1.0 200 OK\r\nContent-Type: application/pkix-cert\r\n\r\n" + c, 200),  # to the end of the connection
    (lambda c: b"HTTP/1.1 200 OK\r\ncontent-type:application/pkix-cert\r\ncontent-length:%d\r\n\r\n" % len(c) + c, 200),
    (lambda c: response(c)[:-1], 436),
    (lambda c: response(c, "200 OK", "Content-Encoding: gzip"), 436),
    (lambda c: response(c + bytes(17000)), 436),
    (lambda c: b"HTTP/1.1 200 OK\r\n" + b"X: " + b"y" * 20000 + b"\r\n\r\n" + c, 436),
    (lambda c: b"HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n" + c, 436),
    (lambda c: b"HTTP/1.1 200 OK\r\nContent-Length: 99999999999999999999\r\n\r\n" + c, 436),
    (lambda c: response(certs.pem(c)), 436),
    (lambda c: c, 436), (lambda c: b"", 436), (lambda c: b"HTTP/1.1 204 No Content\r\n\r\n", 436),
    (lambda c: b"SIP/2.0 200 OK\r\n\r\n" + c, 436),
], ids=["HTTP/1.0", "small letters", "cut off", "gzip", "17 kB", "20 kB of header", "length -1", "length 10^20", "PEM",
        "no HTTP", "nothing", "204", "SIP"])
def test_VER_04_VER_18_answers_of_web_servers(reject, octets, code):
    content = reject.abroad.content()

    def script(sock, _path):
        with contextlib.suppress(OSError):
            sock.sendall(octets(content))

    web = raw_web(script)
    try:
        request = reject.signed(url=web.url())
        if code == 200:
            reject.passes(request, marked=True)
        else:
            reject.refused(request, code)
        assert len(web.hits) == 1
    finally:
        web.close()


@pytest.mark.parametrize("way", ["at once", "in pieces"])
@pytest.mark.parametrize("head, more, code", [(8000, 0, 200), (8400, 0, 436), (20000, 0, 436), (100, 17000, 200)])
def test_VER_18_a_limit_is_the_same_in_one_piece_and_in_many(reject, head, more, code, way):
    """The header of an answer has 8 kB at most, also when its end has come with it; and what comes behind the body that it
    announces is nobody's, however it comes."""
    content = reject.abroad.content()
    begin = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n" % len(content)
    octets = begin + b"X: " + b"y" * (head - len(begin) - 5) + b"\r\n"
    assert len(octets) == head
    octets += b"\r\n" + content + bytes(more)

    def script(sock, _path):
        if way == "at once":
            reject.server.process.signal(signal.SIGSTOP)  # all of it is there when the server looks
        for at in range(0, len(octets), 1000):
            with contextlib.suppress(OSError):
                sock.sendall(octets[at:at + 1000])
            if way == "in pieces":
                time.sleep(0.01)
        reject.server.process.signal(signal.SIGCONT)

    web = raw_web(script)
    try:
        request = reject.signed(url=web.url())
        if code == 200:
            reject.passes(request, marked=True)
        else:
            reject.refused(request, code)
    finally:
        web.close()


LOOPBACK = ["http://127.0.0.1:{port}/", "http://localhost:{port}/", "http://127.1:{port}/", "http://2130706433:{port}/",
            "http://0x7f000001:{port}/", "http://0177.0.0.1:{port}/", "http://0:{port}/", "http://0.0.0.0:{port}/",
            "http://[::1]:{port}/", "http://[::ffff:127.0.0.1]:{port}/", "http://[::]:{port}/", "http://[::ffff:7f00:1]:{port}/",
            "http://example.org@127.0.0.1:{port}/", "http://example.org:80@127.0.0.1:{port}/", "https://127.0.0.1:{port}/",
            "http://127.0.0.1.:{port}/", "http://127.255.255.254:{port}/", "http://[64:ff9b::7f00:1]:{port}/",
            "http://LOCALHOST:{port}/", "http://%31%32%37.0.0.1:{port}/"]
ELSEWHERE = ["http://10.1.2.3/", "http://172.16.0.1/", "http://192.168.0.1/", "http://169.254.169.254/latest/meta-data/",
             "http://224.0.0.1/", "http://255.255.255.255/", "http://[fe80::1]/", "http://[fc00::1]/", "http://[ff02::1]/",
             "http://[::ffff:10.0.0.1]/", "http://100.64.0.1/"]


def test_G44_VER_18_no_fetch_is_aimed_at_what_is_inside(border, net):
    """Without an exception in fetch-allow nothing connects to this machine, however its address is written."""
    made = border("identity.verify-inbound=reject", "identity.fetch-allow=192.0.2.0/24")
    with listener(None) as (port, seen):
        for number, url in enumerate([one.format(port=port) for one in LOOPBACK] + ELSEWHERE):
            if number % 8 == 0:
                made.stranger = made.another()
            made.refused(made.signed(url=url + token()), 436)
        assert not seen


def test_G44_fetch_allow_is_a_prefix(border, abroad):
    """One address is allowed, and not the rest of the loopback network."""
    made = border("identity.verify-inbound=reject", f"identity.fetch-allow={abroad.webs[abroad.url].host}/32")
    made.passes(made.signed(), marked=True)
    with listener("127.0.0.2") as (port, seen):
        made.refused(made.signed(url=f"http://127.0.0.2:{port}/x.cer"), 436)
        assert not seen


def test_G44_redirects_lead_to_no_other_address(border, abroad):
    with listener("127.0.0.2") as (port, seen):
        web = raw_web(redirect(f"http://127.0.0.2:{port}/1"))
        made = border("identity.verify-inbound=reject", f"identity.fetch-allow={web.host}/32")
        try:
            made.refused(made.signed(url=web.url("/0")), 436)
            assert web.hits and not seen
        finally:
            web.close()


def test_VER_16_cancel_while_the_certificate_is_fetched(reject, net):
    """The INVITE is not with the phone yet: it is answered 487 and never gets there."""
    reject.phone.peer.answer = None
    gate = Gate(reject.abroad.content())
    try:
        invite = reject.signed("INVITE", b"", url=gate.web.url("/late.cer"), Contact="<sip:dave@127.0.0.1:9>")
        reject.stranger.send(invite)
        net.wait(lambda: gate.web.hits, 5, "the GET")
        cancel = invite.copy()
        cancel.method = "CANCEL"
        for name in ("Identity", "Identity-Info", "Contact", "Date"):
            cancel.set(name, None)
        reject.stranger.send(cancel.set("CSeq", "1 CANCEL"))
        assert reject.stranger.final(cancel).code == 200
        assert reject.stranger.final(invite).code == 487
        gate.opened.set()
        reject.phone.peer.answer = 200
        later = reject.another()
        reject.passes(reject.signed(url=gate.web.url("/late.cer"), agent=later), marked=True, agent=later)
        assert not reject.arrived(invite)
    finally:
        gate.opened.set()
        gate.web.close()


class Waiting:
    """A request that waits for its certificate, which the gate holds back."""

    def __init__(self, border, method="MESSAGE", agent=None, **headers):
        self.border, self.agent = border, agent or border.stranger
        self.gate = Gate(border.abroad.content())
        self.request = border.signed(method, url=self.gate.web.url("/late.cer"), **headers)
        self.agent.send(self.request)
        border.net.wait(lambda: self.gate.web.hits, 5, "the GET")

    def __enter__(self):
        return self

    def __exit__(self, *_why):
        self.gate.opened.set()
        self.gate.web.close()


def test_VER_18_an_INVITE_that_waits_is_trying(reject):
    """RFC 3261 17.2.1: within 200 ms it is known that nobody need send it again."""
    with Waiting(reject, "INVITE", Contact="<sip:dave@127.0.0.1:9>") as waiting:
        trying = reject.stranger.peer.take(lambda m: m.code == 100, 1, "the 100")
        assert trying.one("Call-ID") == waiting.request.get("Call-ID")
        waiting.gate.opened.set()
        answer, came = reject.result(waiting.request)
        assert answer.code == 200
        reject.check(waiting.request, came, marked=True)


def test_VER_11_retransmissions_while_it_waits(rejecting, net, abroad):
    """They are absorbed: one GET, one request to the phone, one verdict."""
    border = Border(rejecting, net, abroad, "udp")
    with Waiting(border) as waiting:
        for _ in range(5):
            border.stranger.send(waiting.request)
        net.idle(0.1)
        assert not border.arrived(waiting.request)
        waiting.gate.opened.set()
        answer, came = border.result(waiting.request)
        assert answer.code == 200 and waiting.gate.web.hits == ["/late.cer"]
        border.check(waiting.request, came, marked=True)
        net.idle(0.1)
        assert not border.arrived(waiting.request)


@pytest.mark.parametrize("method", ["MESSAGE", "INVITE"])
def test_VER_18_the_sender_goes_away_meanwhile(reject, net, method):
    gone = reject.another()
    with Waiting(reject, method, gone, Contact="<sip:dave@127.0.0.1:9>") as waiting:
        gone.peer.close()
        reject.passes(reject.signed(), marked=True)
        waiting.gate.opened.set()
        net.wait(lambda: reject.arrived(waiting.request), 5, "the request, for it is right")
        reject.passes(reject.signed(), marked=True)


def test_VER_18_the_phone_goes_away_meanwhile(reject):
    """Then there is nobody to send it to."""
    with Waiting(reject) as waiting:
        reject.phone.peer.close()
        waiting.gate.opened.set()
        assert reject.stranger.final(waiting.request, 40).code in (404, 408, 410, 430, 480, 500, 502, 503)


def test_VER_18_a_reload_meanwhile(reject):
    with Waiting(reject) as waiting:
        assert reject.server.admin("reload").returncode == 0
        reject.passes(reject.signed(), marked=True)
        waiting.gate.opened.set()
        answer, came = reject.result(waiting.request)
        assert answer.code == 200
        reject.check(waiting.request, came, marked=True)


def test_VER_18_the_end_of_the_server_meanwhile(border):
    """It ends in good order (the fixture demands exit code 0) and in time, whoever waits for what."""
    made = border("identity.verify-inbound=reject")
    with Waiting(made), Waiting(made, "INVITE", made.another(), Contact="<sip:dave@127.0.0.1:9>"):
        begin = time.monotonic()
        made.server.stop()
        assert time.monotonic() - begin < 8


def test_VER_18_connections_that_come_to_nothing(reject):
    """The web server closes at once, resets, or says nothing right; each is 436 at once."""
    def reset(sock, _path):
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))

    def half(sock, _path):
        sock.sendall(b"HTTP/1.1 20")

    for script in (reset, half):
        web = raw_web(script)
        try:
            begin = time.monotonic()
            reject.refused(reject.signed(url=web.url()), 436)
            assert time.monotonic() - begin < 3
        finally:
            web.close()
