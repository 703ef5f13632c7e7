"""A small SIP client for the tests: messages, sockets, user agents, subscriptions. It shares nothing with vouch."""

import itertools
import os
import re
import selectors
import socket
import ssl
import time

from peer import certs, digest, multipart, reader

COMPACT = {"v": "via", "f": "from", "t": "to", "i": "call-id", "m": "contact", "c": "content-type", "e":
           "content-encoding", "l": "content-length", "s": "subject", "k": "supported", "o": "event", "u":
           "allow-events", "y": "identity", "n": "identity-info", "r": "refer-to", "b": "referred-by"}
LENGTH = re.compile(rb"^(?:content-length|l)[ \t]*:[ \t]*(\d+)[ \t]*$", re.I | re.M)
counter = itertools.count(1)


# As long as phones are: over UDP a stranger gets no more than twice the octets of what he sends (G14).
USER_AGENT = "agent of the tests/1.0 (as long in its name as many phones)"


class Timeout(AssertionError):
    """What a test waited for did not come."""


def token(prefix=""):
    return f"{prefix}{os.urandom(6).hex()}{next(counter)}"


def split(value):
    """The comma-separated elements of a header value, with regard to quotes and angle brackets."""
    out, depth, quoted, start = [], 0, False, 0
    for at, char in enumerate(value):
        if char == '"' and value[at - 1:at] != "\\":
            quoted = not quoted
        elif not quoted and char in "<>":
            depth += 1 if char == "<" else -1
        elif not quoted and char == "," and depth == 0:
            out.append(value[start:at].strip())
            start = at + 1
    return [element for element in out + [value[start:].strip()] if element]


def addr_spec(value):
    """(URI, header parameters) of a From, To or Contact value; the octets of the URI are left alone."""
    unquoted = re.sub(r'"(?:[^"\\]|\\.)*"', lambda found: "_" * len(found[0]), value)
    left = unquoted.find("<")
    if left < 0:
        uri, _, rest = value.partition(";")
        return uri.strip(), rest
    right = unquoted.index(">", left)
    return value[left + 1:right], value[right + 1:].strip().lstrip(";")


def parameters(text):
    """{name: value} of ';'-separated parameters; a parameter without value has the value ''."""
    out = {}
    for piece in text.split(";"):
        name, _, value = piece.strip().partition("=")
        if name:
            assert name.lower() not in out, f"{name} twice in {text!r}"
            out[name.strip().lower()] = value.strip()
    return out


def tag(value):
    return parameters(addr_spec(value)[1]).get("tag")


class Message:
    """A received message: start line, unfolded header fields in order, body octets, and the octets as they came."""

    def __init__(self, raw, peer=None):
        head, blank, self.body = raw.partition(b"\r\n\r\n")
        assert blank, f"no end of headers in {raw[:200]!r}"
        self.raw, self.peer, self.time = raw, peer, time.monotonic()
        self.start, *lines = re.sub(r"\r\n[ \t]+", " ", head.decode("latin-1")).split("\r\n")
        self.headers = []
        for line in lines:
            name, colon, value = line.partition(":")
            assert colon and re.fullmatch(r"[A-Za-z0-9.!%*_+`'~-]+[ \t]*", name), f"header line {line!r}"
            name = name.strip().lower()
            self.headers.append((COMPACT.get(name, name), value.strip()))
        self.code = self.method = None
        if self.start.startswith("SIP/2.0 "):
            _, code, self.reason = self.start.split(" ", 2)
            self.code = int(code)
        else:
            self.method, self.uri, version = self.start.split(" ")
            assert version == "SIP/2.0", self.start

    def __repr__(self):
        return f"<{self.start} | {self.cseq[0]} {self.cseq[1]}>"

    def all(self, name):
        return [value for key, value in self.headers if key == name.lower()]

    def one(self, name):
        values = self.all(name)
        assert len(values) == 1, f"{len(values)} times {name} in {self.start!r}"
        return values[0]

    def get(self, name):
        """The value of a header field that may be absent, but not be there twice."""
        return self.one(name) if self.all(name) else None

    def values(self, name):
        """All elements of a comma-separated header field."""
        return [element for value in self.all(name) for element in split(value)]

    @property
    def cseq(self):
        number, method = self.one("CSeq").split()
        return int(number), method

    @property
    def branch(self):
        return parameters(split(self.all("Via")[0])[0].partition(";")[2]).get("branch")

    @property
    def event(self):
        """(package, parameters) of the Event header field."""
        package, _, rest = self.one("Event").partition(";")
        return package.strip(), parameters(rest)

    @property
    def state(self):
        """(state, parameters) of the Subscription-State header field."""
        state, _, rest = self.one("Subscription-State").partition(";")
        return state.strip(), parameters(rest)

    @property
    def expires(self):
        return int(self.one("Expires"))

    @property
    def etag(self):
        return self.one("SIP-ETag")


