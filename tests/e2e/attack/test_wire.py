"""What strangers can do with packets and connections: reflection (G14), slow and greedy clients (G9, G10), the log
(G43), the control socket, and subscriptions in masses."""

import contextlib
import itertools
import pathlib
import re
import socket
import ssl
import struct
import time

import pytest
from peer import certs
from peer.lab import BINARY, until
from peer.phone import Phone, Sender, came_to
from peer.sipclient import Agent, StreamPeer, certificate_of, credential_of, tls_context, token
from peer.witness import Witness

METHODS = ("OPTIONS", "REGISTER", "SUBSCRIBE", "PUBLISH", "NOTIFY", "MESSAGE", "INVITE", "ACK", "CANCEL", "BYE", "PRACK",
           "UPDATE", "REFER", "INFO", "FROBNICATE")


SANITIZED = b"__asan_init" in pathlib.Path(BINARY).read_bytes()


def rss_kb(server):
    """The memory of the process; nothing with AddressSanitizer, which keeps what is freed."""
    if SANITIZED:
        return 0
    with open(f"/proc/{server.process.child.pid}/status", encoding="ascii") as status:
        return int(re.search(r"VmRSS:\s+(\d+)", status.read())[1])


# --- where a message ends ---

INNER = (b"MESSAGE sip:bob@x SIP/2.0\r\nVia: SIP/2.0/TLS example.com;branch=z9hG4bKinner\r\nFrom: <sip:boss@example.com>;tag=2\r\n"
         b"To: <sip:bob@example.com>\r\nCall-ID: inner\r\nCSeq: 1 MESSAGE\r\nMax-Forwards: 70\r\nContent-Length: 4\r\n\r\nevil")
FORMS = {"none": None, "plain": "Content-Length: %d", "short": "l: %d", "capital": "CONTENT-LENGTH:%d", "blank": "Content-Length : %d",
         "tabs": "l\t:\t%d", "fold": "Content-Length:\r\n %d", "folded end": "Content-Length: %d\r\n ", "zeros": "Content-Length: 00%d",
         "trailing": "Content-Length: %d  "}
ONE_LENGTH = re.compile(rb"\r\nContent-Length: (0|[1-9][0-9]*)\r\n(?![ \t])")
ANY_LENGTH = re.compile(rb"[\r\n](content-length|l)[ \t\r\n]*:", re.IGNORECASE)


def ends_where_it_says(raw):
    """RFC 3261 20.14: one Content-Length, in the one form that every reader takes alike, and that many octets behind it."""
    head, blank, body = raw.partition(b"\r\n\r\n")
    head += b"\r\n"
    found = ONE_LENGTH.findall(head)
    assert len(found) == 1 and len(ANY_LENGTH.findall(head)) == 1, head
    assert blank and int(found[0]) == len(body) and body == INNER
    assert not re.search(rb"(?<!\r)\n|\r(?!\n)", head), head


@pytest.mark.parametrize("callee", ["udp", "tcp", "tls"])
@pytest.mark.parametrize("caller", ["udp", "tcp", "tls"])
def test_smuggle_udp_to_stream(unsigned, net, caller, callee):
    """A body that holds a message stays a body, however the length of the message around it was written, in a request and
    in its answer. A datagram needs no Content-Length, and went on over TLS without one."""
    eve = Sender(unsigned.peer(net, caller), unsigned.user())
    bob = Phone(unsigned.peer(net, callee), unsigned.user()).register()
    for name, form in FORMS.items():
        if form or caller == "udp":
            _, came = eve.to(bob, "MESSAGE", {"Content-Length": form and form % len(INNER)}, INNER, uri=bob.aor)
            ends_where_it_says(came.raw)
        else:
            _, came = eve.to(bob, "MESSAGE", (), b"", uri=bob.aor)
        answered = form if form or callee == "udp" else FORMS["plain"]
        bob.answer(came, 200, f"to {name}", (), INNER, answered)
        ends_where_it_says(eve.peer.take(lambda m, n=name: m.reason == f"to {n}", 5, f"the answer to {name}").raw)
    assert not [m for m in bob.peer.inbox + eve.peer.inbox if m.one("Call-ID") == "inner"]


