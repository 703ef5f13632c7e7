"""The subscriber's side of RFC 6665 as `vouch certificate --watch` and `vouch credential` show it (rows EVT, UAC, UAK)."""

import json
import re
import signal
import socket
import ssl
import warnings

import pytest
from peer import certs, digest
from peer import lab as program
from peer.sipclient import addr_spec, tag
from peer.stub import CertificateService, CredentialService, RawWeb, Stub, account, asked_expires

BOB = "sip:bob@example.com"
REFUSED, USAGE, LOCAL, NOT_TRUSTED, NO_CERTIFICATE = 1, 2, 3, 4, 5


class Watch:
    """alice, who asks for the certificate of bob."""

    def __init__(self, domain, stubs, directory):
        self.domain, self.stubs, self.directory = domain, stubs, directory
        self.out = directory / "bob.crt"
        self.stub, self.processes = None, []

    def words(self, script, *words, server="tls:127.0.0.1:{}", stub=None, aor=BOB):
        self.stub = stub or self.stubs(script)
        file = account(self.directory / "alice.account", "sip:alice@example.com", "hers",
                       server.format(self.stub.port), self.domain.ca)
        return "certificate", "-a", file, aor, "-o", self.out, *words

    def run(self, script, *words, **options):
        return program.vouch(*self.words(script, *words, **options), timeout=60)

    def start(self, script, *words, **options):
        self.processes.append(program.Process(*self.words(script, *words, **options)))
        return self.processes[-1]

    def begun(self, service, *words):
        """A running --watch that has its first certificate."""
        process = self.start(service, "--watch", *words)
        assert self.stub.answer().code == 200
        program.until(self.out.exists, 5, "the certificate")
        return process

    def dialogs(self):
        """The SUBSCRIBEs that began a dialog."""
        return [request for request in self.stub.requests if tag(request.one("To")) is None]


@pytest.fixture
def watch(domain, stubs, tmp_path):
    made = Watch(domain, stubs, tmp_path)
    yield made
    for process in made.processes:
        process.kill()


@pytest.fixture(scope="module")
def body():
    return certs.certificate(BOB)


@pytest.fixture(scope="module")
def newer():
    return certs.certificate(BOB, key=certs.rsa_key(1))


def setting(name, value):
    return lambda notify: notify.set(name, value)


# EVT-22: what is no NOTIFY of the subscription


def test_EVT_22_second_dialog_of_one_subscribe(watch, body, newer):
    service = CertificateService(watch.domain, body)
    watch.begun(service)
    service.push(body=newer, before=lambda n: n.set("From", re.sub("tag=.*", "tag=fork", n.get("From"))), number=1)
    assert watch.stub.answer().code == 481
    service.push(body=newer)
    assert watch.stub.answer().code == 200


@pytest.mark.parametrize("event, code", [("presence", 489), ("credential", 489), ("certificate;id=7", 489),
                                         ("Certificate", 489), ("", 400), (None, 489)])
def test_EVT_22_other_packages(watch, body, newer, event, code):
    """Nothing of them counts, though their Identity is good: Event is not signed."""
    service = CertificateService(watch.domain, body)
    watch.begun(service)
    service.push(body=newer, after=setting("Event", event))
    assert watch.stub.answer().code in (code, 481, 489)
    assert watch.out.read_bytes() == certs.pem(body)


@pytest.mark.parametrize("state", [None, "", "active;expires=x", ";reason=timeout", "active;=1"])
def test_EVT_03_malformed_subscription_state(watch, body, newer, state):
    service = CertificateService(watch.domain, body)
    watch.begun(service)
    service.push(body=newer, after=setting("Subscription-State", state))
    assert watch.stub.answer().code == 400
    assert watch.out.read_bytes() == certs.pem(body)


@pytest.mark.parametrize("method, code", [("OPTIONS", 200), ("MESSAGE", 405), ("SUBSCRIBE", 405), ("PUBLISH", 405),
                                          ("BYE", 405), ("CANCEL", 481), ("FROB", 405)])
def test_EVT_16_other_requests_are_answered(watch, body, method, code):
    service = CertificateService(watch.domain, body)
    watch.begun(service)
    octets = service.notify(*service.dialog).replace(b"NOTIFY", method.encode())
    service.dialog[0].send(octets)
    assert watch.stub.answer().code in (code, 501)


