"""A transaction belongs to who began it (G14, G50): whose CANCEL counts, and whose packet has a kept answer sent again."""

import contextlib
import itertools
import re
import selectors
import socket

import pytest
from peer.phone import Dialog, Far, Phone
from peer.sipclient import Agent, StreamPeer, tls_context, token

TRANSPORTS = ("udp", "tcp", "tls")
ADDRESSES = ("127.0.0.1", "127.0.0.4")


def strangers(server, net):
    """Peers with every transport and address, and one more port of the first address."""
    made = {(transport, address, 0): server.peer(net, transport, address)
            for transport, address in itertools.product(TRANSPORTS, ADDRESSES)}
    made.update({(transport, ADDRESSES[0], 1): server.peer(net, transport, ADDRESSES[0]) for transport in TRANSPORTS})
    for peer in made.values():
        peer.behind_proxy, peer.answer = True, None
    return made


@pytest.mark.parametrize("transport", TRANSPORTS)
def test_cancel_by_callee(lab, net, transport):
    """repro-cancel-by-callee: every callee sees the Via of the caller. RFC 3261 9.1: a CANCEL comes the way of its request,
    with its Via; over UDP phones use any port."""
    bob = Phone(lab.peer(net, "tcp"), lab.user()).register()
    peers = strangers(lab, net)
    for (proto, address, port), via in itertools.product(peers, ("", ";rport", ";rport=1;received=127.0.0.1", ";maddr=127.0.0.9")):
        caller, canceller = peers[transport, ADDRESSES[0], 0], peers[proto, address, port]
        made = Agent(caller, "eve", "example.org").new("INVITE", bob.aor, {"Contact": "<sip:eve@127.0.0.1>"})
        caller.send(made.encode())
        came = net.wait(lambda: bob.find(made, lambda m: m.method == "INVITE"), 5, "the INVITE")
        bob.answer(came, 180, "Ringing")
        caller.take(lambda m: m.code == 180, 5, "the 180")
        line = re.sub(";rport$", via, made.get("Via"))
        number = made.get("CSeq").split()[0]
        cancel = made.copy().set("Via", line).set("CSeq", f"{number} CANCEL").set("Contact", None)
        cancel.method = "CANCEL"
        canceller.send(cancel.encode())
        counts = proto == transport and address == ADDRESSES[0] and "rport" in via
        if proto != "udp" or "rport" in via:  # else the answer goes to the port in Via, where nobody is
            answer = canceller.take(lambda m: m.cseq[1] == "CANCEL" and m.one("Call-ID") == made.get("Call-ID"), 5, "the answer to the CANCEL")
            assert answer.code == (200 if counts else 481), (proto, address, port, via)
        if counts:
            net.wait(lambda: bob.find(cancel, lambda m: m.method == "CANCEL"), 5, "the CANCEL")
            bob.answer(came, 487, "Terminated")
        else:
            net.idle(0.02)
            assert not bob.find(cancel, lambda m: m.method == "CANCEL"), (proto, address, port, via)
            bob.answer(came, 486, "Busy")
        end = caller.take(lambda m: m.code and m.code >= 300 and m.cseq[1] == "INVITE", 5, "the end")
        assert end.code == (487 if counts else 486), (proto, address, port, via)
        caller.send(bob.ack_of_failure(made, end).encode())


def small_one(branch, sent_by, method):
    """The least that has the branch and sent-by of another request."""
    return (f"{method} sip:a SIP/2.0\r\nv:SIP/2.0/UDP {sent_by};branch={branch}\r\nf:<sip:a>\r\nt:<sip:a>\r\ni:c\r\n"
            f"CSeq:1 {method}\r\nl:0\r\n\r\n").encode()