FOLDED = {
    "Subject": "Subject: a\r\n\tContent-Length: 4", "Subject, blank": "Subject: a\r\n Content-Length : 4\r\n  b",
    "unknown": "X-Any:\r\n\tl: 4", "From": 'From: "Eve\r\n\tl : 4" <sip:eve@example.org>;tag=1',
    "To": 'To: "Bob\r\n Via: x"\r\n <sip:bob@example.com>\r\n\t;x=1', "CSeq": "CSeq: 1\r\n MESSAGE",
    "Content-Length": "Content-Length:\r\n %d", "Via": "Via: SIP/2.0/UDP a;branch=z9hG4bKa;x=\"\r\n\tl: 4\"",
    "Route": "Route: <sip:example.com;lr>;x=\"\r\n Contact:y\"", "taken out": "X-Any: a\r\n P-Auto-Answer : 1",
    "blank fold before": "X-Any: a\r\n \r\n\t\r\n Content-Length: 4", "colon folded": "X-Any: a\r\n Content-Length\r\n : 4",
    "both": "X-Any:\r\n \r\n l \r\n\t\r\n :4", "blank fold at the end": "X-Any: a\r\n \r\n\t", "colon": "X-Any: a\r\n : b"}


def no_folds(raw):
    """No line of the head that begins with blanks is a header field, or empty, to a reader who does not see them."""
    lines = raw.partition(b"\r\n\r\n")[0].split(b"\r\n")
    assert not [line for line in lines if re.match(rb"[ \t]+((?!sips?:|tel:)[\w.-]*[ \t]*:|$)", line, re.I)], raw
    assert len([line for line in lines if re.match(rb"[ \t]*(content-length|l)[ \t]*:", line, re.I)]) == 1, raw


@pytest.mark.parametrize("caller, callee", [("udp", "tls"), ("tcp", "udp"), ("tls", "tcp")])
def test_no_fold_goes_on(unsigned, net, caller, callee):
    """Some readers know no folds (RFC 3261 7.3.1), and take the rest of a value for a field of its own. In requests, in
    their answers, and in what this server answers itself."""
    eve = Sender(unsigned.peer(net, caller), unsigned.user())
    bob = Phone(unsigned.peer(net, callee), unsigned.user()).register()
    for name, line in FOLDED.items():
        for uri in (bob.aor, "sip:nobody@example.com"):
            fields = {"From": "From: <sip:eve@example.org>;tag=1", "To": "To: <sip:bob@example.com>"}
            fields[name] = line % len(INNER) if "%" in line else line
            call_id, octets = eve.octets("MESSAGE", uri, fields, INNER, credentials=False)
            eve.peer.send(octets)
            if uri == bob.aor:
                came = came_to(bob, call_id, eve)
                no_folds(came.raw)
                ends_where_it_says(came.raw)
                assert "Subject" not in name or came.one("Subject").split() == line.replace("\r\n", "").split()[1:]
                bob.answer(came, 200, "OK", [("X-Fold", "a\r\n\tContent-Length: 4")], INNER)
            answer = eve.peer.take(lambda m, c=call_id: m.code and m.code >= 200 and m.one("Call-ID") == c, 5, "the answer")
            assert answer.code == (200 if uri == bob.aor else 404), answer.start
            no_folds(answer.raw)


@pytest.mark.parametrize("name", ["Via", "From", "To", "Call-ID", "CSeq", "Subject"])
def test_no_answer_copies_a_lone_line_end(lab, net, name):
    """Between proxies an answer goes over a stream that others share: whoever writes a line end there writes messages."""
    agent = lab.agent(net, lab.user(), "udp")
    for octets in (b"\n", b"\r", b"\n\n", b"\nContent-Length: 0\r"):
        request = agent.new("OPTIONS", "sip:example.com")
        request.set(name, f"{request.get(name) or 'about'} {octets.decode()} x")
        agent.peer.send(request.encode())
        if name == "Subject":
            assert agent.peer.take(lambda m: m.code, 5, "the 400").start == "SIP/2.0 400 Control Character in Header Field"
    good = agent.new("OPTIONS", "sip:example.com")
    agent.peer.send(good.encode())
    assert agent.peer.take(lambda m: m.code, 5, "the answer").one("Call-ID") == good.get("Call-ID")


