"""`vouch certificate`: section 9.3 of the draft step by step, against servers that lie (rows SEC, VER, UAC, EVT)."""

import hashlib
import json
import re
import signal
import socket
import ssl
import time

import pytest
from peer import certs
from peer import lab as program
from peer.sipclient import addr_spec, parameters, tag
from peer.stub import CertificateService, Stub, Web, account, asked_expires, sip_date

BOB = "sip:bob@example.com"
NOT_TRUSTED = 4
NO_CERTIFICATE = 5


class Fetch:
    """Runs `vouch certificate` as alice against a stub."""

    def __init__(self, domain, stubs, directory):
        self.domain, self.stubs, self.directory = domain, stubs, directory
        self.out = directory / "bob.crt"
        self.stub = None

    def arguments(self, script, *words, aor=BOB):
        self.stub = self.stubs(script)
        file = account(self.directory / "alice.account", "sip:alice@example.com", "hers",
                       f"tls:127.0.0.1:{self.stub.port}", self.domain.ca)
        return "certificate", "-a", file, aor, "-o", self.out, *words

    def run(self, script, *words, **options):
        return program.vouch(*self.arguments(script, *words, **options))

    def start(self, script, *words):
        return program.Process(*self.arguments(script, *words))

    def refused(self, status, body, **options):
        """The verb answers this status, says so in one line, exits with 4 and writes nothing."""
        done = self.run(CertificateService(self.domain, body, **options))
        assert done.returncode == NOT_TRUSTED, done.stderr
        assert len(done.stderr.strip().split("\n")) == 1 and not self.out.exists()
        assert self.stub.answer().code == status
        return done

    def accepted(self, body, **options):
        done = self.run(CertificateService(self.domain, body, **options))
        assert done.returncode == 0, done.stderr
        assert self.stub.answer().code == 200
        assert self.out.read_bytes() == certs.pem(body)
        return done


@pytest.fixture
def fetch(domain, stubs, tmp_path):
    return Fetch(domain, stubs, tmp_path)


@pytest.fixture(scope="module", autouse=True)
def unanswered(domain, tmp_path_factory):
    """A verb whose SUBSCRIBE gets a 200 and no NOTIFY: it waits while the other tests of this file run."""
    stub = Stub(lambda _stub, connection, request: connection.accept_subscribe(request, 3600), *domain.tls)
    file = account(tmp_path_factory.mktemp("unanswered") / "alice.account", "sip:alice@example.com", "hers",
                   f"tls:127.0.0.1:{stub.port}", domain.ca)
    process = program.Process("certificate", "-a", file, BOB)
    yield stub, process
    process.kill()
    stub.close()


@pytest.fixture(scope="module")
def body():
    """The certificate of bob."""
    return certs.certificate(BOB)


def setting(name, value):
    """A change of one header field, for `before` and `after` of a NOTIFY."""
    return lambda notify: notify.set(name, value)


def test_UAC_01_UAC_22_honest_server(fetch, body):
    done = fetch.accepted(body)
    request = fetch.stub.requests[0]
    assert (request.method, request.uri, addr_spec(request.one("To"))[0]) == ("SUBSCRIBE", BOB, BOB)
    assert request.event == ("certificate", {}) and tag(request.one("To")) is None
    assert "application/pkix-cert" in (request.values("Accept") or ["application/pkix-cert"])
    assert program.fingerprints(done.stdout) == [hashlib.sha256(body).hexdigest()]
    assert done.stderr == ""


def test_CRT_24_UA_never_asks_for_lists(fetch, body):
    fetch.accepted(body)
    assert all("eventlist" not in r.values("Supported") + r.values("Require") for r in fetch.stub.requests)


def test_json_has_one_object_a_line(fetch, body):
    done = fetch.run(CertificateService(fetch.domain, body), "--json")
    events = [json.loads(line) for line in done.stdout.splitlines()]
    assert done.returncode == 0 and events and all(isinstance(event, dict) for event in events)
    assert program.fingerprints(done.stdout) == [hashlib.sha256(body).hexdigest()]
    assert BOB in done.stdout