# EVT-23: why a subscription ended


@pytest.mark.parametrize("reason", ["deactivated", "timeout", "DEACTIVATED", "timeout;retry-after=1000",
                                    "deactivated;expires=1000", "unheard-of", None])
def test_EVT_23_reasons_to_subscribe_at_once(watch, body, reason):
    service = CertificateService(watch.domain, body)
    process = watch.begun(service)
    service.push(state="terminated" + (f";reason={reason}" if reason else ""))
    program.until(lambda: len(watch.dialogs()) == 2, 5, "the new subscription")
    assert watch.dialogs()[0].one("Call-ID") != watch.dialogs()[1].one("Call-ID")
    assert watch.out.read_bytes() == certs.pem(body) and process.child.poll() is None


@pytest.mark.slow
@pytest.mark.parametrize("reason", ["probation", "giveup", "unheard-of", None])
def test_EVT_23_retry_after(watch, body, reason):
    service = CertificateService(watch.domain, body)
    watch.begun(service)
    service.push(state="terminated;" + (f"reason={reason};" if reason else "") + "retry-after=2")
    first = watch.stub.answer()
    program.until(lambda: len(watch.dialogs()) == 2, 10, "the new subscription")
    assert first.code == 200 and watch.dialogs()[1].time - first.time >= 1.9


@pytest.mark.slow
@pytest.mark.parametrize("seconds", [4294968, 4294967295, 99999999999])
def test_EVT_23_retry_after_of_years(watch, body, seconds):
    """More milliseconds than 32 bits have: no reason to ask at once, and again and again."""
    service = CertificateService(watch.domain, body)
    process = watch.begun(service)
    service.push(state=f"terminated;reason=probation;retry-after={seconds}")
    assert watch.stub.answer().code == 200
    program.never(lambda: len(watch.dialogs()) > 1, 2, "a new subscription")
    process.signal(signal.SIGTERM)
    assert process.wait() == 0


@pytest.mark.parametrize("reason", ["rejected", "noresource", "invariant", "NoResource"])
def test_EVT_23_reasons_to_end(watch, body, reason):
    service = CertificateService(watch.domain, body)
    process = watch.begun(service)
    service.push(state=f"terminated;reason={reason};retry-after=1")
    assert process.wait() == LOCAL and len(process.err) == 1
    assert len(watch.dialogs()) == 1


def test_SEC_13_a_flipped_state_neither_deletes_nor_extends(watch, body):
    """Subscription-State is not signed: whoever changes it on the way causes a new subscription and no more."""
    service = CertificateService(watch.domain, body)
    watch.begun(service)
    service.push(after=setting("Subscription-State", "terminated;reason=deactivated;expires=99999"))
    assert watch.stub.answer().code == 200
    program.until(lambda: len(watch.dialogs()) == 2, 5, "the new subscription")
    assert watch.stub.answer().code == 200
    assert watch.out.read_bytes() == certs.pem(body)


def test_EVT_25_final_notify_with_state(watch, body, newer):
    """The last NOTIFY of a subscription may bring news, too."""
    service = CertificateService(watch.domain, body)
    watch.begun(service)
    service.push(body=newer, state="terminated;reason=timeout")
    assert watch.stub.answer().code == 200
    program.until(lambda: watch.out.read_bytes() == certs.pem(newer), 5, "the certificate in the last NOTIFY")


@pytest.mark.slow
def test_EVT_25_later_notify_does_not_prolong(watch, body):
    """200 granted 3 s: a NOTIFY that says more does not change when to refresh."""
    service = CertificateService(watch.domain, body, granted=3, state="active;expires=4000")
    watch.begun(service)
    program.until(lambda: len(watch.stub.requests) >= 2, 10, "the refresh")
    assert tag(watch.stub.requests[1].one("To"))


@pytest.mark.slow
def test_EVT_25_nothing_granted_is_no_circle(watch, body):
    """A server that grants 0 seconds to a subscription is asked again later and later, not as fast as it answers."""
    service = CertificateService(watch.domain, body, granted=0, state="active;expires=0")
    process = watch.start(service, "--watch")
    program.until(watch.out.exists, 5, "the certificate")
    program.never(lambda: len(watch.stub.requests) > 5, 3, "a request after the other")
    process.signal(signal.SIGTERM)
    assert process.wait() == 0