@pytest.mark.parametrize("method", ["OPTIONS", "SUBSCRIBE", "MESSAGE", "FROBNICATE", "INVITE"])
def test_udp_replay_amplify(lab, net, method):
    """repro-udp-replay-amplify: a large request leaves a large answer behind. The same octets from the same address have it
    sent again, once for each; other octets, addresses and transports do not."""
    victim = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    victim.bind(("127.0.0.1", 0))
    sent_by, branch = "127.0.0.1:%d" % victim.getsockname()[1], token("z9hG4bK")
    large = (f"{method} sip:example.com SIP/2.0\r\nVia: SIP/2.0/UDP {sent_by};branch={branch};rport\r\n"
             f"From: \"{'y' * 7000}\" <sip:a@b>;tag=1\r\nTo: \"{'z' * 7000}\" <sip:a@b>\r\nCall-ID: {token()}\r\n"
             f"CSeq: 1 {method}\r\nRequire: nothing-known\r\nMax-Forwards: 70\r\nContent-Length: 0\r\n\r\n").encode()

    def received(seconds=0.05):
        victim.settimeout(seconds)
        got = []
        try:
            while True:
                got.append(victim.recv(65536))
        except TimeoutError:
            return [one for one in got if not one.startswith(b"SIP/2.0 100")]

    victim.sendto(large, ("127.0.0.1", lab.port))
    first = received(0.5)
    assert len(first) == 1 and len(first[0]) > 14000
    victim.sendto(large, ("127.0.0.1", lab.port))
    again = received()
    assert [len(one) for one in again] == [len(first[0])] or method == "INVITE"
    for (proto, address, port), peer in strangers(lab, net).items():
        small = small_one(branch, sent_by, method)
        peer.send(small)
        came = received()  # a refused INVITE is not remembered, and the small one is another
        assert sum(map(len, came)) <= (2 * len(small) if method == "INVITE" else 0), (method, proto, address)
        if (proto, address) != ("udp", "127.0.0.1"):
            peer.send(large)
            assert method == "INVITE" or not received(), f"a copy by {proto} from {address}"
    victim.close()


# --- what is passed on to an address that may be forged ---

SAFE = 1300  # octets that go over UDP, RFC 3261 18.1.1


class Forged:
    """A UDP source that has shown nothing, of which all that goes there is counted."""

    def __init__(self, server, address):
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.bind((address, 0))
        self.server, self.here = ("127.0.0.1", server.port), "%s:%d" % self.socket.getsockname()
        self.came, self.went = [], []

    def request(self, method, aor, body=b""):
        head = (f"{method} {aor} SIP/2.0\r\nVia: SIP/2.0/UDP {self.here};branch={token('z9hG4bK')};rport\r\n"
                f"From: <sip:eve@example.org>;tag=1\r\nTo: <{aor}>\r\nCall-ID: {token()}\r\nCSeq: 1 {method}\r\n"
                f"Max-Forwards: 70\r\nContact: <sip:eve@{self.here}>\r\nContent-Length: {len(body)}\r\n\r\n")
        return head.encode() + body

    def send(self, octets):
        self.went.append(octets)
        self.socket.sendto(octets, self.server)

    def hear(self, seconds=0.02):
        self.socket.settimeout(seconds)
        with contextlib.suppress(TimeoutError):
            while True:
                self.came.append(self.socket.recv(65536))


@pytest.mark.parametrize("method", ["MESSAGE", "OPTIONS", "INVITE"])
@pytest.mark.parametrize("size", [0, 1500, 50000])
def test_udp_passed_on_amplify(lab, net, method, size):
    """A callee answers a stranger with as much as he likes, as often as he likes, and the stranger asks again. All that
    goes to an address that has shown nothing is at most twice what came from there; but the first final answer, in one
    packet, always goes."""
    bob = Phone(lab.peer(net, "tcp"), lab.user()).register()
    answers = ((200,), (486,), (183, 183, 183, 200), (180, 486), (200,) * 8)
    for number, (codes, copies) in enumerate(itertools.product(answers, (0, 5))):
        if method != "INVITE" and codes[0] < 200:
            continue
        eve = Forged(lab, f"127.0.1.{1 + number}")
        request = eve.request(method, bob.aor)
        eve.send(request)
        call_id = re.search(rb"Call-ID: (\S+)", request)[1].decode()

        def arrived():
            return next((m for m in bob.peer.inbox if m.method == method and m.one("Call-ID") == call_id), None)

        came = net.wait(arrived, 5, "the request")
        for code in codes:
            bob.answer(came, code, "Made Up", body=b"x" * size)
            eve.hear()
        for _ in range(copies):
            eve.send(request)
            eve.hear()
        eve.hear(0.1)
        final = next((m for m in eve.came if not m.startswith(b"SIP/2.0 1")), None)
        fits = size + 400 < max(2 * len(request), SAFE)
        assert final is not None and final.startswith(b"SIP/2.0 %d" % (codes[-1] if fits else 502)), eve.came
        eve.came.remove(final)
        assert len(final) <= max(SAFE, 2 * len(request))
        assert sum(map(len, eve.came)) <= 2 * sum(map(len, eve.went)), (codes, copies, [m[:30] for m in eve.came])
        if size == 0 and copies and codes == (486,):
            assert eve.came, "a copy has no answer"
        eve.socket.close()


