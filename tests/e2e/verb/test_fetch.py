"""What the verbs fetch from Identity-Info, from web servers that misbehave (rows VER-03, VER-04, VER-18)."""

import itertools
import ssl
import threading

import pytest
from peer import certs
from peer import lab as program
from peer.stub import CertificateService, RawWeb, Web, account

BOB = "sip:bob@example.com"
NOT_TRUSTED = 4
numbers = itertools.count(1)


@pytest.fixture(scope="module")
def body():
    return certs.certificate(BOB)


@pytest.fixture
def raw():
    """Makes web servers: raw(script)."""
    made = []

    def make(script):
        made.append(RawWeb(script))
        return made[-1]

    yield make
    for one in made:
        one.close()


class Fetch:
    """`vouch certificate` against an honest SIP server whose Identity-Info is of the test's choice."""

    def __init__(self, domain, stubs, directory, body):
        self.domain, self.stubs, self.directory, self.body = domain, stubs, directory, body
        self.stub = None

    def words(self, url, *more):
        self.service = CertificateService(self.domain, self.body, url=url)
        self.stub = self.stubs(self.service)
        file = account(self.directory / "alice.account", "sip:alice@example.com", "hers",
                       f"tls:127.0.0.1:{self.stub.port}", self.domain.ca)
        return "certificate", "-a", file, BOB, *more

    def accepted(self, url):
        done = program.vouch(*self.words(url))
        assert done.returncode == 0, done.stderr
        assert self.stub.answer().code == 200

    def refused(self, url):
        """436, exit 4, one line that says why."""
        done = program.vouch(*self.words(url))
        assert done.returncode == NOT_TRUSTED, done.stderr
        assert self.stub.answer().code == 436
        assert done.stderr.count("\n") == 1 and done.stdout == ""
        return done.stderr


@pytest.fixture
def fetch(domain, stubs, tmp_path, body):
    return Fetch(domain, stubs, tmp_path, body)


@pytest.fixture(scope="module")
def signer(domain):
    """The certificate of the signatures, DER."""
    return domain.web.pages["/example.cer"][2]


def ok(content, *headers, length=True):
    lines = ["HTTP/1.1 200 OK", "Content-Type: application/pkix-cert", *headers]
    if length:
        lines.append(f"Content-Length: {len(content)}")
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + content


def moved(to, code=302):
    return f"HTTP/1.1 {code} Moved\r\nLocation: {to}\r\nContent-Length: 0\r\n\r\n".encode()


# answers that are good enough


@pytest.mark.parametrize("variant", ["plain", "no length", "no reason", "more behind", "in pieces", "lower case"])
def test_VER_04_answers_that_count(fetch, raw, signer, variant):
    answer = {
        "no length": ok(signer, length=False),
        "no reason": ok(signer).replace(b" 200 OK", b" 200"),
        "more behind": ok(signer) + b"more than was announced",
        "lower case": ok(signer).replace(b"Content-Length", b"content-length"),
    }.get(variant, ok(signer))

    def script(sock, _path):
        size = 100 if variant == "in pieces" else len(answer)
        for at in range(0, len(answer), size):
            sock.sendall(answer[at:at + size])

    fetch.accepted(raw(script).url())


def test_VER_04_query_without_path(fetch, raw, signer):
    """RFC 3986 6.2.3, RFC 9112 3.2.1: an empty path is sent as "/"."""
    web = raw(lambda sock, _path: sock.sendall(ok(signer)))
    fetch.accepted(f"http://127.0.0.1:{web.port}?name=example")
    assert web.hits == ["/?name=example"]


def test_VER_04_request_line_and_headers(fetch, raw, signer):
    """What is sent is one request for that URL, and tells nobody who asks."""
    seen = []

    class Spy(RawWeb):
        def serve(self, sock):
            seen.append(sock.recv(4096))
            sock.sendall(ok(signer))
            sock.close()

    web = Spy(None)
    try:
        fetch.accepted(web.url("/a.cer?b#fragment"))
    finally:
        web.close()
    head, end = seen[0].split(b"\r\n\r\n")
    assert end == b"" and head.startswith(b"GET /a.cer?b HTTP/1.") and f"Host: 127.0.0.1:{web.port}".encode() in head
    assert not {b"alice", b"bob", b"hers"} & set(head.lower().replace(b"@", b" ").split())


# redirections


