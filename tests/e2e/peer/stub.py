"""Servers of the tests' own, for the user-agent verbs: SIP over TLS (or TCP), and HTTP for Identity-Info.

They run in threads, because the verb is another process that the test waits for."""

import contextlib
import email.utils
import http.server
import queue
import select
import socket
import ssl
import threading
import time
import zlib

from peer import certs, digest, identity, multipart
from peer.sipclient import LENGTH, Message, Request, addr_spec, tag, token


class Connection:
    """One accepted connection: what came, and a way to answer.

    A test may send while the thread of the connection reads; OpenSSL must not do both at once on one connection."""

    def __init__(self, sock, port):
        self.sock, self.port, self.lock = sock, port, threading.Lock()

    def send(self, data):
        with self.lock:
            self.sock.sendall(data)

    def receive(self):
        """Some octets; none at the end."""
        while True:
            with self.lock:
                self.sock.settimeout(0)
                try:
                    return self.sock.recv(65536)
                except (BlockingIOError, ssl.SSLWantReadError):
                    pass
                finally:
                    self.sock.settimeout(60)
            if not select.select([self.sock], [], [], 60)[0]:
                return b""

    def messages(self, count):
        """The messages that come, until the peer closes; `count` is told the octets of each read."""
        buffer = b""
        while True:
            head, blank, rest = buffer.lstrip(b"\r\n").partition(b"\r\n\r\n")
            size = int(LENGTH.search(head.replace(b"\r", b""))[1]) if blank else 0
            if blank and len(rest) >= size:
                buffer = rest[size:]
                yield Message(head + blank + rest[:size])
                continue
            try:
                data = self.receive()
            except (OSError, ValueError):
                return
            if not data:
                return
            count(len(data))
            buffer += data

    def reply(self, request, code, reason="OK", headers=(), body=b""):
        """Answer a request; the To tag is made from the Call-ID."""
        lines = [f"SIP/2.0 {code} {reason}"]
        for name, value in request.headers:
            if name in ("via", "from", "call-id", "cseq"):
                lines.append(f"{name}: {value}")
        to = request.one("To")
        lines.append(f"To: {to}" if tag(to) else f"To: {to};tag={remote_tag(request)}")
        lines += [f"{name}: {value}" for name, value in headers] + [f"Content-Length: {len(body)}"]
        self.send("\r\n".join(lines).encode() + b"\r\n\r\n" + body)

    def abort(self):
        """Break the connection."""
        self.sock.shutdown(socket.SHUT_RDWR)

    def accept_subscribe(self, request, expires, code=200):
        scheme = "sips" if request.uri.startswith("sips:") else "sip"
        self.reply(request, code, headers=[("Expires", expires),
                                           ("Contact", f"<{scheme}:server@127.0.0.1:{self.port};gr>")])


def remote_tag(request):
    return f"stub{zlib.crc32(request.one('Call-ID').encode())}"


def asked_expires(request):
    return int(request.get("Expires") or 86400)


class Stub:
    """A SIP server: `script(stub, connection, request)` is called for every request.

    `requests` and `responses` (to our NOTIFYs) are what came; `octets` counts everything after the handshake."""

    def __init__(self, script, certificate=None, key=None, host="127.0.0.1"):
        self.script = script
        self.requests, self.responses, self.octets, self.connections = [], queue.Queue(), 0, 0
        self.context = None
        if certificate:
            self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            self.context.load_cert_chain(certificate, key)
        self.listener = socket.create_server((host, 0), family=socket.AF_INET6 if ":" in host else socket.AF_INET)
        self.port = self.listener.getsockname()[1]
        self.failures = []
        threading.Thread(target=self.accept, daemon=True).start()

    def accept(self):
        while True:
            try:
                sock, _ = self.listener.accept()
            except OSError:
                return
            self.connections += 1
            threading.Thread(target=self.serve, args=(sock,), daemon=True).start()

    def serve(self, sock):
        sock.settimeout(60)
        try:
            if self.context:
                sock = self.context.wrap_socket(sock, server_side=True)
        except OSError:
            sock.close()
            return
        connection = Connection(sock, self.port)
        try:
            for message in connection.messages(self.count):
                if message.code is None:
                    self.requests.append(message)
                    self.script(self, connection, message)
                else:
                    self.responses.put(message)
        except OSError:
            pass
        except Exception as error:
            self.failures.append(error)
        finally:
            sock.close()

    def count(self, octets):
        self.octets += octets

    def answer(self, timeout=10):
        """The next response of the verb to a NOTIFY."""
        return self.responses.get(timeout=timeout)

    def methods(self):
        return [request.method for request in self.requests]

    def stop_listening(self):
        """A closed socket goes on accepting as long as a thread waits in accept; this wakes it."""
        with contextlib.suppress(OSError):
            self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()

    def close(self):
        """End; an error inside a script is an error of the test."""
        self.stop_listening()
        assert not self.failures, self.failures