@pytest.mark.parametrize("caller, callee", [("udp", "tls"), ("tls", "udp")])
def test_no_lone_line_end_goes_on(unsigned, net, caller, callee):
    """Wherever it stands in a header field of a datagram. At the end of a value it was taken for a blank, and went on to a
    stream, where some readers find the end of the head there."""
    eve = Sender(unsigned.peer(net, caller), unsigned.user())
    bob = Phone(unsigned.peer(net, callee), unsigned.user()).register()
    values = ["%sabout", "ab%sout", "about%s", "about%s ", "%s", " %s\r\n about", "about\r\n %s"]
    octets = ["\n", "\r", "\n\n", "\r\r", "\n "]
    forms = [form % octet for form in values for octet in octets] + ["\\\n", "\"\\\n\""]
    names = ("Subject", "X-Any", "Contact") + ("Call-ID", "From", "To") * (caller == "udp")
    for name, form in itertools.product(names, forms):
        value = {"Contact": eve.contact, "Call-ID": token("c")}.get(name, "<sip:eve@example.org>;tag=1")
        line = f"{name}: " + (form if name in ("Subject", "X-Any") else form.replace("about", value).replace("ab", value))
        if caller == "udp":
            _, raw = eve.octets("MESSAGE", bob.aor, {"From": "From: <sip:eve@example.org>;tag=1", name: line}, b"hello",
                                credentials=False)
            eve.peer.send(raw)
            net.pump(0.002)
            continue
        _, came = eve.to(bob, "MESSAGE", (), b"", uri=bob.aor)
        bob.answer(came, 603, "Bad", [tuple(line.split(": ", 1))])
        bob.answer(came, 603, "Clean")
        assert eve.peer.take(lambda m, c=came: m.code and m.one("Call-ID") == c.one("Call-ID"), 5, "603").reason == "Clean"
    _, came = eve.to(bob, "MESSAGE", (), b"", uri=bob.aor)
    bob.answer(came, 603, "Last")
    assert not [m for m in bob.peer.inbox + eve.peer.inbox if re.search(rb"(?<!\r)\n|\r(?!\n)", m.raw.partition(b"\r\n\r\n")[0])
                or m.method]


@pytest.mark.parametrize("transport", ["tcp", "tls"])
@pytest.mark.parametrize("lone", ["X: a\nContent-Length: 0", "X: a\rl: 0", "X: a\n\nb", "X: a\r", "X\n: a"])
def test_a_lone_line_end_ends_the_connection(lab, net, transport, lone):
    """A reader that takes it for a line end finds another head than we do."""
    agent = lab.agent(net, lab.user(), transport)
    request = agent.new("OPTIONS", "sip:example.com").encode()
    agent.peer.send(request.replace(b"\r\nMax-Forwards", b"\r\n" + lone.encode() + b"\r\nMax-Forwards", 1))
    assert agent.peer.take(lambda m: m.code, 5, "the 400").start == "SIP/2.0 400 Lone CR or LF in the Head"
    agent.peer.wait_closed()


# --- reflection ---

@pytest.fixture
def victim():
    one = Witness("127.0.0.2")
    yield one
    one.close()


def datagrams(sock, count, quiet=0.05):
    """The next so many datagrams, and what else comes soon after."""
    out = []
    with contextlib.suppress(TimeoutError):
        while True:
            sock.settimeout(5 if len(out) < count else quiet)
            out.append(sock.recv(65536))
    return out


def spoofable(method, victim, via="", contact=None, extra=""):
    """A request whose every address but that of the packet is the victim's."""
    there = f"127.0.0.2:{victim.port}"
    return (f"{method} sip:bob@example.com SIP/2.0\r\nVia: SIP/2.0/UDP 127.0.0.2:{victim.port}"
            f";branch={token('z9hG4bK')};rport{via.replace('THERE', '127.0.0.2')}\r\n"
            f"Max-Forwards: 70\r\nFrom: <sip:a@{there}>;tag={token()}\r\nTo: <sip:bob@example.com>\r\n"
            f"Call-ID: {token()}@{there}\r\nCSeq: 1 {method}\r\n"
            f"Contact: {contact or f'<sip:a@{there}>'}\r\nEvent: certificate\r\nExpires: 0\r\n"
            f"{extra.replace('THERE', there)}Content-Length: 0\r\n\r\n").encode()


@pytest.mark.parametrize("via, extra", [
    ("", ""), (";maddr=THERE", ""), (";received=THERE;maddr=THERE;ttl=16", ""),
    pytest.param("", "Route: <sip:THERE;lr>\r\n", marks=pytest.mark.slow),
    ("", "Record-Route: <sip:THERE;lr>\r\n"), ("", "Via: SIP/2.0/UDP THERE;branch=z9hG4bKx\r\n"),
    ("", "Reply-To: <sip:THERE>\r\nP-Asserted-Identity: <sip:THERE>\r\n")], ids=str)