@pytest.mark.slow
def test_UAK_22_T_21_backing_off(watch, body):
    """The first new subscription comes at once, the second not before 2 s, the third not before 4 s."""
    service = CertificateService(watch.domain, body, state="terminated;reason=deactivated")
    watch.start(service, "--watch")
    program.until(lambda: len(watch.dialogs()) == 4, 20, "the subscriptions")
    times = [request.time for request in watch.dialogs()]
    assert times[2] - times[1] >= 1.9 and times[3] - times[2] >= 3.9
    assert len({request.one("Call-ID") for request in watch.dialogs()}) == 4


# EVT-24: a refresh that is refused


class RefusesRefresh(CertificateService):
    def __init__(self, domain, body, code, granted=1):
        super().__init__(domain, body, granted=granted)
        self.code = code

    def __call__(self, stub, connection, request):
        if tag(request.one("To")) and request.expires:
            connection.reply(request, self.code, "No")
        else:
            super().__call__(stub, connection, request)


@pytest.mark.parametrize("code", [404, 405, 410, 416, 480, 482, 483, 484, 485, 489, 501, 604])
def test_EVT_24_refusals_that_end_it(watch, body, code):
    process = watch.start(RefusesRefresh(watch.domain, body, code), "--watch")
    assert process.wait(timeout=15) == REFUSED
    assert len(process.err) == 1 and str(code) in process.log
    assert len(watch.stub.requests) == 2


def test_EVT_24_481_is_followed_by_a_new_subscription(watch, body):
    watch.start(RefusesRefresh(watch.domain, body, 481), "--watch")
    program.until(lambda: len(watch.dialogs()) == 2, 10, "the new subscription")


@pytest.mark.slow
@pytest.mark.parametrize("code", [403, 503])
def test_EVT_24_other_refusals_leave_it_alive(watch, body, newer, code):
    service = RefusesRefresh(watch.domain, body, code, granted=4)
    watch.begun(service)
    program.until(lambda: len(watch.stub.requests) == 2, 10, "the refresh")
    service.push(body=newer)
    assert watch.stub.answer().code == 200
    program.until(lambda: watch.out.read_bytes() == certs.pem(newer), 5, "the certificate")
    assert len(watch.dialogs()) == 1


# connections


@pytest.mark.slow
def test_EVT_26_authorization_at_once(domain, stubs, tmp_path):
    """Digest data is kept between the requests of one connection: one challenge in all."""
    service = CredentialService(domain, *certs.pair(BOB), granted=4)
    stub = stubs(service)
    file = account(tmp_path / "bob.account", BOB, service.password, f"tls:127.0.0.1:{stub.port}", domain.ca)
    process = program.Process("credential", "-a", file, "-o", tmp_path / "own", "--watch")
    try:
        program.until(lambda: len(stub.requests) >= 4, 15, "two refreshes")
        bare = [request for request in stub.requests if not request.all("Authorization")]
        assert len(bare) == 1
        given = [digest.parse(request.one("Authorization"))[1] for request in stub.requests[1:4]]
        assert [answer["nc"] for answer in given] == ["00000001", "00000002", "00000003"]
        assert len({answer["cnonce"] for answer in given}) == 3
        assert [request.cseq[0] for request in stub.requests[:4]] == list(
            range(stub.requests[0].cseq[0], stub.requests[0].cseq[0] + 4))
    finally:
        process.kill()


def test_server_that_closes_behind_each_answer(watch, body):
    """Not what SIP means, but it ends soon and says why."""
    def script(_stub, connection, request):
        connection.accept_subscribe(request, asked_expires(request))
        connection.abort()

    done = watch.run(script)
    assert done.returncode == LOCAL and done.stderr.count("\n") == 1 and "closed" in done.stderr