# --- what a stranger makes a phone say ---

REPEATED = {
    "Via": lambda size: "".join(f"Via: SIP/2.0/UDP a;branch=z9hG4bK{'b' * 900}{number}\r\n" for number in range(size // 940)),
    "many Vias": lambda size: f"Via: SIP/2.0/UDP a;branch=z9hG4bK{'b' * (size // 40)}\r\n" * 38,
    "as many Vias as can be": lambda size: f"Via: SIP/2.0/UDP a;branch=z9hG4bK{size}\r\n" * (37 + size % 3),
    "Record-Route": lambda size: "".join(f"Record-Route: <sip:{'r' * 900}{number}@a;lr>\r\n" for number in range(size // 940)),
    "many Record-Routes": lambda size: f"Record-Route: <sip:{'r' * (size // 50)}@a;lr>\r\n" * 50,
    "one Via": lambda size: f"Via: SIP/2.0/UDP a;branch=z9hG4bK{'b' * min(size, 8000)}\r\n",
    "nothing": lambda size: "X-Other: " + "x" * min(size, 8000) + "\r\n",
}


@pytest.mark.parametrize("transport", ["tcp", "tls"])
@pytest.mark.parametrize("what", REPEATED)
def test_echo_ends_no_connection(lab, net, transport, what):
    """A phone repeats what the request had (RFC 3261 8.2.6.2) and adds its own lines. Whatever a stranger puts there, the
    answer can be read, or the request never comes; and the connection of the phone stays."""
    bob, eve = Phone(lab.peer(net, transport), lab.user()).register(), lab.peer(net, "tcp")
    own = [(name, "y" * 400) for name in ("Allow", "Supported", "User-Agent", "X-Phone")] + [("X-More", "z")] * 20
    passed = []
    for size in range(1000, 14500, 500):
        request = Agent(eve, "eve", "example.org").new("OPTIONS", bob.aor)
        head, end = request.encode().split(b"Max-Forwards", 1)
        octets = head + REPEATED[what](size).encode() + b"Max-Forwards" + end
        eve.send(octets)
        came = net.wait(lambda r=request: bob.find(r, lambda m: m.method) or
                        next((m for m in eve.inbox if m.code and m.one("Call-ID") == r.get("Call-ID")), None), 5, "what comes of it")
        if came.code:
            assert came.code in (400, 483, 513), came.start
            continue
        passed.append(size)
        bob.answer(came, 200, "OK", own)
        answer = eve.take(lambda m, r=request: m.code and m.one("Call-ID") == r.get("Call-ID"), 5, "the answer")
        assert answer.code == 200
    assert passed and (what in ("nothing", "one Via", "as many Vias as can be") or max(passed) < 14000)
    net.idle(0.1)
    assert not bob.peer.closed


@pytest.mark.parametrize("transport", ["tcp", "tls"])
@pytest.mark.parametrize("size", [4000, 9000, 12000, 14000, 15500])
def test_route_set_ends_no_connection(lab, net, transport, size):
    """What a callee puts into Record-Route comes back in the ACK of the caller, whose connection has to live on."""
    alice, far = Phone(lab.peer(net, transport), lab.user()), Far(lab, net)
    far.peer.answer = None
    invite, came = alice.ask(alice.agent.new("INVITE", far.uri, {"Contact": alice.contact}), far)
    own = [("Record-Route", f"<sip:{'r' * 800}{number}@127.0.0.1;lr>") for number in range(size // 850)]
    far.answer(came, 200, "OK", own + [("Contact", far.contact)])
    answer = net.wait(lambda: alice.find(invite, lambda m: m.code and m.code >= 200), 5, "the answer")
    assert answer.code == (200 if size < 10000 else 502)
    if answer.code == 200:
        alice.send(Dialog.of_caller(alice, invite, answer).new("ACK", number=int(invite.get("CSeq").split()[0])))
    else:
        alice.send(alice.ack_of_failure(invite, answer))
    net.idle(0.1)
    assert not alice.peer.closed and alice.agent.options().code == 200


@pytest.mark.parametrize("transport", ["tcp", "tls"])
def test_what_goes_on_can_be_read_by_another_server(lab, net, transport):
    """Another server of this kind closes a connection at a head beyond 16384 octets, and all calls on it end. None that
    can be taken here goes on with a larger one."""
    far, seen = Far(lab, net), 0
    user = lab.user()
    for size in range(12000, 16400, 400):
        alice = Phone(lab.peer(net, transport), user)
        request = alice.agent.new("MESSAGE", far.uri, {f"X-{number}": "x" * (size // 4) for number in range(4)})
        for _ in range(2):
            alice.send(request)
            net.wait(lambda a=alice: a.peer.closed or any(m.code for m in a.peer.inbox), 5, "an answer, or the end")
            answer = next((m for m in alice.peer.inbox if m.code), None)
            if answer is None or answer.code != 407:
                break
            alice.peer.inbox.remove(answer)
            request = alice.prove(request, answer)
        assert answer.code in (200, 513) if answer else size > 15000
        alice.peer.close()
        heads = [len(m.raw.partition(b"\r\n\r\n")[0]) + 4 for m in far.peer.inbox if m.method]
        assert all(head <= 16384 for head in heads)
        seen = len(heads)
    assert seen > 2


# --- who reads slowly ---

class Slow(Phone):
    """A registered phone whose link is slow: while it is paused nothing is read, and little fits into its socket."""

    def __init__(self, server, net, transport):
        sock = socket.socket()
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 8192)
        sock.connect(("127.0.0.1", server.port + (transport == "tls")))
        if transport == "tls":
            sock = tls_context(server.ca).wrap_socket(sock, server_hostname="example.com")
        super().__init__(StreamPeer(net, sock, transport.upper()), server.user())
        self.register()

    def pause(self):
        self.net.selector.unregister(self.peer.sock)

    def go_on(self):
        self.net.selector.register(self.peer.sock, selectors.EVENT_READ, self.peer)


def is_alive(lab, net, phone):
    """It is still registered, and a request reaches it by its own connection."""
    caller = Agent(lab.peer(net, "tcp"), "someone", "example.org")
    made = caller.new("MESSAGE", phone.aor, body=b"after all that")
    caller.send(made)
    came = net.wait(lambda: phone.find(made, lambda m: m.method == "MESSAGE"), 20, "the request after the burst")
    phone.answer(came, 200)
    assert caller.final(made).code == 200
    return not phone.peer.closed


@pytest.mark.parametrize("transport", ["tcp", "tls"])
def test_disconnect_phone(lab, net, transport):
    """repro-disconnect-phone: a stranger sends more than the phone reads. He is refused; the phone notices nothing."""
    phone = Slow(lab, net, transport)
    phone.pause()
    eve = Agent(lab.peer(net, "tcp"), "eve", "example.org")
    sent = [eve.new("MESSAGE", phone.aor, body=b"x" * 60000) for _ in range(150)]
    for one in sent:
        eve.send(one)
    answers = [m for m in net.wait(lambda: [m for m in eve.peer.inbox if m.code][40:] and eve.peer.inbox, 20, "the refusals")]
    assert {m.code for m in answers} == {480}
    phone.go_on()
    assert is_alive(lab, net, phone)


@pytest.mark.parametrize("transport", ["tcp", "tls"])
def test_a_callee_floods_no_caller(lab, net, transport):
    """The same with answers: provisional ones are dropped, and so are copies of a 2xx."""
    phone = Slow(lab, net, transport)
    bob = Phone(lab.peer(net, "tcp"), lab.user()).register()
    request, came = phone.ask(phone.agent.new("INVITE", bob.aor, {"Contact": phone.contact}), bob)
    phone.pause()
    for _ in range(150):
        bob.answer(came, 183, "Progress", (), b"x" * 60000)
    for _ in range(100):
        bob.answer(came, 200, "OK", [("Contact", bob.contact)], b"x" * 60000)
    net.idle(0.5)
    phone.go_on()
    phone.told(request, 200, 20)
    assert is_alive(lab, net, phone)