def test_G14_answers_go_to_where_the_packet_came_from(lab, victim, via, extra):
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.bind(("127.0.0.6", 0))  # an address that nobody has proven
        for method in METHODS:
            request = spoofable(method, victim, via, extra=extra)
            for _ in range(2):  # and once for a copy
                sock.sendto(request, ("127.0.0.1", lab.port))
                came = datagrams(sock, method != "ACK")
                assert len(came) == (method != "ACK") and all(data.startswith(b"SIP/2.0 ") for data in came), f"{method}: {came}"
                assert sum(map(len, came)) <= 2 * len(request), method
    time.sleep(0.1)
    assert not victim.hit(), "something was sent to an address that did not ask"


@pytest.mark.parametrize("contact", ["<sip:a@THERE>", "<sip:a@THERE;transport=tcp>", "<sip:a@THERE;maddr=127.0.0.2>",
                                     "<sips:a@THERE>", "<sip:a@nobody.invalid>", "<sip:127.0.0.1;maddr=127.0.0.2>"])
def test_G14_a_large_notify_goes_to_nobody_else(lab, net, victim, contact, user, owner, pair):
    """A certificate does not fit into a datagram: TCP to whom? Only to the source of the SUBSCRIBE."""
    assert owner.publish(*pair).code == 200
    agent = lab.agent(net, transport="udp")
    contact = contact.replace("THERE", f"127.0.0.2:{victim.port}")
    request = agent.new("SUBSCRIBE", user.aor, {"Event": "certificate", "From": f"<sip:a@127.0.0.2:{victim.port}>;tag=1",
                                                "Contact": contact})
    assert agent.run(request)[1].code == 200
    if "sips:" not in contact:  # nobody takes the connection, so it comes to the source after all
        notify = agent.peer.take(lambda m: m.method == "NOTIFY", 10, "the NOTIFY")
        assert certificate_of(notify) == pair[0] and len(notify.raw) > 1300
    net.idle(0.3)
    assert not victim.hit()