@pytest.mark.parametrize("to", ["/target.cer", "absolute", "//"], ids=["path", "absolute", "network path"])
@pytest.mark.parametrize("code", [301, 302, 303, 307, 308])
def test_VER_18_redirection_to_the_same_server(fetch, raw, signer, to, code):
    def script(sock, path):
        target = {"absolute": web.url("/target.cer"), "//": f"//127.0.0.1:{web.port}/target.cer"}.get(to, to)
        sock.sendall(ok(signer) if path == "/target.cer" else moved(target, code))

    web = raw(script)
    if to == "//":
        fetch.refused(web.url())
        assert web.hits == ["/example.cer"]
    else:
        fetch.accepted(web.url())
        assert web.hits == ["/example.cer", "/target.cer"]


@pytest.mark.parametrize("to", [
    "http://localhost:{port}/target.cer", "http://127.0.0.1:{other}/target.cer", "https://127.0.0.1:{port}/target.cer",
    "http://127.0.0.1/target.cer", "ftp://127.0.0.1/target.cer", "file:///etc/passwd", "target.cer", "/\x01",
    "http://alice@127.0.0.1:{port}/target.cer", "http://127.0.0.1:{port}/" + "x" * 1100,
])
def test_VER_18_redirection_elsewhere(fetch, raw, signer, to):
    """Whoever allowed the first server has not allowed another one."""
    other = raw(lambda sock, _path: sock.sendall(ok(signer)))
    web = raw(lambda sock, path: sock.sendall(
        ok(signer) if path == "/target.cer" else moved(to.format(port=web.port, other=other.port))))
    assert "redirect" in fetch.refused(web.url())
    assert web.hits == ["/example.cer"] and other.hits == []


@pytest.mark.parametrize("count", [2, 3, 1000])
def test_VER_18_redirections_are_counted(fetch, raw, signer, count):
    def script(sock, path):
        number = 0 if path == "/example.cer" else int(path[1:])
        sock.sendall(ok(signer) if number >= count else moved(f"/{number + 1}"))

    web = raw(script)
    if count == 2:
        fetch.accepted(web.url())
    else:
        fetch.refused(web.url())
    assert len(web.hits) == 3


# answers that do not count


@pytest.mark.parametrize("answer", [
    b"", b"\r\n\r\n", b"HTTP/1.1 200 OK", b"HTTP/1.1 200 OK\r\n", b"\x30\x82\x01\x00", b"SSH-2.0-OpenSSH\r\n\r\n",
    b"HTTP/2 200\r\n\r\n", b"HTTP/1.1\r\n\r\n", b"HTTP/1.1 2x0 OK\r\n\r\n", b"HTTP/1.1 99999 OK\r\n\r\n",
    b"HTTP/1.1 204 No Content\r\n\r\n", b"HTTP/1.1 500 Oops\r\nContent-Length: 0\r\n\r\n",
    b"HTTP/1.1 302 Found\r\n\r\n", b"HTTP/1.1 302 Found\r\nLocation:\r\n\r\n",
], ids=repr)
def test_VER_04_no_answer_of_http(fetch, raw, answer):
    fetch.refused(raw(lambda sock, _path: sock.sendall(answer)).url())


@pytest.mark.parametrize("length", ["-1", "0x400", "1e3", "99999999999999999999", "16385", "", "5"])
def test_VER_04_VER_18_content_length(fetch, raw, signer, length):
    content = ok(signer, f"Content-Length: {length}", length=False)
    fetch.refused(raw(lambda sock, _path: sock.sendall(content)).url())


def test_VER_04_cut_short(fetch, raw, signer):
    fetch.refused(raw(lambda sock, _path: sock.sendall(ok(signer)[:-1])).url())


@pytest.mark.parametrize("coding", ["Transfer-Encoding: chunked", "Content-Encoding: gzip"])
def test_VER_04_encodings_that_were_not_asked_for(fetch, raw, signer, coding):
    content = b"%x\r\n%s\r\n0\r\n\r\n" % (len(signer), signer)
    fetch.refused(raw(lambda sock, _path: sock.sendall(ok(content, coding, length=False))).url())


@pytest.mark.parametrize("start", [b"HTTP/1.1 200 OK\r\n\r\n", b"HTTP/1.1 200 OK\r\nX: ", b"HTTP/1.1 "],
                         ids=["body", "header", "status line"])