class Request:
    """A request under construction: every header field can be replaced, doubled or left out."""

    def __init__(self, method, uri, headers=(), body=b""):
        self.method, self.uri, self.body = method, uri, body
        self.headers = [list(pair) for pair in headers]

    def get(self, name):
        return next((value for key, value in self.headers if key.lower() == name.lower()), None)

    def set(self, name, value):
        """Replace the field (None removes it), or append it."""
        at = next((i for i, pair in enumerate(self.headers) if pair[0].lower() == name.lower()), len(self.headers))
        self.headers = [pair for pair in self.headers if pair[0].lower() != name.lower()]
        if value is not None:
            self.headers.insert(at, [name, str(value)])
        return self

    def add(self, name, value):
        self.headers.append([name, value])
        return self

    def copy(self):
        return Request(self.method, self.uri, self.headers, self.body)

    def encode(self):
        lines = [f"{self.method} {self.uri} SIP/2.0"] + [f"{name}: {value}" for name, value in self.headers]
        if self.get("Content-Length") is None:
            lines.append(f"Content-Length: {len(self.body)}")
        return "\r\n".join(lines).encode("latin-1") + b"\r\n\r\n" + self.body


def conform(message):
    """What every message of the server satisfies, whatever the test is about.

    CRT-18, EVT-03, EVT-04, EVT-17, EVT-18, AUT-08, AUT-09 and TLS-09 have tests of their own as well."""
    for name in ("From", "To", "Call-ID", "CSeq", "Content-Length"):
        message.one(name)
    assert int(message.one("Content-Length")) == len(message.body), message.raw
    assert b"transport=tls" not in message.raw.partition(b"\r\n\r\n")[0].lower(), message.raw
    if message.code:
        assert message.code == 100 or 200 <= message.code <= 699 and message.code not in (202, 408), message.start
        assert message.code == 100 or tag(message.one("To")), f"no To tag in {message.start}"
        for name in ("Event", "Subscription-State", "Identity", "Identity-Info"):
            assert not message.all(name), f"{name} in a response: {message.start}"
        return
    assert message.method == "NOTIFY", f"unexpected {message.start}"
    assert message.cseq[1] == "NOTIFY"
    assert 0 < int(message.one("Max-Forwards")) <= 70
    assert len(message.values("Via")) == 1 and message.branch.startswith("z9hG4bK"), message.all("Via")
    assert message.event[0] in ("certificate", "credential") and not message.all("Expires")
    for name in ("Contact", "Date", "Identity", "Identity-Info"):
        message.one(name)
    state, rest = message.state
    assert state in ("active", "terminated"), state
    if state == "active":
        assert int(rest["expires"]) >= 0
    else:
        assert rest.get("reason") and "expires" not in rest, message.one("Subscription-State")