@pytest.mark.parametrize("pad", [0, 60, 120, 400])
def test_udp_subscribe_amplify(lab, net, pad):
    """repro-udp-subscribe-amplify: one datagram brought a 200 and eleven copies of a signed NOTIFY (CRT-32). Who does not
    answer gets one packet, of at most twice the octets; a tiny one gets nothing."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.bind(("127.0.0.6", 0))
        at = "%s:%d" % sock.getsockname()
        request = (f"SUBSCRIBE sip:b@example.com SIP/2.0\r\nv:SIP/2.0/UDP {at};branch={token('z9hG4bK')}\r\nf:\"{'c' * pad}\""
                   f"<sip:a@b>;tag=1\r\nt:<sip:b@example.com>\r\ni:{token()}\r\nCSeq:1 SUBSCRIBE\r\no:certificate\r\n"
                   "Expires:0\r\nm:<sip:a@b>\r\n\r\n").encode()
        sock.sendto(request, ("127.0.0.1", lab.port))
        came = datagrams(sock, 0, 1.5)
    assert len(came) <= 1 and sum(map(len, came)) <= 2 * len(request), came
    assert all(data.startswith(b"SIP/2.0 401 ") for data in came)
    assert pad == 0 or came


def test_ssrf_notify(lab, net, user, owner, pair):
    """repro-ssrf-notify: a stranger subscribes over TCP, names a service of another host as his Contact, and goes away; the
    next change would be told there, with lines of his choice (T-32). At his own address it is."""
    for source, reached in (("127.0.0.7", False), ("127.0.0.1", True)):
        with socket.create_server(("127.0.0.1", 0)) as service:
            agent = Agent(lab.peer(net, "tcp", source))
            request = agent.new("SUBSCRIBE", user.aor, {
                "Event": "certificate", "From": '"x\r\n FLUSHALL\r\n CONFIG SET dir /tmp\r\n y" <sip:w@x.example>;tag=1',
                "Contact": f"<sip:w@127.0.0.1:{service.getsockname()[1]};transport=tcp>"})
            agent.send(request)
            assert agent.peer.take(lambda m: m.code, 5, "the answer").code == 200
            agent.peer.take(lambda m: m.method == "NOTIFY", 5, "the first NOTIFY")
            agent.peer.close()
            time.sleep(0.2)
            assert owner.publish(*pair).code == 200
            service.settimeout(5 if reached else 1)
            if not reached:
                with pytest.raises(TimeoutError):
                    service.accept()
                continue
            connection, _ = service.accept()
            with connection:
                connection.settimeout(5)
                head = connection.recv(65536).partition(b"\r\n\r\n")[0]
            assert head.startswith(b"NOTIFY ") and not re.search(rb"\r\n[ \t]", head), head


def test_G14_small_and_broken_packets_are_not_amplified(lab):
    full = b"OPTIONS sip:x SIP/2.0\r\nv:SIP/2.0/UDP a;rport;branch=z9hG4bKq\r\nf:<sip:a>;tag=1\r\nt:<sip:a>\r\ni:q\r\nCSeq:1 OPTIONS\r\n\r\n"
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.bind(("127.0.0.1", 0))
        for number, packet in enumerate([b"", b"\r\n\r\n", b"\0" * 1400, b"x" * 1400, full[:60], b"SIP/2.0 200 OK\r\n\r\n",
                                         full.replace(b"i:q\r\n", b""), b"\xff" * 60000]):
            sock.sendto(packet, ("127.0.0.1", lab.port))
            assert datagrams(sock, 0) == [], number
        for change in (b"", b"To: <sip:b>\r\n", b"Max-Forwards: 0\r\n", b"Require: x\r\n", b"Content-Length: 9\r\n"):
            packet = full.replace(b"i:q", b"i:" + token().encode()).replace(b"Kq", b"K" + token().encode())
            packet = packet.replace(b"CSeq", change + b"CSeq")
            sock.sendto(packet, ("127.0.0.1", lab.port))
            came = datagrams(sock, 1)
            # The fixed text of an answer (Allow, Accept) is at most 260 octets, which no real request falls short of.
            assert len(came) == 1 and len(came[0]) <= len(packet) + 260, came
        for padding in range(0, 200, 10):
            packet = full.replace(b"sip:x ", b"sip:example.com ").replace(b"q\r", token().encode() + b"\r")
            packet = packet.replace(b"CSeq", b"Subject:" + b"x" * padding + b"\r\nCSeq")
            sock.sendto(packet, ("127.0.0.1", lab.port))
            came = datagrams(sock, 1, 0.01)
            assert len(came) == 1 and came[0].startswith(b"SIP/2.0 200 ") and len(came[0]) <= len(packet) + 260, came
            assert (b"\r\nSupported: path, outbound\r\n" in came[0]) == (len(packet) >= 240)
            assert len(packet) < 240 or len(came[0]) <= 2 * len(packet)


# --- slow and greedy clients ---

def test_G9_half_sent_connections_harm_nobody(server, net):
    """200 that say something and stop, on TCP, TLS and https: the others are served, and the slow ones are closed."""
    other = server("limits.first-message-timeout=2", "limits.message-timeout=2", "limits.handshake-timeout=2")
    user = other.user()
    owner = other.agent(net, user)
    pair = certs.pair(user.aor)
    assert owner.publish(*pair).code == 200
    before = rss_kb(other)
    hello = ssl.MemoryBIO()
    half = tls_context(other.ca).wrap_bio(ssl.MemoryBIO(), hello)
    with pytest.raises(ssl.SSLWantReadError):
        half.do_handshake()
    record = hello.read()
    starts = [(0, b""), (0, b"SUBSCRIBE sip:bob@example.com SIP/2.0\r\nVia: "), (1, b""), (1, record[:40]), (1, record),
              (2, record[:-1]), (0, b"PUBLISH sip:b@example.com SIP/2.0\r\nContent-Length: 60000\r\n\r\nx"), (2, record)]
    slow = []
    for number in range(200):
        port, data = starts[number % len(starts)]
        sock = socket.create_connection(("127.0.0.1", other.port + port), timeout=10)
        sock.sendall(data)
        slow.append(sock)
    assert owner.fetch_credential() == pair
    assert other.agent(net, transport="tcp").fetch(user.aor) == pair[0]
    assert other.agent(net, user).fetch_credential() == pair
    for sock in slow:
        sock.settimeout(6)
        with contextlib.suppress(ConnectionError):
            while sock.recv(65536):
                pass
        sock.close()
    assert rss_kb(other) < before + 20000


@pytest.mark.parametrize("head, body", [
    (b"Content-Length: 2147483648", 0), (b"Content-Length: 4294967296", 0), (b"Content-Length: 9223372036854775808", 0),
    (b"Content-Length: 18446744073709551616", 0), (b"Content-Length: 60000000", 8 << 20), (b"X: " + b"y" * 100000, 0),
    (b"X: 1\r\n" * 20000, 0), (b"Via: SIP/2.0/TCP a\r\n" * 700, 0), (b"X:\r\n" + b" \r\n" * 50000, 0),
], ids=["2^31", "2^32", "2^63", "2^64", "60 MB", "long line", "many lines", "many Vias", "endless fold"])
def test_G10_declared_sizes_cost_nothing(lab, net, head, body):
    before = rss_kb(lab)
    with socket.create_connection(("127.0.0.1", lab.port), timeout=10) as sock:
        with contextlib.suppress(ConnectionError):
            sock.sendall(b"OPTIONS sip:example.com SIP/2.0\r\nVia: SIP/2.0/TCP 127.0.0.1:9;branch=" + token("z9hG4bK").encode() +
                         b"\r\nFrom: <sip:a@b>;tag=1\r\nTo: <sip:example.com>\r\nCall-ID: " + token().encode() +
                         b"\r\nCSeq: 1 OPTIONS\r\n" + head + b"\r\n\r\n" + bytes(body))
        answer = b""
        with contextlib.suppress(ConnectionError):
            while more := sock.recv(65536):
                answer += more
    assert answer == b"" or answer.startswith((b"SIP/2.0 400 ", b"SIP/2.0 413 ")), answer[:200]
    assert rss_kb(lab) < before + 4096
    assert lab.agent(net, transport="tcp").options().code == 200


def test_G8_large_requests_over_udp_are_not_remembered_without_end(server, net):
    """Each answer echoes 14 kB and would be kept for half a minute: for as many as there may be transactions."""
    other = server("limits.transactions=1000")
    before = rss_kb(other)
    vias = f"Via: SIP/2.0/UDP a;x={'y' * 7000}\r\n" * 2
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.bind(("127.0.0.1", 0))
        sock.settimeout(5)
        for number in range(1200):
            sock.sendto((f"OPTIONS sip:example.com SIP/2.0\r\nVia: SIP/2.0/UDP a;rport;branch=z9hG4bK{number}\r\n{vias}"
                         f"From: <sip:a@b>;tag=1\r\nTo: <sip:b@c>\r\nCall-ID: {number}\r\nCSeq: 1 OPTIONS\r\n\r\n").encode(),
                        ("127.0.0.1", other.port))
            assert sock.recv(65536).startswith(b"SIP/2.0 ")
    assert rss_kb(other) < before + 8192


def test_G8_who_does_not_read_is_not_answered_without_end(server, net):
    """Pipelined requests whose answers nobody takes: the server stops reading, and goes on when it can."""
    other = server()
    before = rss_kb(other)
    request = Agent(StreamPeer(net, socket.create_connection(("127.0.0.1", other.port)), "TCP"))
    request = request.new("OPTIONS", "sip:example.com", {"Via": None}).encode()
    crowd = []
    for _ in range(10):
        sock = socket.socket()
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4096)
        sock.connect(("127.0.0.1", other.port))
        sock.setblocking(False)
        crowd.append([sock, 0])
    many = b"".join(request.replace(b"From:", f"Via: SIP/2.0/TCP a;branch=z9hG4bK{n};x={'y' * 3000}\r\nFrom:".encode(), 1)
                    for n in range(4000))
    moved = time.monotonic()
    while time.monotonic() < moved + 0.3:
        for one in crowd:
            with contextlib.suppress(BlockingIOError):
                one[1] += one[0].send(many[one[1]:one[1] + 65536])
                moved = time.monotonic()
    assert all(sent < len(many) for _, sent in crowd), "the server takes all there is"
    assert rss_kb(other) < before + 8192
    # One that begins to read gets everything, in order.
    sock, sent = crowd[0]
    whole, came = many[:sent].count(b"Content-Length: 0\r\n\r\n"), b""
    end = time.monotonic() + 10
    while came.count(b"\r\n\r\n") < whole and time.monotonic() < end:
        with contextlib.suppress(BlockingIOError):
            came += sock.recv(65536)
    assert [int(n) for n in re.findall(rb"branch=z9hG4bK(\d+);", came)] == list(range(whole))
    assert other.agent(net, transport="tcp").options().code == 200
    for one in crowd:
        one[0].close()


def test_G9_connections_leave_descriptors_for_the_rest(server, net):
    """With as many connections as the system allows files, the store and those who are there already still work."""
    other = server("limits.idle-timeout=600", "limits.first-message-timeout=600", nofile=400)
    user = other.user()
    owner = other.agent(net, user)
    pairs = certs.pair(user.aor), certs.pair(user.aor, 1)
    assert owner.publish(*pairs[0]).code == 200
    own = owner.subscribe(event="credential")
    crowd = []
    for _ in range(450):
        with contextlib.suppress(ConnectionError):
            crowd.append(socket.create_connection(("127.0.0.1", other.port), timeout=2))
    assert owner.publish(*pairs[1]).code == 200
    assert credential_of(own.next()) == pairs[1]
    assert other.admin("status").returncode == 0
    assert other.agent(net, transport="tcp").fetch(user.aor) == pairs[1][0]
    for sock in crowd:
        sock.close()


# --- the log ---

NASTY = (b"\x1b[31mred", b"%n%n%s%x", b"a\x00b", b"x\ty", b"\r\n 2026-01-01T00:00:00Z error event=forged", b"\x7f\x08",
         b"\xc2\x9b1m", b'"\\', b"z" * 8000, b"a\rb", b"a\nevent=forged", b"\\\x00\\\x1b[2J")
LINE = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ (error|warn|info|debug) event=\w+( [\w.]+=[!-~]+)*")


def test_G43_what_strangers_send_stays_in_its_line(server, net):
    other = server("log.level=debug")
    user = other.user()
    fields = ("Via", "From", "To", "Call-ID", "CSeq", "Contact", "Event", "Expires", "Max-Forwards", "Accept", "Require",
              "Authorization", "Content-Type", "Route", "Record-Route", "SIP-If-Match", "Date", "Identity", "Subject")
    owner = other.agent(net, user)
    for nasty in NASTY:
        for method in ("SUBSCRIBE", "PUBLISH"):
            for field in (*fields, "uri", "method", "start"):
                request = owner.new(method, user.aor, {"Event": "certificate", "Expires": 0})
                text = request.encode()
                if field == "uri":
                    text = text.replace(b" sip:", b" sip:" + nasty, 1)
                elif field == "method":
                    text = nasty + text
                elif field == "start":
                    text = text.replace(b" SIP/2.0\r\n", b" SIP/" + nasty + b"\r\n", 1)
                else:
                    value = {"From": b'"NASTY" <sip:a@b>;tag=1', "Call-ID": b"NASTY@x", "Contact": b'"NASTY" <sip:a@b>',
                             "To": b'"NASTY" <' + user.aor.encode() + b">",
                             "Authorization": b'Digest username="NASTY", realm="example.com", nonce="NASTY"',
                             "CSeq": b"1 " + method.encode() + b"NASTY", "Via": None}.get(field, b"NASTY")
                    if value is None:
                        text = text.replace(b";rport", b";rport;x=" + nasty, 1)
                    else:
                        request.set(field, "MARK")
                        text = request.encode().replace(b"MARK", value.replace(b"NASTY", nasty))
                with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
                    sock.sendto(text, ("127.0.0.1", other.port))
    for nasty in NASTY:
        # A user name is logged when its answer is wrong.
        request = owner.new("PUBLISH", user.sips, {"Event": "credential"})
        challenge = owner.pick(owner.exchange(request))
        again = owner.authorize(request, challenge, user=nasty.decode("latin-1").replace('"', ""), password="x")
        with contextlib.suppress(AssertionError):
            owner.exchange(again, timeout=1)
        if owner.peer.closed or re.search(rb"[\r\n]", nasty):  # these end the connection
            owner = other.agent(net, user)
    assert other.agent(net, transport="udp").options().code == 200
    process = other.process
    other.stop()
    lines = process.log.split("\n")
    assert lines.pop() == "" and len(lines) > 1000
    assert [line for line in lines if not LINE.fullmatch(line) or len(line) > 1024] == []
    assert "event=forged" not in re.sub(r"\S*=\S*\\x\S*", "", process.log)


# --- the control socket ---

def control(server):
    sock = socket.socket(socket.AF_UNIX)
    sock.connect(str(server.directory / "store" / "control"))
    sock.settimeout(5)
    return sock


def told(sock, data):
    """All that comes back for these octets."""
    out = b""
    with contextlib.suppress(ConnectionError):
        sock.sendall(data)
        while more := sock.recv(65536):
            out += more
    return out


def test_control_socket_survives_its_users(server, net):
    other = server()
    for data in (b"\0" * 5000, b"\n", b"revoke\n", b"revoke " + b"a" * 900 + b"\n", b"revoke sip:%n%s@x\n", b"status \xff\n",
                 b"status json\0\n", b"users x\nstatus\n", b"x" * 1024 + b"\n"):
        with control(other) as sock:
            answer = told(sock, data)
        assert answer == b"" or answer.split(b"\n")[0] in (b"ok", b"error"), answer
    with control(other) as sock:
        sock.sendall(b"revoke sip:nobody@example.com\n")
    assert other.admin("status").returncode == 0
    assert other.agent(net, transport="tcp").options().code == 200


@pytest.mark.parametrize("start", [b"", b"stat", b"status\n"], ids=["silent", "half a line", "does not read"])
def test_control_socket_is_not_held_by_who_says_nothing(server, start):
    """More than have room: the administrator who speaks is heard."""
    other = server()
    held = [control(other) for _ in range(20)]
    for sock in held:
        with contextlib.suppress(ConnectionError):
            sock.sendall(start)
    assert other.admin("status").returncode == 0
    for sock in held:
        sock.close()


# --- subscriptions in masses ---

def test_a_thousand_subscriptions_on_one_connection_that_breaks(server, net):
    """Credential ones go with it; certificate ones stay for a Contact that may come back (T-32). Nothing is left over."""
    other = server("notify.interval=0")
    user = other.user()
    owner, publisher = other.agent(net, user), other.agent(net, user)
    crowd = other.agent(net, transport="tcp")
    before = rss_kb(other)
    challenge = owner.challenge()
    asked = []
    for number in range(500):
        request = owner.new("SUBSCRIBE", user.sips, {"Event": "credential"})
        asked.append((owner, owner.authorize(request, challenge, nc=number + 1)))
        asked.append((crowd, crowd.new("SUBSCRIBE", user.aor, {"Event": "certificate"})))
    for agent, request in asked:
        agent.send(request)
        net.pump(0)
    assert all(agent.final(request).code == 200 for agent, request in asked)
    net.wait(lambda: len(owner.peer.copies) >= 500 and len(crowd.peer.copies) >= 500, 20, "1000 NOTIFYs")
    assert "credential subscriptions 500" in other.admin("status").stdout
    for agent in (owner, crowd):
        agent.peer.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        agent.peer.close()
    until(lambda: "credential subscriptions 0" in other.admin("status").stdout, 5, "the end of the credential subscriptions")
    assert publisher.publish(certs.certificate(user.aor)).code == 200
    until(lambda: "connections 1\n" in other.admin("status").stdout, 10, "the end of vain connections")
    assert "certificate subscriptions 500" in other.admin("status").stdout
    assert rss_kb(other) < before + 16384
    assert publisher.revoke().code == 200


def test_subscriptions_end_in_every_order(quick, net):
    """Unsubscribe, refresh, expiry, revocation and a broken connection, two at a time."""
    user = quick.user()
    publisher, watcher = quick.agent(net, user), quick.agent(net, transport="tcp")
    bodies = [certs.certificate(user.aor), certs.certificate(user.aor, key=certs.rsa_key(1))]

    def reset(agent):
        agent.peer.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        agent.peer.close()

    acts = {
        "unsubscribe": lambda a, s: a.send(a.authorize(s.again(0), a.challenge(), uri=s.target)),
        "refresh": lambda a, s: a.send(a.authorize(s.again(2), a.challenge(), uri=s.target)),
        "change": lambda a, s: publisher.publish(bodies[1]),
        "revoke": lambda a, s: publisher.revoke(),
        "reset": lambda a, s: reset(a),
        "deaf": lambda a, s: setattr(a.peer, "answer", None),
        "gone": lambda a, s: setattr(a.peer, "answer", 481),
    }
    for first in acts:
        for second in acts:
            assert publisher.publish(bodies[0]).code == 200
            agent = quick.agent(net, user)
            subscription = agent.subscribe(event="credential", expires=2)
            for act in (first, second):
                if not agent.peer.closed or act in ("change", "revoke"):
                    acts[act](agent, subscription)
            if not agent.peer.closed:
                reset(agent)
    assert certificate_of(watcher.subscribe(user.aor, expires=0).notify) in (b"", *bodies)
    until(lambda: "credential subscriptions 0" in quick.admin("status").stdout, 10, "the end of all subscriptions")
