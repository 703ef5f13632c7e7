"""Many Identity-Info URIs that lead to slow web servers: whoever does not need them is served, and memory stays bounded (rows
VER-18, G44)."""

import re
import socket
import threading
import time

import pytest
from peer.abroad import Abroad, Border, both_authorities, next_host
from peer.phone import Phone
from peer.sipclient import token
from peer.stub import RawWeb

URIS, OTHERS, GROWTH = 1000, 60, 64 * 1024


class Slow(RawWeb):
    """A web server that drips, or never says a word; it counts who is with it at once, and in all."""

    def __init__(self, drips):
        self.drips, self.now, self.most, self.over, self.lock = drips, 0, 0, threading.Event(), threading.Lock()
        super().__init__(self.script, next_host())

    def script(self, sock, _path):
        with self.lock:
            self.now += 1
            self.most = max(self.most, self.now)
        try:
            if self.drips:
                sock.sendall(b"HTTP/1.1 200 OK\r\nContent-Type: application/pkix-cert\r\nContent-Length: 900\r\n\r\n")
            sock.settimeout(0.2)
            while not self.over.wait(0 if not self.drips else 0.2):
                if self.drips:
                    sock.sendall(b"\x30")
                else:
                    try:
                        if not sock.recv(1):
                            return
                    except TimeoutError:
                        pass
        finally:
            with self.lock:
                self.now -= 1

    def close(self):
        self.over.set()
        super().close()


def memory(server):
    """VmRSS in kB."""
    with open(f"/proc/{server.process.child.pid}/status", encoding="ascii") as file:
        return int(re.search(r"VmRSS:\s+(\d+)", file.read())[1])


@pytest.fixture
def border(labs, domain, net, tmp_path):
    server = labs.server(both_authorities(labs, domain, tmp_path), "identity.verify-inbound=reject")
    server.start()
    abroad = Abroad(domain)
    yield Border(server, net, abroad)
    server.stop()
    abroad.close()


@pytest.mark.slow
def test_VER_18_G44_a_thousand_uris(border, net):
    """Every request is answered; those of others pass all the while; few connections are made to the slow servers."""
    slow = [Slow(True), Slow(False)]
    local = Phone(border.server.peer(net, "tcp"), border.server.user()).register()
    friend = border.another()
    border.passes(border.signed(agent=friend), marked=True, agent=friend)
    floods = [border.another() for _ in range(4)]
    requests = [border.signed(url=slow[number % 2].url(f"/{number}.cer"), agent=floods[number % 4]) for number in range(URIS)]
    before, begin = memory(border.server), time.monotonic()
    try:
        for number, request in enumerate(requests):
            floods[number % 4].send(request)
            if number % (URIS // OTHERS) == 0:  # somebody whose certificate is known, somebody without Identity, a local user
                border.passes(border.signed(agent=friend), marked=True, agent=friend)
                border.passes(border.unsigned(agent=friend), marked=False, agent=friend)
                sent, came = local.ask(local.agent.new("MESSAGE", border.user.aor, {}, b"hello"), border.phone)
                assert came.body == b"hello"
        most = memory(border.server)
        answers = [border.result(request, floods[number % 4], 40)[0] for number, request in enumerate(requests)]
        assert {answer.code for answer in answers} <= {436, 503}, {answer.start for answer in answers}
        took = time.monotonic() - begin
        assert took < 60  # 32 s and what a slow machine needs
        assert max(one.most for one in slow) <= 16 and sum(len(one.hits) for one in slow) <= 16 * (took / 5 + 2)
        assert max(most, memory(border.server)) - before < GROWTH
        net.wait(lambda: all(one.now == 0 for one in slow), 10, "the end of the fetches")
        border.passes(border.signed(agent=friend), marked=True, agent=friend)
    finally:
        for one in slow:
            one.close()


@pytest.mark.slow
def test_VER_18_a_new_domain_gets_through_when_the_flood_is_over(border, net):
    """A certificate that was never fetched before; nothing of the flood stays behind."""
    slow = Slow(False)
    try:
        requests = [border.signed(url=slow.url(f"/{token()}.cer")) for _ in range(50)]
        for request in requests:
            border.stranger.send(request)
        for request in requests:
            assert border.result(request, timeout=40)[0].code in (436, 503)
    finally:
        slow.close()
    friend, end = border.another(), time.monotonic() + 20
    while True:
        request = border.signed(url=border.abroad.publish("sip:example.org"), agent=friend)
        answer, came = border.outcome(request, friend)
        if answer.code == 200:
            border.check(request, came, marked=True)
            break
        assert answer.code in (436, 503) and time.monotonic() < end, answer.start
        net.idle(0.5)


@pytest.mark.slow
def test_VER_18_names_that_nobody_answers_for(labs, domain, net, tmp_path):
    """Strangers whose names lead to a silent name server hold up themselves: certificates of others are fetched, and the
    server ends when it is told to."""
    silent = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    silent.bind(("127.0.0.1", 0))
    server = labs.server(both_authorities(labs, domain, tmp_path), "identity.verify-inbound=reject",
                         f"server.dns=127.0.0.1:{silent.getsockname()[1]}")
    server.start()
    abroad = Abroad(domain)
    try:
        border = Border(server, net, abroad)
        for number in range(40):
            agent = border.another() if number % 4 == 0 else agent
            agent.send(border.signed(url=f"http://{token('n')}.example/{number}.cer", agent=agent))
        for _ in range(3):
            friend = border.another()
            border.passes(border.signed(url=abroad.publish("DNS:example.org"), agent=friend), marked=True, agent=friend)
    finally:
        server.stop()
        abroad.close()
        silent.close()