def test_verbose_shows_the_messages(fetch, body):
    done = fetch.run(CertificateService(fetch.domain, body), "-v")
    shown = done.stdout + done.stderr
    assert done.returncode == 0
    assert f"SUBSCRIBE {BOB} SIP/2.0" in shown and "SIP/2.0 200 OK" in shown and "NOTIFY sip:" in shown
    assert "hers" not in shown


def test_exit_5_without_certificate(fetch):
    done = fetch.run(CertificateService(fetch.domain))
    assert done.returncode == NO_CERTIFICATE and not fetch.out.exists()
    assert fetch.stub.answer().code == 200
    assert BOB in done.stderr or "bob@example.com" in done.stderr


@pytest.mark.parametrize("code, reason", [(403, "Forbidden"), (404, "Not Found"), (489, "Bad Event"), (503, "Busy")])
def test_exit_1_when_refused(fetch, code, reason):
    done = fetch.run(lambda _stub, connection, request: connection.reply(request, code, reason))
    assert done.returncode == 1 and str(code) in done.stderr and done.stderr.count("\n") == 1


def test_UAC_12_unsigned_empty_notify_is_no_revocation(fetch):
    def strip(notify):
        notify.set("Identity", None).set("Identity-Info", None)

    fetch.refused(428, b"", after=strip)


def test_VER_01_no_identity(fetch, body):
    done = fetch.refused(428, body, after=lambda n: n.set("Identity", None).set("Identity-Info", None))
    assert "identity" in done.stderr.lower()


@pytest.mark.parametrize("change", [
    lambda n: n.set("Identity-Info", None),
    lambda n: n.set("Identity-Info", n.get("Identity-Info").partition(";")[0]),
    lambda n: n.set("Identity-Info", "<ftp://127.0.0.1/example.cer>;alg=rsa-sha1"),
    lambda n: n.set("Identity-Info", "<http://127.0.0.1:9/example.cer>;alg=rsa-sha1"),
    lambda n: n.set("Identity", n.get("Identity").strip('"') + ";info=<http://127.0.0.1:9/>;alg=RS256"),
], ids=["absent", "no alg", "ftp", "unreachable", "RFC 8224 form"])
def test_VER_04_VER_17_bad_identity_info(fetch, body, change):
    fetch.refused(436, body, after=change)


@pytest.mark.parametrize("page", [
    None,
    (404, "text/html", b"<html>no</html>"),
    (200, "text/html", b"<html>hello</html>"),
    (200, "application/pkix-cert", b""),
    (200, "application/pkix-cert", b"\x30\x82" + bytes(20000)),
], ids=["missing", "404", "HTML", "empty", "too large"])
def test_VER_04_VER_18_what_is_fetched_is_no_certificate(fetch, body, page):
    path = f"/bad{id(page)}.cer"
    if page:
        fetch.domain.web.pages[path] = page
    fetch.refused(436, body, url=fetch.domain.web.url(path))


@pytest.mark.slow
def test_VER_18_endless_fetch_ends(fetch, body, server_that_hangs):
    begin = time.monotonic()
    fetch.refused(436, body, url=f"http://127.0.0.1:{server_that_hangs}/example.cer")
    assert time.monotonic() - begin < 12