class Net:
    """The sockets of one test behind one selector: whoever waits, everybody's traffic is handled."""

    def __init__(self):
        self.selector = selectors.DefaultSelector()
        self.open = []

    def add(self, sock, owner):
        sock.setblocking(False)
        self.open.append(sock)
        self.selector.register(sock, selectors.EVENT_READ, owner)

    def remove(self, sock):
        if sock in self.open:
            self.open.remove(sock)
            self.selector.unregister(sock)
            sock.close()

    def pump(self, seconds):
        for key, _ in self.selector.select(seconds):
            key.data.readable(key.fileobj)

    def wait(self, ready, timeout, what):
        """The first true value of ready(), or Timeout."""
        end = time.monotonic() + timeout
        while not (found := ready()):
            left = end - time.monotonic()
            if left <= 0:
                raise Timeout(f"{what} did not come within {timeout} s")
            self.pump(min(left, 0.2))
        return found

    def idle(self, seconds):
        """Handle traffic for so long: for tests that show that nothing comes."""
        end = time.monotonic() + seconds
        while (left := end - time.monotonic()) > 0:
            self.pump(left)

    def close(self):
        for sock in list(self.open):
            self.remove(sock)
        self.selector.close()


def host_port(address):
    """The text of a socket's address in a URI or Via."""
    return f"[{address[0]}]:{address[1]}" if ":" in address[0] else f"{address[0]}:{address[1]}"


class Peer:
    """One end of the tests'. Received messages go to `inbox`; a NOTIFY is answered at once with `answer`.

    `answer` is a status, a function of the NOTIFY that gives one, or None: then the test answers itself."""

    def __init__(self, net, transport, inbox=None):
        self.net, self.transport = net, transport
        self.inbox = [] if inbox is None else inbox
        self.answer, self.closed = 200, False
        self.behind_proxy = False  # what comes may be of somebody else, passed on
        self.answered, self.copies = {}, []

    def via(self):
        return f"SIP/2.0/{self.transport} {self.address};branch={token('z9hG4bK')};rport"

    def receive(self, raw, source=None):
        message = Message(raw, self)
        reader.agree(message)
        if not self.behind_proxy:
            conform(message)
        message.source = source
        if message.code is None:
            known = (message.branch, message.cseq)
            self.copies.append(message)
            if known in self.answered:
                if self.answered[known]:
                    self.send(self.answered[known], source)
                return
            self.answered[known] = None
            status = self.answer(message) if callable(self.answer) else self.answer
            if status:
                self.reply(message, status)
        self.inbox.append(message)

    def reply(self, message, code, reason="Answer of the test"):
        """Answer a NOTIFY."""
        headers = [pair for pair in message.headers if pair[0] in ("via", "from", "to", "call-id", "cseq")]
        lines = [f"SIP/2.0 {code} {reason}"] + [f"{name}: {value}" for name, value in headers] + ["Content-Length: 0"]
        answer = "\r\n".join(lines).encode("latin-1") + b"\r\n\r\n"
        message.peer.answered[(message.branch, message.cseq)] = answer
        message.peer.send(answer, message.source)

    def take(self, match, timeout=5, what="the message"):
        """Wait for a message that matches, and take it out of the inbox."""
        def ready():
            found = next(filter(match, self.inbox), None)
            if not found and self.closed:
                raise Timeout(f"the connection was closed before {what} came")
            return found

        found = self.net.wait(ready, timeout, what)
        self.inbox.remove(found)
        return found


class UdpPeer(Peer):
    """A UDP socket, with a TCP listener on the same port for what is too large for a datagram."""

    def __init__(self, net, server, listen_tcp=True, host=None):
        super().__init__(net, "UDP")
        self.server, self.host = server, host or server[0]
        self.datagrams, self.streams = [], []
        while True:
            self.family = socket.AF_INET6 if ":" in server[0] else socket.AF_INET
            self.sock = socket.socket(self.family, socket.SOCK_DGRAM)
            self.sock.bind((self.host, 0))
            self.port = self.sock.getsockname()[1]
            self.listener = listen_tcp and self.listen()
            if self.listener or not listen_tcp:
                break
            self.sock.close()
        self.address = host_port((self.host, self.port))
        net.add(self.sock, self)
        if self.listener:
            net.add(self.listener, self)

    def listen(self):
        listener = socket.socket(self.family)
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listener.bind((self.host, self.port))
        except OSError:
            listener.close()
            return None
        listener.listen(16)
        return listener

    def send(self, data, to=None):
        self.sock.sendto(data, to or self.server)

    def readable(self, sock):
        if sock is self.listener:
            stream = StreamPeer(self.net, sock.accept()[0], "TCP", self.inbox)
            stream.behind_proxy = self.behind_proxy
            stream.answer = lambda message: self.answer(message) if callable(self.answer) else self.answer
            self.streams.append(stream)
            return
        data, source = sock.recvfrom(65536)
        self.datagrams.append(data)
        assert source[:2] == self.server, f"a datagram from {source} at {self.host}: {data[:600]!r}"
        self.receive(data, source)

    def close(self):
        for stream in self.streams:
            stream.close()
        self.net.remove(self.sock)
        if self.listener:
            self.net.remove(self.listener)