@pytest.mark.parametrize("verb", ["publish", "revoke", "credential"])
def test_server_that_closes_behind_its_challenge(domain, stubs, tmp_path, verb):
    service = CredentialService(domain, *certs.pair(BOB))

    def script(stub, connection, request):
        service(stub, connection, request)
        connection.abort()

    stub = stubs(script)
    file = account(tmp_path / "bob.account", BOB, service.password, f"tls:127.0.0.1:{stub.port}", domain.ca)
    done = program.vouch(verb, "-a", file, *(["--new"] if verb == "publish" else []))
    assert done.returncode == LOCAL and done.stderr.count("\n") == 1 and f"127.0.0.1:{stub.port}" in done.stderr
    assert stub.connections <= 3


def test_publish_that_lost_its_connection_while_it_looked(domain, stubs, tmp_path):
    """After a 412 the connection breaks instead of the NOTIFY: the verb ends then, not 32 s later."""
    service = CredentialService(domain, *certs.pair(BOB))

    def before(connection, request):
        if request.method == "PUBLISH":
            connection.reply(request, 412, "Conditional Request Failed")
        else:
            connection.accept_subscribe(request, 0)
            connection.abort()
        return True

    service.before = before
    stub = stubs(service)
    file = account(tmp_path / "bob.account", BOB, service.password, f"tls:127.0.0.1:{stub.port}", domain.ca)
    done = program.vouch("publish", "-a", file, "--new", timeout=20)
    assert done.returncode == LOCAL and done.stderr.count("\n") == 1 and "closed" in done.stderr


def test_notify_that_is_too_large(watch, body):
    """413 for one of 200 kB; the connection and the subscription go on."""
    def script(_stub, connection, request):
        service = CertificateService(watch.domain, body)
        connection.accept_subscribe(request, asked_expires(request))
        connection.send(service.notify(connection, request, body=bytes(200_000)))
        connection.send(service.notify(connection, request))

    done = watch.run(script)
    assert [watch.stub.answer().code for _ in range(2)] == [413, 200]
    assert done.returncode == 0 and watch.out.read_bytes() == certs.pem(body)


@pytest.mark.parametrize("octets", [b"SIP/2.0 200 OK\r\n\r\n", b"\x00" * 100 + b"\r\n\r\n", b"HTTP/1.1 400 Bad\r\n\r\n",
                                    b"NOTIFY sip:a SIP/2.0\r\nContent-Length: -1\r\n\r\n", b"x" * 70000])
def test_server_that_speaks_no_sip(watch, octets):
    def script(_stub, connection, _request):
        connection.send(octets)
        connection.abort()

    done = watch.run(script)
    assert done.returncode == LOCAL and done.stderr.count("\n") == 1
    assert not watch.out.exists()


def test_certificate_by_plain_tcp(watch, domain, body):
    """SEC-12: nothing of the hop is needed to prove a certificate. The Contact leads back by TCP."""
    service = CertificateService(domain, body)
    done = watch.run(service, server="tcp:127.0.0.1:{}", stub=Stub(service))
    watch.stub.close()
    assert done.returncode == 0, done.stderr
    assert watch.out.read_bytes() == certs.pem(body)
    request = watch.stub.requests[0]
    assert "transport=tcp" in addr_spec(request.one("Contact"))[0] and "/TCP " in request.one("Via")


def test_DIG_08_certificate_by_plain_tcp_answers_no_challenge(watch):
    def script(_stub, connection, request):
        connection.reply(request, 401, "Unauthorized", [(
            "WWW-Authenticate", 'Digest realm="example.com", nonce="n", algorithm=SHA-256, qop="auth"')])

    stub = Stub(script)
    done = watch.run(script, server="tcp:127.0.0.1:{}", stub=stub)
    stub.close()
    assert done.returncode == LOCAL and "TLS" in done.stderr and len(stub.requests) == 1


@pytest.mark.skipif(not socket.has_ipv6, reason="no IPv6 here")
def test_server_by_ipv6_address(watch, domain, body):
    service = CertificateService(domain, body)
    try:
        stub = Stub(service, *domain.tls, host="::1")
    except OSError:
        pytest.skip("no IPv6 on the loopback interface")
    done = watch.run(service, server="tls:[::1]:{}", stub=stub)
    stub.close()
    assert done.returncode == 0, done.stderr
    assert "[::1]" in stub.requests[0].one("Via") and "[::1]" in stub.requests[0].one("Contact")


def test_server_by_name(watch, domain, body):
    done = watch.run(CertificateService(domain, body), server="TLS:localhost:{}")
    assert done.returncode == 0, done.stderr