class Web:
    """An HTTP or HTTPS server; `pages` maps paths to (status, type, octets), `hits` lists what was asked for."""

    def __init__(self, context=None):
        self.pages, self.hits = {}, []
        web = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self):
                web.hits.append(self.path)
                status, kind, content = web.pages.get(self.path, (404, "text/plain", b"none"))
                self.send_response(status)
                self.send_header("Content-Type", kind)
                self.send_header("Content-Length", str(len(content)))
                self.end_headers()
                self.wfile.write(content)

            def log_message(self, *_arguments):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        if context:
            self.server.socket = context.wrap_socket(self.server.socket, server_side=True)
        self.scheme, self.port = "https" if context else "http", self.server.server_address[1]
        threading.Thread(target=self.server.serve_forever, args=(0.05,), daemon=True).start()

    def url(self, path):
        return f"{self.scheme}://127.0.0.1:{self.port}{path}"

    def close(self):
        self.server.shutdown()
        self.server.server_close()


class RawWeb:
    """A web server without manners: `script(socket, path)` writes what it likes; the connection is closed behind it."""

    def __init__(self, script, host="127.0.0.1"):
        self.script, self.host, self.hits, self.heads = script, host, [], []
        self.listener = socket.create_server((host, 0))
        self.port = self.listener.getsockname()[1]
        threading.Thread(target=self.accept, daemon=True).start()

    def accept(self):
        while True:
            try:
                sock, _ = self.listener.accept()
            except OSError:
                return
            threading.Thread(target=self.serve, args=(sock,), daemon=True).start()

    def serve(self, sock):
        sock.settimeout(30)
        try:
            head = b""
            while b"\r\n\r\n" not in head:
                data = sock.recv(4096)
                if not data:
                    return
                head += data
            path = head.split()[1].decode()
            self.hits.append(path)
            self.heads.append(head)
            self.script(sock, path)
        except OSError:
            pass
        finally:
            sock.close()

    def url(self, path="/example.cer"):
        return f"http://{self.host}:{self.port}{path}"

    def close(self):
        try:
            self.listener.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass
        self.listener.close()


class Domain:
    """The CA, the certificates and the web server behind the stubs: the honest example.com, and its enemies."""

    def __init__(self, directory):
        self.directory = directory
        self.authority = certs.authority()
        self.ca = directory / "ca.crt"
        self.ca.write_bytes(certs.pem(self.authority[0]))
        self.web = Web()
        self.tls = self.files("tls", "sip:example.com", "DNS:example.com", "IP:127.0.0.1", key=certs.rsa_key(50))
        self.key = certs.rsa_key(51)
        self.url = self.publish("/example.cer", "sip:example.com", "DNS:example.com", key=self.key)

    def make(self, *names, key=None, issuer=None, **options):
        """A certificate of the CA, or with issuer=False a self-signed one."""
        issuer = self.authority if issuer is None else issuer or None
        return certs.certificate(*names, key=key or self.key, issuer=issuer, cn=options.pop("cn", "host"), **options)

    def files(self, name, *names, **options):
        """(certificate file, key file)."""
        key = options.setdefault("key", certs.rsa_key(50))
        paths = self.directory / f"{name}.crt", self.directory / f"{name}.key"
        paths[0].write_bytes(certs.pem(self.make(*names, **options)))
        paths[1].write_bytes(certs.key_pem(key))
        return paths

    def publish(self, path, *names, **options):
        """Puts a certificate on the web; gives its URL."""
        self.web.pages[path] = 200, "application/pkix-cert", self.make(*names, **options)
        return self.web.url(path)

    def notify(self, request, port, body=b"", event=None, state="active;expires=3600", kind=None, number=1, key=None,
               url=None, alg="rsa-sha1", before=None, after=None):
        """The octets of a signed NOTIFY in the dialog of a SUBSCRIBE.

        `before` changes it before it is signed, `after` when it is signed."""
        user = addr_spec(request.one("To"))[0]
        notify = Request("NOTIFY", addr_spec(request.one("Contact"))[0], [
            ("Via", f"SIP/2.0/TLS 127.0.0.1:{port};branch={token('z9hG4bK')}"),
            ("Max-Forwards", "70"),
            ("From", f"<{user}>;tag={remote_tag(request)}"),
            ("To", request.one("From")),
            ("Call-ID", request.one("Call-ID")),
            ("CSeq", f"{number} NOTIFY"),
            ("Contact", f"<{'sips' if user.startswith('sips:') else 'sip'}:server@127.0.0.1:{port};gr>"),
            ("Date", sip_date()),
            ("Event", event or request.one("Event")),
            ("Subscription-State", state),
        ], body)
        if body:
            notify.set("Content-Type", kind or "application/pkix-cert").set("Content-Disposition", "signal")
        if before:
            before(notify)
        identity.sign(notify, key or self.key, url or self.url, alg)
        if after:
            after(notify)
        return notify.encode()