class StreamPeer(Peer):
    """A TCP or TLS connection."""

    def __init__(self, net, sock, transport, inbox=None):
        super().__init__(net, transport, inbox)
        self.sock, self.buffer = sock, b""
        self.address = host_port(sock.getsockname())
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        net.add(sock, self)

    def send(self, data, _to=None):
        self.sock.settimeout(10)
        self.sock.sendall(data)
        self.sock.setblocking(False)

    def readable(self, _sock):
        ended = False
        try:
            while data := self.sock.recv(65536):
                self.buffer += data
            ended = True
        except (BlockingIOError, ssl.SSLWantReadError):
            pass
        except OSError:
            ended = True
        if ended:
            self.close()
        self.frame()

    def frame(self):
        while True:
            self.buffer = self.buffer.lstrip(b"\r\n")
            head, blank, rest = self.buffer.partition(b"\r\n\r\n")
            if not blank:
                return
            length = LENGTH.search(head.replace(b"\r", b""))
            assert length, f"no Content-Length on a stream: {head!r}"
            if len(rest) < (size := int(length[1])):
                return
            self.buffer = rest[size:]
            self.receive(head + blank + rest[:size])

    def close(self):
        self.closed = True
        self.net.remove(self.sock)

    def wait_closed(self, timeout=5):
        self.net.wait(lambda: self.closed, timeout, "the end of the connection")