def test_server_by_a_name_that_is_not_there(watch, body):
    done = watch.run(CertificateService(watch.domain, body), server="tls:nowhere.invalid:{}")
    assert done.returncode == LOCAL and "nowhere.invalid" in done.stderr and done.stderr.count("\n") == 1
    assert watch.stub.connections == 0


def test_EVT_21_VER_15_SEC_01_routes_of_the_notify(watch, body):
    """Route set and target come from the NOTIFY; what From must be does not change by them."""
    def route(notify):
        notify.add("Record-Route", "<sip:p1.example.com;lr>, <sip:p2.example.com;lr>")
        notify.set("Contact", "<sip:elsewhere@192.0.2.77:5099;gr>")

    watch.start(CertificateService(watch.domain, body, granted=2, before=route), "--watch")
    program.until(lambda: len(watch.stub.requests) >= 2, 10, "the refresh")
    refresh = watch.stub.requests[1]
    assert watch.stub.connections == 1, "by the proven connection, whatever the Contact says"
    assert refresh.uri == "sip:elsewhere@192.0.2.77:5099;gr" and addr_spec(refresh.one("To"))[0] == BOB
    assert refresh.values("Route") == ["<sip:p1.example.com;lr>", "<sip:p2.example.com;lr>"]


@pytest.mark.parametrize("code", [300, 301, 302, 305])
@pytest.mark.parametrize("verb", ["publish", "revoke", "credential"])
def test_UAK_06_UAK_28_redirections_are_not_followed(domain, stubs, tmp_path, verb, code):
    """Neither to a place without TLS nor to one that was not proven."""
    other = Stub(lambda *_: None)
    stub = stubs(lambda _stub, connection, request: connection.reply(
        request, code, "Elsewhere", [("Contact", f"<sip:bob@127.0.0.1:{other.port};transport=tcp>")]))
    file = account(tmp_path / "bob.account", BOB, "his", f"tls:127.0.0.1:{stub.port}", domain.ca)
    done = program.vouch(verb, "-a", file, *(["--new"] if verb == "publish" else []))
    other.close()
    assert done.returncode == REFUSED and str(code) in done.stderr and done.stderr.count("\n") == 1
    assert other.connections == 0 and len(stub.requests) == 1


@pytest.mark.parametrize("change, code", [
    (lambda n: n.set("Identity", '"' + "A" * 342 + '=="'), 438),
    (lambda n: n.set("Identity-Info", None), 436),
    (lambda n: n.set("Identity", None), 428),
    (lambda n: n.set("From", n.get("From").replace("bob", "carol")), 403),
], ids=["signature", "no Identity-Info", "no Identity", "From"])
def test_UAK_25_credential_with_a_bad_identity(domain, stubs, tmp_path, change, code):
    """Identity need not be there, but what is there has to be right."""
    stub = stubs(CredentialService(domain, *certs.pair(BOB), after=change))
    file = account(tmp_path / "bob.account", BOB, "sesame4711", f"tls:127.0.0.1:{stub.port}", domain.ca)
    done = program.vouch("credential", "-a", file, "-o", tmp_path / "own")
    assert done.returncode == NOT_TRUSTED and stub.answer().code == code
    assert not (tmp_path / "own.crt").exists() and not (tmp_path / "own.key").exists()


def test_UAK_25_credential_without_identity(domain, stubs, tmp_path):
    stub = stubs(CredentialService(domain, *certs.pair(BOB), after=lambda n: n.set("Identity", None).set(
        "Identity-Info", None)))
    file = account(tmp_path / "bob.account", BOB, "sesame4711", f"tls:127.0.0.1:{stub.port}", domain.ca)
    assert program.vouch("credential", "-a", file, "-o", tmp_path / "own").returncode == 0


@pytest.mark.parametrize("version, ciphers", [(ssl.TLSVersion.TLSv1_1, "ALL:@SECLEVEL=0"),
                                              (ssl.TLSVersion.TLSv1_2, "eNULL:@SECLEVEL=0"),
                                              (ssl.TLSVersion.TLSv1_2, "aNULL:!eNULL:@SECLEVEL=0")], ids=str)