@pytest.fixture
def server_that_hangs():
    """A port that accepts connections and never answers."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        yield listener.getsockname()[1]


def test_VER_02_first_fault_decides(fetch, body):
    def damage(notify):
        notify.set("Identity-Info", "<http://127.0.0.1:9/example.cer>;alg=rsa-sha1").body = b"other"

    fetch.refused(436, body, after=damage)


@pytest.mark.parametrize("fault, options", [
    ("self-signed", {"issuer": False}),
    ("unknown CA", {"issuer": certs.authority(certs.rsa_key(91), cn="Evil CA")}),
    ("expired", {"since": -7200, "until": -3600}),
    ("not yet valid", {"since": 3600}),
])
def test_VER_05_VER_13_untrusted_domain_certificate(fetch, domain, body, fault, options):
    url = domain.publish(f"/{fault.replace(' ', '-')}.cer", "sip:example.com", "DNS:example.com", **options)
    fetch.refused(437, body, url=url)


@pytest.mark.parametrize("names", [["DNS:atlanta.example"], ["DNS:sub.example.com"], ["sip:atlanta.example"],
                                   ["DNS:example.com.evil.example"], [BOB]])
def test_VER_06_EXM_02_certificate_of_another_domain(fetch, domain, body, names):
    url = domain.publish(f"/{names[0].replace(':', '-')}.cer", *names, cn="example.com")
    fetch.refused(437, body, url=url)


@pytest.mark.parametrize("names, cn", [(["sip:example.com"], "x"), (["DNS:EXAMPLE.com"], "x"), ([], "example.com")])
def test_VER_06_certificate_of_the_domain(fetch, domain, body, names, cn):
    fetch.accepted(body, url=domain.publish(f"/good-{len(names)}-{cn}.cer", *names, cn=cn))


@pytest.mark.parametrize("name", ["To", "CSeq", "Date", "Contact", "no Contact", "body", "signature"])
def test_VER_07_UAC_05_SEC_05_signed_element_changed(fetch, body, name):
    def change(notify):
        if name == "To":
            uri, rest = addr_spec(notify.get("To"))
            notify.set("To", f"<{uri};x=1>;{rest}")
        elif name == "CSeq":
            notify.set("CSeq", "77 NOTIFY")
        elif name == "Date":
            notify.set("Date", sip_date(2))
        elif name == "Contact":
            notify.set("Contact", "<sip:mallory@127.0.0.1:9>")
        elif name == "no Contact":
            notify.set("Contact", None)
        elif name == "signature":
            value = notify.get("Identity")
            notify.set("Identity", value[:20] + ("A" if value[20] != "A" else "B") + value[21:])
        else:
            notify.body = notify.body[:-1] + bytes([notify.body[-1] ^ 1])

    codes = (400, 438) if name == "no Contact" else (438,)
    done = fetch.run(CertificateService(fetch.domain, body, after=change))
    assert done.returncode == NOT_TRUSTED and not fetch.out.exists()
    assert fetch.stub.answer().code in codes


def test_VER_07_certificate_swapped_for_mallorys(fetch, body):
    mallory = certs.certificate(BOB, key=certs.rsa_key(1))
    fetch.refused(438, body, after=lambda notify: setattr(notify, "body", mallory))


@pytest.mark.parametrize("offset, status", [(-3700, 403), (3700, 403), (-3500, 200), (3500, 200)])
def test_VER_08_date_window(fetch, domain, body, offset, status):
    url = domain.publish("/old.cer", "sip:example.com", since=-7200)
    if status == 200:
        fetch.accepted(body, before=setting("Date", sip_date(offset)), url=url)
    else:
        assert "date" in fetch.refused(403, body, before=setting("Date", sip_date(offset)), url=url).stderr.lower()


def test_VER_08_no_date(fetch, body):
    fetch.refused(400, body, after=setting("Date", None))


def test_VER_09_date_before_the_domain_certificate(fetch, domain, body):
    url = domain.publish("/young.cer", "sip:example.com", since=-60)
    fetch.refused(437, body, before=setting("Date", sip_date(-600)), url=url)


def test_VER_12_algorithms(fetch, body):
    fetch.accepted(body, alg="rsa-sha256")
    fetch.out.unlink()
    for name in ("foo", "rsa-sha256"):
        change = setting("Identity-Info", f"<{fetch.domain.url}>;alg={name}")
        fetch.refused(437 if name == "foo" else 438, body, after=change)


def test_VER_17_compact_and_folded(fetch, body):
    def compact(notify):
        value = notify.get("Identity")
        notify.set("Identity", None).add("y", f"{value[:60]}\r\n    {value[60:120]}\r\n\t{value[120:]}")
        info = notify.get("Identity-Info")
        notify.set("Identity-Info", None).add("n", info.replace(";alg=", " ; ALG = "))

    fetch.accepted(body, after=compact)


def test_VER_04_https(fetch, domain, body, secure_web):
    secure_web.pages["/example.cer"] = domain.web.pages["/example.cer"]
    fetch.accepted(body, url=secure_web.url("/example.cer"))
    assert secure_web.hits == ["/example.cer"]


@pytest.fixture
def secure_web(domain):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*domain.tls)
    web = Web(context)
    yield web
    web.close()


def test_SEC_04_UAC_06_identity_of_somebody_else(fetch, body):
    def carol(notify):
        notify.set("From", notify.get("From").replace("bob", "carol"))

    done = fetch.run(CertificateService(fetch.domain, body, before=carol))
    assert done.returncode == NOT_TRUSTED and not fetch.out.exists()
    assert "from" in done.stderr.lower() or "carol" in done.stderr


@pytest.mark.parametrize("options", [{"since": 3600}, {"since": -7200, "until": -3600}],
                         ids=["not yet valid", "expired"])
def test_SEC_06_validity_of_the_certificate(fetch, options):
    done = fetch.run(CertificateService(fetch.domain, certs.certificate(BOB, **options)))
    assert done.returncode == NOT_TRUSTED and not fetch.out.exists()
    assert "valid" in done.stderr or "expire" in done.stderr


@pytest.mark.parametrize("content", [b"no certificate", "pem", "two"])
def test_T_40_body_is_exactly_one_certificate(fetch, body, content):
    content = {"pem": certs.pem(body), "two": body + body}.get(content, content)
    done = fetch.run(CertificateService(fetch.domain, content))
    assert done.returncode == NOT_TRUSTED and not fetch.out.exists()


def test_SEC_02_certificate_of_a_trusted_ca_for_the_user(fetch, domain):
    """The MAY of section 9.3 is used or not, but never for a name that is not the one asked for."""
    def strip(notify):
        notify.set("Identity", None).set("Identity-Info", None)

    vouched = domain.make("sip:carol@example.com", key=certs.rsa_key())
    fetch.refused(428, vouched, after=strip)
    vouched = domain.make(BOB, key=certs.rsa_key())
    assert fetch.run(CertificateService(domain, vouched, after=strip)).returncode in (0, NOT_TRUSTED)


def test_SEC_14_validation_by_a_ca_is_told(fetch, domain, body):
    """RFC 6072 10.3.1: success is shown, failure is no reason to refuse."""
    for certificate, said in ((body, "no"), (domain.make(BOB, key=certs.rsa_key()), "yes"),
                              (certs.certificate(BOB, issuer=certs.authority(certs.rsa_key(91), cn="Evil CA")), "no")):
        done = fetch.accepted(certificate)
        assert re.search(rf"ca-validated +{said}$", done.stdout, re.M)


def test_SEC_07_old_file_stays_when_the_new_one_is_not_trusted(fetch, body):
    fetch.accepted(body)
    done = fetch.run(CertificateService(fetch.domain, certs.certificate(BOB, key=certs.rsa_key(1)),
                                        after=lambda n: n.set("Identity", None)))
    assert done.returncode == NOT_TRUSTED
    assert fetch.out.read_bytes() == certs.pem(body)


def test_SEC_11_EVT_22_notify_of_other_dialogs(fetch, body):
    """NOTIFYs for dialogs and packages that the verb does not have are refused; the right one is then taken."""
    def script(stub, connection, request):
        service = CertificateService(fetch.domain, body)
        connection.accept_subscribe(request, asked_expires(request))
        if len(stub.requests) == 1:
            for change in (setting("Call-ID", "another"), setting("To", f"{addr_spec(request.one('From'))[0]};tag=x"),
                           setting("Event", "presence")):
                connection.send(service.notify(connection, request, before=change))
        connection.send(service.notify(connection, request))

    done = fetch.run(script)
    assert done.returncode == 0, done.stderr
    assert [fetch.stub.answer().code for _ in range(4)] == [481, 481, 489, 200]


def test_EVT_21_notify_before_the_200(fetch, body):
    def script(_stub, connection, request):
        connection.send(CertificateService(fetch.domain, body).notify(connection, request))
        connection.accept_subscribe(request, asked_expires(request))

    assert fetch.run(script).returncode == 0
    assert fetch.out.read_bytes() == certs.pem(body)


def test_EVT_24_202_is_200(fetch, body):
    def script(_stub, connection, request):
        connection.accept_subscribe(request, asked_expires(request), code=202)
        connection.send(CertificateService(fetch.domain, body).notify(connection, request))

    assert fetch.run(script).returncode == 0


@pytest.fixture
def watching(fetch, body):
    """A running --watch with its first certificate."""
    service = CertificateService(fetch.domain, body)
    process = fetch.start(service, "--watch")
    try:
        program.until(lambda: process.out and fetch.out.exists(), 10, "the first certificate")
        assert fetch.stub.answer().code == 200
        yield service, process
        process.signal(signal.SIGTERM)
        assert process.wait() == 0
    finally:
        process.kill()


@pytest.mark.slow
def test_UAC_02_refresh_in_the_dialog(fetch, body):
    process = fetch.start(CertificateService(fetch.domain, body, granted=4), "--watch")
    try:
        program.until(lambda: len(fetch.stub.requests) >= 2, 10, "the refresh")
        first, second = fetch.stub.requests[:2]
        assert second.time - first.time < 4.5
        assert second.one("Call-ID") == first.one("Call-ID") and tag(second.one("To"))
        assert second.cseq == (first.cseq[0] + 1, "SUBSCRIBE")
        assert "gr" in parameters(second.uri.partition(";")[2]), "the request goes to the Contact of the server"
    finally:
        process.kill()


@pytest.mark.slow
def test_EVT_25_expires_of_notify_is_authoritative(fetch, body):
    process = fetch.start(CertificateService(fetch.domain, body, state="active;expires=3"), "--watch")
    try:
        program.until(lambda: len(fetch.stub.requests) >= 2, 10, "the refresh")
        first, second = fetch.stub.requests[:2]
        assert second.time - first.time < 3.5 and second.one("Call-ID") == first.one("Call-ID")
    finally:
        process.kill()


def test_EVT_23_deactivated_means_at_once(fetch, watching):
    service, _ = watching
    service.push(body=b"", state="terminated;reason=deactivated")
    program.until(lambda: len(fetch.stub.requests) == 2, 3, "the new SUBSCRIBE")
    first, second = fetch.stub.requests
    assert second.one("Call-ID") != first.one("Call-ID") and tag(second.one("To")) is None
    assert tag(second.one("From")) != tag(first.one("From"))


@pytest.mark.parametrize("reason", ["rejected", "noresource", "invariant"])
def test_EVT_23_reasons_that_forbid_another_try(fetch, body, reason):
    service = CertificateService(fetch.domain, body)
    process = fetch.start(service, "--watch")
    try:
        assert fetch.stub.answer().code == 200
        service.push(state=f"terminated;reason={reason}")
        assert fetch.stub.answer().code == 200
        program.never(lambda: len(fetch.stub.requests) > 1, 1, "another SUBSCRIBE")
    finally:
        process.kill()


@pytest.mark.slow
def test_UAC_17_EVT_23_probation(fetch, body):
    """The certificate is used meanwhile; the next SUBSCRIBE comes after retry-after."""
    service = CertificateService(fetch.domain, body, state="terminated;reason=probation;retry-after=2")
    process = fetch.start(service, "--watch")
    try:
        program.until(lambda: len(fetch.stub.requests) >= 2, 15, "the next SUBSCRIBE")
        first, second = fetch.stub.requests[:2]
        assert second.time - first.time >= 1.9
        assert second.one("Call-ID") != first.one("Call-ID")
        assert fetch.out.read_bytes() == certs.pem(body)
    finally:
        process.kill()


def test_UAC_03_unsubscribe_at_the_end(fetch, watching):
    _, process = watching
    process.signal(signal.SIGTERM)
    assert process.wait() == 0
    last = fetch.stub.requests[-1]
    assert last.expires == 0 and tag(last.one("To")) and last.one("Call-ID") == fetch.stub.requests[0].one("Call-ID")


def test_UAC_11_update_and_revocation(fetch, watching):
    service, process = watching
    newer = certs.certificate(BOB, key=certs.rsa_key(1))
    service.push(body=newer)
    assert fetch.stub.answer().code == 200
    program.until(lambda: fetch.out.exists() and fetch.out.read_bytes() == certs.pem(newer), 5, "the new certificate")
    service.push(body=b"")
    assert fetch.stub.answer().code == 200
    program.until(lambda: not fetch.out.exists(), 5, "the removal of the revoked certificate")
    assert process.child.poll() is None


def test_UAC_12_SEC_13_forged_notify_changes_nothing(fetch, watching, body):
    service, process = watching
    service.push(body=b"", after=lambda n: n.set("Identity", None).set("Identity-Info", None))
    assert fetch.stub.answer().code == 428
    service.push(body=certs.certificate(BOB, key=certs.rsa_key(1)), key=certs.rsa_key(2))
    assert fetch.stub.answer().code == 438
    assert fetch.out.read_bytes() == certs.pem(body)
    assert process.child.poll() is None


def test_UAC_12_watch_that_begins_with_a_forgery_ends_with_it(fetch, body):
    """Staying would be to wait for an honest answer of a server that has just shown what it is."""
    done = fetch.run(CertificateService(fetch.domain, body, key=certs.rsa_key(2)), "--watch")
    assert done.returncode == NOT_TRUSTED and "438" in done.stderr and done.stderr.count("\n") == 1
    assert not fetch.out.exists()


def test_VER_03_domain_certificate_is_cached(fetch, domain, body):
    domain.web.pages["/cached.cer"] = domain.web.pages["/example.cer"]
    service = CertificateService(domain, body, url=domain.web.url("/cached.cer"))
    process = fetch.start(service, "--watch")
    try:
        assert fetch.stub.answer().code == 200
        service.push(body=certs.certificate(BOB, key=certs.rsa_key(1)))
        assert fetch.stub.answer().code == 200
        assert domain.web.hits.count("/cached.cer") == 1
    finally:
        process.kill()


def test_VER_10_replay(fetch, watching):
    """The same NOTIFY with another branch is refused, with or without another From tag."""
    service, _ = watching
    connection, _ = service.dialog
    octets = service.push()
    assert fetch.stub.answer().code == 200
    again = re.sub(rb"branch=z9hG4bK\w+", b"branch=z9hG4bKreplayed", octets)
    connection.send(again)
    assert fetch.stub.answer().code in (403, 500)
    connection.send(re.sub(rb"(From:[^\r]*;tag=)\w+", rb"\1another", again).replace(b"replayed", b"replayed2"))
    assert fetch.stub.answer().code in (403, 481, 500)


def test_VER_11_retransmission_is_no_replay(fetch, watching):
    service, _ = watching
    connection, _ = service.dialog
    octets = service.push()
    first = fetch.stub.answer()
    connection.send(octets)
    second = fetch.stub.answer()
    assert first.code == second.code == 200 or second.code in (403, 500)


@pytest.mark.slow
def test_UAC_20_200_without_notify(unanswered):
    """64*T1 after the SUBSCRIBE the verb gives up."""
    stub, process = unanswered
    assert process.wait(timeout=40) == 3
    assert 31 <= process.ended - stub.requests[0].time <= 36
    assert "NOTIFY" in process.log and len(process.err) == 1
    assert [request.method for request in stub.requests[:1]] == ["SUBSCRIBE"]