def tls_context(ca_file=None, ciphers=None, version=None, certificate=None):
    """A client context. Names are checked by tls_connect, since Python knows no SIP URI names."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.load_verify_locations(ca_file)
    if ciphers:
        context.set_ciphers(ciphers)
    if version:
        context.minimum_version = context.maximum_version = version
    if certificate:
        context.load_cert_chain(*certificate)
    return context


def tls_connect(port, context, name="example.com", expect=None, source="127.0.0.1", host="127.0.0.1"):
    """A TLS connection to the host whose certificate is for the domain `expect` (default: the name asked for)."""
    sock = socket.create_connection((host, port), 10, (source, 0))
    try:
        secure = context.wrap_socket(sock, server_hostname=name)
    except OSError:
        sock.close()
        raise
    assert certs.names_domain(secure.getpeercert(binary_form=True), expect or name)
    return secure


class Agent:
    """A user agent on one peer. With a password it answers digest challenges."""

    def __init__(self, peer, user="watcher", domain="example.com", password=None):
        self.peer, self.net, self.user, self.domain, self.password = peer, peer.net, user, domain, password
        self.aor, self.sips = f"sip:{user}@{domain}", f"sips:{user}@{domain}"
        self.algorithm, self.qop = "SHA-256", "auth"

    def new(self, method, uri, headers=None, body=b""):
        """A request outside any dialog; `headers` replaces (or with None drops) what is set here."""
        secure = uri.startswith("sips:")
        request = Request(method, uri, [
            ("Via", self.peer.via()),
            ("Max-Forwards", "70"),
            ("From", f"<{self.sips if secure else self.aor}>;tag={token()}"),
            ("To", f"<{uri}>"),
            ("Call-ID", f"{token()}@test.invalid"),
            ("CSeq", f"1 {method}"),
            ("User-Agent", USER_AGENT),
        ], body)
        if method == "SUBSCRIBE":
            request.add("Contact", f"<{'sips' if secure else 'sip'}:{self.user}@{self.peer.address}"
                                   f"{';transport=tcp' if self.peer.transport == 'TCP' else ''}>")
        for name, value in (headers or {}).items():
            request.set(name, value)
        return request

    def send(self, request):
        self.peer.send(request.encode())

    def final(self, request, timeout=10):
        """The final response to a request that was sent."""
        branch = parameters(request.get("Via").partition(";")[2])["branch"]
        sent = tuple(request.get("CSeq").split())

        def ours(message):
            return message.code and message.code >= 200 and message.branch == branch \
                and message.cseq == (int(sent[0]), sent[1])

        response = self.peer.take(ours, timeout, f"the answer to {request.method} {request.uri}")
        assert response.one("Call-ID") == request.get("Call-ID") and response.one("From") == request.get("From")
        return response

    def exchange(self, request, timeout=10):
        self.send(request)
        return self.final(request, timeout)

    def authorize(self, request, challenge, **options):
        """The request again, with credentials, the next CSeq and a new branch."""
        again = request.copy()
        number = int(request.get("CSeq").split()[0]) + 1
        again.set("CSeq", f"{number} {request.method}").set("Via", self.peer.via())
        options.setdefault("qop", self.qop)
        again.set("Authorization", digest.answer(challenge, options.pop("user", self.user),
                                                 options.pop("password", self.password), request.method,
                                                 options.pop("uri", request.uri), request.body, **options))
        return again

    def pick(self, response):
        """The challenge of the response for our algorithm; the only one, if there is no choice."""
        offered = digest.challenges(response)
        return next((c for c in offered if c.get("algorithm", "MD5") == self.algorithm), offered[0])

    def challenge(self, uri=None):
        """A fresh challenge, got by a PUBLISH without credentials."""
        refused = self.exchange(self.new("PUBLISH", uri or self.sips, {"Event": "credential", "Expires": 0}))
        assert refused.code == 401, refused.start
        return self.pick(refused)

    def run(self, request, timeout=10):
        """Send and, if challenged and a password is there, send again. Gives (last request, response).

        As any client it also obeys one stale=true: a nonce may die while the answer to it is under way."""
        response = self.exchange(request, timeout)
        who = {"user": self.user, "password": self.password}
        if self.password is None and self.peer.transport == "UDP":
            who = {"user": "anonymous", "password": ""}  # RFC 3261 22.1; here it proves the address (CRT-32)
        for attempt in range(2):
            if response.code != 401 or who["password"] is None:
                break
            challenge = self.pick(response)
            if attempt and challenge.get("stale", "").lower() != "true":
                break
            request = self.authorize(request, challenge, **who)
            response = self.exchange(request, timeout)
        return request, response

    def call(self, method, uri, headers=None, body=b"", timeout=10):
        return self.run(self.new(method, uri, headers, body), timeout)[1]

    def options(self):
        return self.call("OPTIONS", f"sip:{self.domain}")

    def publish(self, certificate=b"", key=None, uri=None, headers=None):
        """PUBLISH a certificate, a certificate with PKCS#8 object, or (no certificate) nothing."""
        kind, body = None, certificate
        if certificate:
            kind = "application/pkix-cert"
        if key is not None:
            kind, body = multipart.credential(certificate, key)
        fields = {"Event": "credential", "Content-Type": kind}
        fields.update(headers or {})
        return self.call("PUBLISH", uri or self.sips, fields, body)

    def revoke(self):
        response = self.publish(headers={"Expires": 0})
        assert response.code == 200, response.start
        return response

    def try_subscribe(self, uri, event="certificate", expires=3600, headers=None, body=b""):
        """The final response to a SUBSCRIBE."""
        fields = {"Event": event, "Expires": expires}
        fields.update(headers or {})
        return self.call("SUBSCRIBE", uri, fields, body)

    def subscribe(self, uri=None, event="certificate", expires=3600, headers=None, body=b""):
        """An accepted subscription with its first NOTIFY. Default URI: the certificate of oneself."""
        fields = {"Event": event, "Expires": expires}
        fields.update(headers or {})
        uri = uri or (self.sips if event == "credential" else self.aor)
        request, response = self.run(self.new("SUBSCRIBE", uri, fields, body))
        assert response.code == 200, f"{response.start} to SUBSCRIBE {uri}"
        subscription = Subscription(self, request, response)
        subscription.next()
        return subscription

    def fetch(self, uri=None):
        """The certificate of a URI by a poll; b'' if there is none."""
        subscription = self.subscribe(uri, expires=0)
        return certificate_of(subscription.notify)

    def fetch_credential(self):
        """(certificate, PKCS#8 object) of oneself by a poll."""
        return credential_of(self.subscribe(event="credential", expires=0).notify)