def test_TLS_06_TLS_07_old_and_poor_tls(watch, body, version, ciphers):
    """Not one octet for a server that knows nothing better."""
    service = CertificateService(watch.domain, body)
    words = watch.words(service)
    context = watch.stub.context
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        context.minimum_version, context.maximum_version = ssl.TLSVersion.TLSv1, version
    context.set_ciphers(ciphers)
    done = program.vouch(*words)
    assert done.returncode in (LOCAL, NOT_TRUSTED) and done.stderr.count("\n") == 1
    assert watch.stub.connections == 1 and watch.stub.octets == 0


# what is said


@pytest.mark.parametrize("reason", ["tab\there", "x" * 8000, "\x9b2J", "\xc2\x9b2J", "%s%n%d", "B\u00e4h", ""],
                         ids=lambda reason: repr(reason[:9]))
def test_reason_phrases_do_not_steer_the_terminal(watch, reason):
    """One line, no control characters above 0x80 either, and what to do is not lost behind a long one. (Those below
    0x20 make it no SIP message: as if no answer had come.)"""
    def script(_stub, connection, request):
        connection.send(b"SIP/2.0 404 " + reason.encode("utf-8") + b"\r\n" + b"".join(
            f"{name}: {request.one(name)}\r\n".encode() for name in ("Via", "From", "Call-ID", "CSeq"))
            + f"To: {request.one('To')};tag=x\r\nContent-Length: 0\r\n\r\n".encode())

    for words in ([], ["-v"]):
        process = watch.start(script, *words)
        assert process.wait() in (REFUSED, LOCAL)
        shown = process.log + "".join(process.out)
        assert not re.search("[\x00-\x08\x0b-\x1f\x7f-\x9f]", shown), repr(shown)
        if not words:
            assert len(process.err) == 1
        if process.wait() == REFUSED:
            assert "404" in shown and "does not serve" in shown


def test_json_is_json_whatever_the_names(domain, stubs, tmp_path):
    """Odd characters of an AOR and of a file name."""
    aor = "sip:%22b\\ob%7F".replace("\\", "%5C") + "!$&'()*+,;=?/~@example.com"
    stub = stubs(CertificateService(domain, certs.certificate(aor)))
    file = account(tmp_path / "alice.account", "sip:alice@example.com", "hers", f"tls:127.0.0.1:{stub.port}", domain.ca)
    for name in (b'a"b\\c\td\n.crt', "h\u00e4h.crt".encode(), b"\xff\xc3(.crt", b"\xed\xa0\x80.crt"):
        out = str(tmp_path / "x")[:-1].encode() + name
        done = program.subprocess.run([program.BINARY, "certificate", "-a", str(file), aor, "--json", "-o", out],
                                      capture_output=True, timeout=30)
        assert done.returncode == 0, done.stderr
        lines = done.stdout.decode("utf-8").splitlines()
        assert len(lines) == 1
        event = json.loads(lines[0])
        assert event["aor"] == aor and event["event"] == "certificate" and event["ca-validated"] is False
        if name.isascii() or b"\xa4" in name:
            assert event["file"].encode() == out


def test_json_of_a_watch(watch, body, newer):
    """An object for every event: found, changed, gone."""
    service = CertificateService(watch.domain, body)
    process = watch.begun(service, "--json")
    for content in (newer, b"", body):
        service.push(body=content)
        assert watch.stub.answer().code == 200
    process.signal(signal.SIGTERM)
    assert process.wait() == 0
    events = [json.loads(line)["event"] for line in process.out]
    assert events == ["certificate", "certificate", "no-certificate", "certificate"]


# validity


@pytest.mark.slow
def test_SEC_06_certificate_that_expires_while_watched(watch):
    """It is not left where a program would find it, and the watcher is told."""
    service = CertificateService(watch.domain, certs.certificate(BOB, until=4))
    process = watch.begun(service, "--json")
    program.until(lambda: not watch.out.exists(), 15, "the removal of the expired certificate")
    program.until(lambda: len(process.out) == 2, 5, "the event")
    assert json.loads(process.out[1])["event"] == "expired" and json.loads(process.out[1])["aor"] == BOB
    assert process.child.poll() is None
    service.push(body=certs.certificate(BOB))
    assert watch.stub.answer().code == 200
    program.until(watch.out.exists, 5, "the new certificate")


# SIGTERM


