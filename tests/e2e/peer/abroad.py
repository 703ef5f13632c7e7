"""A neighbour domain of the tests' own, example.org: its users sign their requests themselves, its web servers serve what
Identity-Info names, and a server under test stands between them and a phone of one of its users."""

import contextlib
import itertools
import socket
import threading
import time

from peer import certs, identity
from peer.phone import Phone
from peer.sipclient import Agent, StreamPeer, addr_spec, token
from peer.stub import RawWeb, sip_date

DAVE = "sip:dave@example.org"
PHRASES = {428: "Use Identity Header", 436: "Bad Identity-Info", 437: "Unsupported Certificate",
           438: "Invalid Identity Header"}
ASSERTED = "P-Asserted-Identity"


def both_authorities(labs, domain, directory):
    """A file for tls.ca: that of the labs, and that of the neighbours."""
    path = directory / "both.crt"
    path.write_bytes(labs.template.ca.read_bytes() + domain.ca.read_bytes())
    return f"tls.ca={path}"


numbers = itertools.count()


def next_host():
    """Another address of this machine each time: a verifier asks one host for few certificates a second, on behalf of one
    source for few, too."""
    number = next(numbers)
    return f"127.1.{number // 250}.{number % 250 + 1}"


def raw_web(script):
    """A web server without manners, on a host of its own."""
    return RawWeb(script, next_host())


class Abroad:
    """The key and the certificates of example.org, each served on a host of its own; the CA is that of the stubs' domain."""

    def __init__(self, domain):
        self.domain, self.key, self.other_key = domain, certs.rsa_key(52), certs.rsa_key(53)
        self.webs, self.served = {}, {}
        self.url = self.publish("sip:example.org", "DNS:example.org")

    def publish(self, *names, key=None, **options):
        """The URL of a new certificate."""
        return self.page(self.domain.make(*names, key=key or self.key, **options))

    def page(self, content, status="200 OK", kind="application/pkix-cert"):
        """The URL of whatever octets."""
        web = raw_web(lambda sock, _path: sock.sendall(response(content, status, kind=kind)))
        url = web.url(f"/{token()}.cer")
        self.webs[url], self.served[url] = web, content
        return url

    def content(self, url=None):
        """What is served there."""
        return self.served[url or self.url]

    def hits(self, url):
        return len(self.webs[url].hits)

    def close(self):
        for web in self.webs.values():
            web.close()