def sip_date(offset=0):
    """The time in so many seconds as a SIP-date."""
    return email.utils.formatdate(time.time() + offset, usegmt=True)


PASSWORD = "sesame4711"


def account(path, aor, password, server, ca):
    """Writes the account file of a verb."""
    path.write_text(f"aor = {aor}\npassword = {password}\nserver = {server}\nca = {ca}\n")
    path.chmod(0o600)
    return path


class Notifier:
    """What the two services have in common: dialogs and their NOTIFYs. `options` are those of Domain.notify."""

    def __init__(self, domain, granted=86400, **options):
        self.domain, self.granted, self.options = domain, granted, options
        self.count, self.dialog = {}, None

    def subscribe(self, connection, request):
        self.dialog = connection, request
        connection.accept_subscribe(request, min(self.granted, asked_expires(request)))
        connection.send(self.notify(connection, request))

    def notify(self, connection, request, **more):
        """The next NOTIFY of the dialog."""
        number = self.count[request.one("Call-ID")] = self.count.get(request.one("Call-ID"), 0) + 1
        expires = min(self.granted, asked_expires(request))
        state = f"active;expires={expires}" if expires else "terminated;reason=timeout"
        options = {"state": state, "number": number, **self.content(), **self.options, **more}
        return self.domain.notify(request, connection.port, **options)

    def push(self, **more):
        """Another NOTIFY in the dialog of the last SUBSCRIBE; gives its octets."""
        octets = self.notify(*self.dialog, **more)
        self.dialog[0].send(octets)
        return octets


class CertificateService(Notifier):
    """The script of a stub that serves one certificate."""

    def __init__(self, domain, body=b"", **options):
        super().__init__(domain, **options)
        self.body = body

    def content(self):
        return {"body": self.body}

    def __call__(self, _stub, connection, request):
        assert request.method == "SUBSCRIBE", request.start
        self.subscribe(connection, request)


class CredentialService(Notifier):
    """The script of a stub that keeps bob's credential, behind digest, as the draft says.

    `before` is called with (connection, request) after authentication, and ends the matter when it gives True."""

    CHALLENGES = ("SHA-256", "MD5")
    NONCE = "bm9uY2Ugb2YgdGhlIHN0dWI"

    def __init__(self, domain, certificate=b"", key=None, **options):
        super().__init__(domain, **options)
        self.certificate, self.key, self.etag = certificate, key, "etag1" if certificate else None
        self.password, self.before = PASSWORD, None

    def challenge(self, connection, request):
        headers = [("WWW-Authenticate", f'Digest realm="example.com", nonce="{self.NONCE}", algorithm={algorithm}, '
                                        'qop="auth,auth-int"') for algorithm in self.CHALLENGES]
        connection.reply(request, 401, "Unauthorized", headers)

    def authorized(self, request):
        if not request.all("Authorization"):
            return False
        scheme, given = digest.parse(request.one("Authorization"))
        assert scheme == "Digest" and given["realm"] == "example.com" and given["uri"] == request.uri
        assert len(given["nc"]) == 8 and given["cnonce"] and given["qop"] in ("auth", "auth-int")
        return given["nonce"] == self.NONCE and given["response"] == digest.compute(
            given.get("algorithm", "MD5"), given["username"], given["realm"], self.password, request.method,
            given["uri"], given["nonce"], given["nc"], given["cnonce"], given["qop"], request.body)

    def __call__(self, _stub, connection, request):
        if not self.authorized(request):
            self.challenge(connection, request)
        elif not (self.before and self.before(connection, request)):
            getattr(self, request.method.lower())(connection, request)

    def publish(self, connection, request):
        if request.get("SIP-If-Match") not in (None, self.etag):
            connection.reply(request, 412, "Conditional Request Failed")
            return
        self.etag = token("etag")
        self.certificate, self.key = read_credential(request)
        connection.reply(request, 200, headers=[("SIP-ETag", self.etag), ("Expires", request.get("Expires") or 3600)])

    def content(self):
        content = {"event": f"credential;etag={self.etag}" if self.etag else "credential"}
        if self.certificate:
            parts = [("application/pkix-cert", self.certificate)]
            if self.key is not None:
                parts.append(("application/pkcs8", self.key))
            content.update(kind="multipart/mixed;boundary=stub", body=multipart.build(*parts, boundary="stub"))
        return content


def read_credential(publish):
    """(certificate, PKCS#8 object or None) of a PUBLISH, read strictly (FMT-17, PUB-02)."""
    if not publish.body:
        return b"", None
    if publish.one("Content-Type").lower() == "application/pkix-cert":
        return publish.body, None
    certificate, key = multipart.parse(publish.one("Content-Type"), publish.body)
    assert (certificate.type, key.type) == ("application/pkix-cert", "application/pkcs8")
    for part in (certificate, key):
        assert part.headers.get("content-transfer-encoding", "binary").lower() == "binary"
    return certificate.body, key.body