@pytest.mark.parametrize("stage", ["handshake", "answer", "notify", "fetch"])
@pytest.mark.parametrize("words", [[], ["--watch"]], ids=["once", "watch"])
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP], ids=["TERM", "INT", "HUP"])
def test_signal_at_every_stage(watch, body, stage, words, number):
    """It ends at once, with 0 for a watch that was asked to end and 3 for a verb that has not done its work."""
    web = RawWeb(lambda sock, _path: sock.recv(1))
    reached = []

    def script(_stub, connection, request):
        reached.append(request)
        if stage in ("notify", "fetch"):
            connection.accept_subscribe(request, asked_expires(request))
        if stage == "fetch":
            connection.send(CertificateService(watch.domain, body, url=web.url()).notify(connection, request))

    with socket.create_server(("127.0.0.1", 0)) as silent:
        server = f"tls:127.0.0.1:{silent.getsockname()[1]}" if stage == "handshake" else "tls:127.0.0.1:{}"
        process = watch.start(script, *words, server=server)
        if stage == "handshake":
            silent.settimeout(10)
            accepted, _ = silent.accept()
            accepted.recv(1)
        else:
            program.until(lambda: reached and (stage != "fetch" or web.hits), 10, stage)
        process.signal(number)
        assert process.wait(timeout=5) == (0 if words else LOCAL)
        assert len(process.err) == (0 if words else 1)
    web.close()
    assert not watch.out.exists()


def test_a_watch_whose_terminal_is_gone(watch, body):
    """It ends its subscription; under nohup it goes on."""
    watch.begun(CertificateService(watch.domain, body)).signal(signal.SIGHUP)
    program.until(lambda: watch.stub.requests[-1].one("Expires") == "0", 5, "the end of the subscription")
    assert watch.processes[-1].wait() == 0
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        process = watch.begun(CertificateService(watch.domain, body))
    finally:
        signal.signal(signal.SIGHUP, before)
    process.signal(signal.SIGHUP)
    program.never(lambda: process.child.poll() is not None, 0.5, "the end of the verb")
    process.signal(signal.SIGTERM)
    assert process.wait() == 0


@pytest.mark.parametrize("verb", ["publish", "revoke"])
def test_signal_while_publishing(domain, stubs, tmp_path, verb):
    reached = []
    stub = stubs(lambda _stub, _connection, request: reached.append(request))
    file = account(tmp_path / "bob.account", BOB, "his", f"tls:127.0.0.1:{stub.port}", domain.ca)
    process = program.Process(verb, "-a", file, *(["--new"] if verb == "publish" else []))
    try:
        program.until(lambda: reached, 20, "the request")
        process.signal(signal.SIGTERM)
        assert process.wait(timeout=5) == LOCAL and len(process.err) == 1
    finally:
        process.kill()


# usage


@pytest.mark.parametrize("aor", ["bob", "sip:example.com", "tel:+1", "sip:bob@example.com?Subject=x", "sip:b ob@example.com",
                                 "sip:bob:pw@example.com", "sip:bob@example.com\r\nX: y", "", "sip:bob@exa\u00e4mple.com"])
def test_certificate_of_no_address(watch, aor):
    done = watch.run(lambda *_: None, aor=aor)
    assert done.returncode == USAGE and done.stderr.count("\n") == 1
    assert watch.stub.connections == 0


@pytest.mark.parametrize("name", ["pipe", "folder", "link"])
def test_files_that_are_no_files_stay(watch, body, name):
    """Neither replaced nor removed: /dev/null would be gone for everybody."""
    def kind():
        return watch.out.is_fifo(), watch.out.is_dir(), watch.out.is_symlink()

    target = watch.directory / "target"
    target.write_text("kept")
    {"pipe": lambda: program.os.mkfifo(watch.out), "folder": watch.out.mkdir,
     "link": lambda: watch.out.symlink_to(target)}[name]()
    before = kind()
    done = watch.run(CertificateService(watch.domain, body))
    assert done.returncode == LOCAL and "bob.crt" in done.stderr and done.stderr.count("\n") == 1
    assert kind() == before
    done = watch.run(CertificateService(watch.domain))
    assert done.returncode == NO_CERTIFICATE and kind() == before and target.read_text() == "kept"