class Border:
    """A server under test: a stranger of example.org on one connection, and a phone of a local user on another."""

    def __init__(self, server, net, abroad, transport="tcp"):
        self.server, self.net, self.abroad = server, net, abroad
        self.user = server.user()
        self.phone = Phone(server.peer(net, "tcp"), self.user).register()
        self.phone.peer.answer = 200
        self.stranger = self.another(transport)

    def another(self, transport="tcp", name="dave", domain="example.org"):
        """Somebody else; over TCP he has an address of his own, for certificates are fetched for each source so often only."""
        if transport == "tcp":
            sock = socket.create_connection(("127.0.0.1", self.server.port), 10, (next_host(), 0))
            peer = StreamPeer(self.net, sock, "TCP")
        else:
            peer = self.server.peer(self.net, transport)
        peer.behind_proxy = True
        return Agent(peer, name, domain)

    def unsigned(self, method="MESSAGE", body=b"hello", uri=None, agent=None, **headers):
        """A request to the local user; headers with _ for -, None drops what there is."""
        fields = {"Date": sip_date(), **{name.replace("_", "-"): value for name, value in headers.items()}}
        return (agent or self.stranger).new(method, uri or self.user.aor, fields, body)

    def signed(self, method="MESSAGE", body=b"hello", url=None, key=None, alg="rsa-sha1", **more):
        return self.sign(self.unsigned(method, body, **more), url, key, alg)

    def sign(self, request, url=None, key=None, alg="rsa-sha1"):
        return identity.sign(request, key or self.abroad.key, url or self.abroad.url, alg)

    def arrived(self, request):
        """What has come to the phone of it, taken out of its inbox."""
        came = [m for m in self.phone.peer.inbox if m.method and m.one("Call-ID") == request.get("Call-ID")
                and m.cseq[0] == int(request.get("CSeq").split()[0])]
        for message in came:
            self.phone.peer.inbox.remove(message)
        return came

    def outcome(self, request, agent=None, timeout=15):
        """(answer, what came to the phone or None) of a request that is sent now. As any client it tries again behind a 503:
        only so many certificates are fetched in a second."""
        agent, end = agent or self.stranger, time.monotonic() + 10
        while True:
            agent.send(request)
            answer, came = self.result(request, agent, timeout)
            if answer.code != 503 or time.monotonic() > end:
                return answer, came
            self.net.idle(0.1)
            request.set("Via", agent.peer.via())

    def warm(self, url=None):
        """Until the verifier has the certificate."""
        end = time.monotonic() + 10
        while True:
            answer, came = self.outcome(self.signed(url=url))
            if answer.code == 200 and came.all(ASSERTED):
                return self
            assert time.monotonic() < end, answer.start
            self.net.idle(0.1)

    def result(self, request, agent=None, timeout=15):
        answer = (agent or self.stranger).final(request, timeout)
        came = self.arrived(request)
        assert len(came) == (answer.code == 200), f"{answer.start}, and {len(came)} requests came to the phone"
        return answer, came[0] if came else None

    def passes(self, request, marked, agent=None):
        """It reaches the phone, with or without a mark, and nothing else of it is changed."""
        answer, came = self.outcome(request, agent)
        assert answer.code == 200, answer.start
        self.check(request, came, marked)
        return came

    @staticmethod
    def check(request, came, marked):
        asserted = [addr_spec(value)[0] for value in came.all(ASSERTED)]
        assert asserted == ([addr_spec(request.get("From"))[0]] if marked else []), came.all(ASSERTED)
        assert came.body == request.body
        for name in ("Identity", "Identity-Info", "Date", "Call-ID", "From", "To"):
            assert came.all(name) == [value for key, value in request.headers if key.lower() == name.lower()], name

    def refused(self, request, code, phrase=None, agent=None):
        answer, came = self.outcome(request, agent)
        assert answer.code == code and came is None, f"{answer.start}, not {code}"
        if phrase := phrase or PHRASES.get(code):
            assert answer.reason == phrase
        return answer

    def counts(self):
        """(signed, verified, failed) of `vouch status`."""
        done = self.server.admin("status")
        assert done.returncode == 0, done.stderr
        words = [line.split() for line in done.stdout.splitlines()]
        found = {one[1]: int(one[2]) for one in words if one[:1] == ["identity"] and len(one) == 3}
        return tuple(found[name] for name in ("signed", "verified", "failed"))


class Gate:
    """A web server that holds every answer back until it is opened."""

    def __init__(self, content):
        self.opened, self.content = threading.Event(), content
        self.web = raw_web(self.script)

    def script(self, sock, _path):
        self.opened.wait(20)
        sock.sendall(response(self.content))


def response(content, status="200 OK", *headers, kind="application/pkix-cert"):
    """The octets of an HTTP response."""
    lines = [f"HTTP/1.1 {status}", f"Content-Type: {kind}", f"Content-Length: {len(content)}",
             "Connection: close", *headers, "", ""]
    return "\r\n".join(lines).encode() + content


def redirect(*locations):
    """The script of a web server that sends /N to the N-th location."""
    def script(sock, path):
        sock.sendall(response(b"", "302 Found", f"Location: {locations[int(path.strip('/'))]}"))
    return script


@contextlib.contextmanager
def listener(host="127.0.0.1"):
    """A port that counts the connections to it, and never answers. Host None: every address of this machine."""
    if host is None and socket.has_dualstack_ipv6():
        sock = socket.create_server(("", 0), family=socket.AF_INET6, dualstack_ipv6=True)
    else:
        sock = socket.create_server((host or "0.0.0.0", 0))
    seen = []

    def accept():
        while True:
            try:
                seen.append(sock.accept()[0])
            except OSError:
                return

    thread = threading.Thread(target=accept, daemon=True)
    thread.start()
    try:
        yield sock.getsockname()[1], seen
    finally:
        with contextlib.suppress(OSError):
            sock.shutdown(socket.SHUT_RDWR)
        sock.close()
        for one in seen:
            one.close()


def change_after(request):
    """Makes a signature wrong."""
    request.body += b"!"
    return request
