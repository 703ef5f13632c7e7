"""A neighbour domain of the tests' own, example.org: its users sign their requests themselves, its web servers serve what
Identity-Info names, and a server under test stands between them and a phone of one of its users."""

import contextlib
import socket
import threading

import certs
import identity
from phone import Phone
from sipclient import Agent, addr_spec, token
from stub import RawWeb, sip_date

DAVE = "sip:dave@example.org"
PHRASES = {428: "Use Identity Header", 436: "Bad Identity-Info", 437: "Unsupported Certificate",
           438: "Invalid Identity Header"}
ASSERTED = "P-Asserted-Identity"


def both_authorities(labs, domain, directory):
    """A file for tls.ca: that of the labs, and that of the neighbours."""
    path = directory / "both.crt"
    path.write_bytes(labs.template.ca.read_bytes() + domain.ca.read_bytes())
    return f"tls.ca={path}"


class Abroad:
    """The key, the certificate and the web pages of example.org; the CA is that of the stubs' domain."""

    def __init__(self, domain):
        self.domain, self.web, self.key, self.other_key = domain, domain.web, certs.rsa_key(52), certs.rsa_key(53)
        self.url = self.publish("sip:example.org", "DNS:example.org")

    def publish(self, *names, key=None, **options):
        """The URL of a new certificate."""
        return self.domain.publish(f"/{token()}.cer", *names, key=key or self.key, **options)

    def page(self, content, status=200, kind="application/pkix-cert"):
        """The URL of whatever octets."""
        path = f"/{token()}.cer"
        self.web.pages[path] = status, kind, content
        return self.web.url(path)

    def content(self, url=None):
        """What is served there."""
        return self.web.pages["/" + (url or self.url).rpartition("/")[2]][2]

    def hits(self, url):
        return self.web.hits.count("/" + url.rpartition("/")[2])


class Border:
    """A server under test: a stranger of example.org on one connection, and a phone of a local user on another."""

    def __init__(self, server, net, abroad, transport="tcp"):
        self.server, self.net, self.abroad = server, net, abroad
        self.user = server.user()
        self.phone = Phone(server.peer(net, "tcp"), self.user).register()
        self.phone.peer.answer = 200
        self.stranger = self.another(transport)

    def another(self, transport="tcp", name="dave", domain="example.org"):
        agent = Agent(self.server.peer(self.net, transport), name, domain)
        agent.peer.behind_proxy = True
        return agent

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
        """(status, what came to the phone or None) of a request that is sent now."""
        agent = agent or self.stranger
        agent.send(request)
        return self.result(request, agent, timeout)

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
        self.web = RawWeb(self.script)

    def script(self, sock, _path):
        self.opened.wait(20)
        sock.sendall(response(self.content))


def response(content, status="200 OK", *headers):
    """The octets of an HTTP response."""
    lines = [f"HTTP/1.1 {status}", "Content-Type: application/pkix-cert", f"Content-Length: {len(content)}",
             "Connection: close", *headers, "", ""]
    return "\r\n".join(lines).encode() + content


def redirect(*locations):
    """The script of a web server that sends /N to the N-th location."""
    def script(sock, path):
        sock.sendall(response(b"", "302 Found", f"Location: {locations[int(path.strip('/'))]}"))
    return script


@contextlib.contextmanager
def listener(host="127.0.0.1"):
    """A port that counts the connections to it, and never answers."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    sock, seen = socket.create_server((host, 0), family=family), []

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