def test_VER_18_endless_answer(fetch, raw, start):
    sent = []

    def script(sock, _path):
        sock.sendall(start)
        while len(sent) < 10000:
            sock.sendall(b"x" * 4096)
            sent.append(4096)

    fetch.refused(raw(script).url())
    assert len(sent) < 10000, "the client went away"


@pytest.mark.slow
def test_VER_18_dripping_answer(fetch, raw, signer):
    """One octet now and then is no progress: the whole answer has one limit."""
    gone = threading.Event()

    def script(sock, _path):
        for octet in ok(signer):
            sock.sendall(bytes([octet]))
            if gone.wait(0.3):
                return

    try:
        assert "5 seconds" in fetch.refused(raw(script).url())
    finally:
        gone.set()


def test_VER_04_https_server_of_another_name(fetch, domain, signer):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*domain.files("web", "DNS:web.example"))
    web = Web(context)
    try:
        web.pages["/example.cer"] = 200, "application/pkix-cert", signer
        fetch.refused(web.url("/example.cer"))
        assert web.hits == []
    finally:
        web.close()


@pytest.mark.parametrize("url", ["http://alice:pw@127.0.0.1:{}/x.cer", "http:/127.0.0.1:{}/x.cer", "http://:{}/x.cer",
                                 "//127.0.0.1:{}/x.cer", "gopher://127.0.0.1:{}/x.cer", "http://127.0.0.1:0{}0/x.cer",
                                 "http://127.0.0.1:{}\\@evil/x.cer"])
def test_VER_04_VER_18_urls_that_are_not_asked(fetch, raw, signer, url):
    web = raw(lambda sock, _path: sock.sendall(ok(signer)))
    fetch.refused(url.format(web.port))
    assert web.hits == []


# the cache


def test_VER_03_failures_are_remembered_too(fetch, raw, body):
    """A NOTIFY with an Identity-Info that fails costs its server one request, however often it comes."""
    web = raw(lambda sock, _path: sock.sendall(b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n"))
    process = program.Process(*fetch.words(fetch.domain.url, "--watch"))
    try:
        assert fetch.stub.answer().code == 200
        for _ in range(3):
            fetch.service.push(url=web.url())
            assert fetch.stub.answer().code == 436
        assert len(web.hits) == 1
        fetch.service.push()
        assert fetch.stub.answer().code == 200
    finally:
        process.kill()


def test_VER_03_one_request_for_those_that_wait(fetch, raw, signer):
    """NOTIFYs that come while the certificate is on its way share it; the newest one counts, whatever ends first."""
    hold = threading.Event()
    web = raw(lambda sock, _path: hold.wait(10) and sock.sendall(ok(signer)))
    out = fetch.directory / "bob.crt"
    process = program.Process(*fetch.words(web.url(), "--watch", "-o", out))
    try:
        program.until(lambda: web.hits, 10, "the request")
        newest = [certs.certificate(BOB, key=certs.rsa_key(number)) for number in (1, 0, 1)]
        for certificate in newest:
            fetch.service.push(body=certificate)
        hold.set()
        codes = {}
        for _ in range(4):
            answer = fetch.stub.answer()
            codes[answer.cseq[0]] = answer.code
        assert codes[4] == 200 and set(codes.values()) <= {200, 500}, codes
        program.until(lambda: out.exists() and out.read_bytes() == certs.pem(newest[-1]), 5, "the newest certificate")
        fetch.service.push(body=b"")
        assert fetch.stub.answer().code == 200, "the subscription lives"
        program.until(lambda: not out.exists(), 5, "the revocation")
        assert len(web.hits) == 1
    finally:
        hold.set()
        process.kill()


def test_UAC_11_overtaken_notify_does_not_undo_a_revocation(fetch, raw, signer, body):
    """A certificate and its revocation, both verified at the same time: there is no certificate then."""
    hold = threading.Event()
    web = raw(lambda sock, _path: hold.wait(10) and sock.sendall(ok(signer)))
    out = fetch.directory / "bob.crt"
    process = program.Process(*fetch.words(web.url(), "--watch", "-o", out))
    try:
        program.until(lambda: web.hits, 10, "the request")
        fetch.service.push(body=b"")
        hold.set()
        codes = {answer.cseq[0]: answer.code for answer in (fetch.stub.answer(), fetch.stub.answer())}
        assert codes[2] == 200 and not out.exists()
    finally:
        hold.set()
        process.kill()