class Subscription:
    """The subscriber's side of a subscription."""

    def __init__(self, agent, request, response):
        self.agent, self.request, self.response = agent, request, response
        self.call_id, self.local = request.get("Call-ID"), tag(request.get("From"))
        self.remote = tag(response.one("To"))
        self.target = addr_spec(response.one("Contact"))[0]
        self.number = int(request.get("CSeq").split()[0])
        self.notify, self.last = None, None

    def owns(self, message):
        return message.method == "NOTIFY" and message.one("Call-ID") == self.call_id \
            and tag(message.one("To")) == self.local and tag(message.one("From")) == self.remote

    def next(self, timeout=5):
        """The next NOTIFY of this dialog, checked against the SUBSCRIBE (CRT-17, EVT-04)."""
        notify = self.agent.peer.take(self.owns, timeout, f"NOTIFY of {self.request.uri}")
        assert addr_spec(notify.one("From"))[0] == addr_spec(self.request.get("To"))[0]
        assert addr_spec(notify.one("To"))[0] == addr_spec(self.request.get("From"))[0]
        assert notify.event[0] == self.request.get("Event").partition(";")[0]
        assert self.last is None or notify.cseq[0] > self.last, "CSeq of NOTIFY does not grow"
        self.notify, self.last = notify, notify.cseq[0]
        return notify

    def silent(self, seconds=0.7):
        """Nothing comes for so long."""
        self.agent.net.idle(seconds)
        assert not [m for m in self.agent.peer.inbox if self.owns(m)], f"unexpected NOTIFY of {self.request.uri}"

    def again(self, expires=3600, headers=None):
        """A SUBSCRIBE inside the dialog, not yet sent."""
        self.number += 1
        request = self.request.copy()
        request.uri = self.target
        request.set("Via", self.agent.peer.via()).set("CSeq", f"{self.number} SUBSCRIBE").set("Authorization", None)
        request.set("To", f"{self.request.get('To')};tag={self.remote}").set("Expires", expires)
        for name, value in (headers or {}).items():
            request.set(name, value)
        return request

    def refresh(self, expires=3600, headers=None):
        """The response to a SUBSCRIBE inside the dialog."""
        sent, response = self.agent.run(self.again(expires, headers))
        self.number = int(sent.get("CSeq").split()[0])
        return response


def certificate_of(notify):
    """The body of a certificate NOTIFY: one certificate, or b''."""
    assert notify.event[0] == "certificate"
    if not notify.body:
        assert not notify.all("Content-Type"), "Content-Type without a body"
        return b""
    assert notify.one("Content-Type").lower() == "application/pkix-cert"
    assert notify.one("Content-Disposition").partition(";")[0].strip() == "signal"
    return notify.body


def credential_of(notify):
    """(certificate, PKCS#8 object or None) of a credential NOTIFY; (b'', None) when its body is empty."""
    assert notify.event[0] == "credential"
    if not notify.body:
        assert not notify.all("Content-Type"), "Content-Type without a body"
        return b"", None
    assert notify.one("Content-Disposition").partition(";")[0].strip() == "signal"
    parts = multipart.parse(notify.one("Content-Type"), notify.body)
    kinds = [part.type for part in parts]
    assert kinds in (["application/pkix-cert"], ["application/pkix-cert", "application/pkcs8"]), kinds
    return parts[0].body, parts[1].body if len(parts) == 2 else None
