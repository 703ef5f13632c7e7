"""`vouch publish`, `credential` and `revoke` against a server of the tests' own (rows UAK, EPA, PUB, FMT, TLS, DIG)."""

import datetime
import json
import re
import signal
import stat
import subprocess
import time

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import serialization
from peer import certs, digest
from peer import lab as program
from peer.sipclient import addr_spec, tag
from peer.stub import PASSWORD, CredentialService, Stub, account, read_credential

BOB, BOB_SIPS = "sip:bob@example.com", "sips:bob@example.com"
PHRASE = "p\u00e4ssw\u00f6rt of bob"
NOT_TRUSTED, NO_CERTIFICATE = 4, 5


class Device:
    """A device of bob: his account, files, and the verbs run with them."""

    def __init__(self, domain, stubs, directory):
        self.domain, self.stubs, self.directory = domain, stubs, directory
        self.prefix = directory / "own"
        self.stub = None
        self.phrase_file = directory / "phrase"
        self.phrase(PHRASE)

    def phrase(self, text):
        self.phrase_file.write_text(text + "\n", encoding="utf-8")
        self.phrase_file.chmod(0o600)

    def pem_files(self, number=0, **options):
        """--cert and --key words for a certificate of bob; also its DER."""
        certificate = certs.certificate(BOB, key=certs.rsa_key(number), **options)
        paths = self.directory / "mine.crt", self.directory / "mine.key"
        paths[0].write_bytes(certs.pem(certificate))
        paths[1].write_bytes(certs.key_pem(certs.rsa_key(number)))
        paths[1].chmod(0o600)
        return ["--cert", paths[0], "--key", paths[1]], certificate

    def words(self, verb, script, *words, tls="", aor=BOB, server="tls:127.0.0.1:{}"):
        self.stub = self.stubs(script) if tls == "" else self.stubs(script, tls)
        file = account(self.directory / "bob.account", aor, PASSWORD, server.format(self.stub.port), self.domain.ca)
        if verb == "credential":
            words = "-o", self.prefix, *words
        return verb, "-a", file, *words

    def run(self, *arguments, **options):
        return program.vouch(*self.words(*arguments, **options))

    def start(self, *arguments):
        return program.Process(*self.words(*arguments))

    def stored(self):
        """(certificate DER, key) in the files of `credential -o`."""
        private = self.prefix.with_suffix(".key").read_bytes()
        phrase = PHRASE.encode() if b"ENCRYPTED" in private else None
        certificate = x509.load_pem_x509_certificate(self.prefix.with_suffix(".crt").read_bytes())
        return certificate.public_bytes(certs.DER), serialization.load_pem_private_key(private, phrase)

    def has_files(self):
        return [self.prefix.with_suffix(suffix).exists() for suffix in (".crt", ".key")]


@pytest.fixture
def device(domain, stubs, tmp_path):
    return Device(domain, stubs, tmp_path)


@pytest.fixture
def service(domain):
    """A credential service that has nothing yet."""
    return CredentialService(domain)


@pytest.fixture
def sealed():
    """What the service of most tests has: a certificate, and its key encrypted with the phrase."""
    return certs.certificate(BOB), certs.pkcs8_encrypted(certs.rsa_key(), PHRASE)


def accepted(stub, method):
    """The requests that carried credentials."""
    return [request for request in stub.requests if request.method == method and request.all("Authorization")]


def one_line(done):
    """The error text of a verb is one line."""
    assert done.stderr.count("\n") == 1, done.stderr
    return done.stderr


# publish


def test_PUB_01_PUB_02_PUB_03_EPA_01_publish(device, service):
    words, certificate = device.pem_files(until=7 * certs.DAY)
    done = device.run("publish", service, *words, "--passphrase-file", device.phrase_file)
    assert done.returncode == 0, done.stderr
    request = accepted(device.stub, "PUBLISH")[-1]
    assert request.uri == BOB_SIPS and addr_spec(request.one("To"))[0] in (BOB, BOB_SIPS)
    assert request.event == ("credential", {})
    assert abs(request.expires - 7 * certs.DAY) <= 5
    assert request.one("Content-Type").startswith("multipart/mixed;")
    assert request.one("Content-Disposition").partition(";")[0] == "signal"
    assert not request.all("SIP-If-Match")
    published, key = read_credential(request)
    assert published == certificate and certs.same_key(certs.load_key(key, PHRASE), certs.rsa_key())


def test_PUB_01_PUB_02_certificate_only(device, service):
    words, certificate = device.pem_files()
    assert device.run("publish", service, *words, "--cert-only").returncode == 0
    request = accepted(device.stub, "PUBLISH")[-1]
    assert request.one("Content-Type") == "application/pkix-cert" and request.body == certificate
    assert service.key is None


@pytest.fixture(scope="module")
def generated(domain, tmp_path_factory):
    """Two credentials that `publish --new` made, the first one with a pass phrase."""
    services = []
    for encrypted in (True, False):
        device = Device(domain, lambda script: Stub(script, *domain.tls), tmp_path_factory.mktemp("generated"))
        service = CredentialService(domain)
        words = ["--passphrase-file", device.phrase_file] if encrypted else []
        done = device.run("publish", service, "--new", *words)
        assert done.returncode == 0, done.stderr
        service.request = accepted(device.stub, "PUBLISH")[-1]
        services.append(service)
        device.stub.close()
    return services


def test_FMT_01_to_FMT_06_PUB_04_generated_certificate(generated):
    for service in generated:
        certificate = x509.load_der_x509_certificate(service.certificate)
        assert certificate.version == x509.Version.v3 and certificate.serial_number > 0
        assert certificate.signature_algorithm_oid.dotted_string == "1.2.840.113549.1.1.11"
        assert certificate.issuer == certificate.subject
        certs.signed_by(service.certificate, service.certificate)
        assert certs.sip_uris(service.certificate) == [BOB]
        since, until = certs.lifetime(certificate)
        now = datetime.datetime.now(datetime.timezone.utc)
        assert since <= now < until and until - since <= datetime.timedelta(days=366)
        assert all(not e.value.ca for e in certificate.extensions if isinstance(e.value, x509.BasicConstraints))
        assert certificate.public_key().key_size >= 2048 and certificate.public_key().public_numbers().e == 65537
        assert abs(service.request.expires - (until - now).total_seconds()) < 60


def test_UAK_18_keys_and_serial_numbers_differ(generated):
    one, two = (x509.load_der_x509_certificate(service.certificate) for service in generated)
    assert one.public_key().public_numbers().n != two.public_key().public_numbers().n
    assert one.serial_number != two.serial_number


def test_UAK_19_UAK_20_DEP_05_key_with_and_without_phrase(generated):
    for service, phrase in zip(generated, (PHRASE, None)):
        key = certs.load_key(service.key, phrase)
        assert certs.same_key(key, x509.load_der_x509_certificate(service.certificate))


def test_FMT_11_FMT_14_FMT_15_encryption_of_the_key(generated):
    said = certs.pbes2_parameters(generated[0].key)
    assert said["cipher"] == certs.oid("1.2.840.113549.3.7") and len(said["iv"]) == 8
    assert said["prf"] is None, "hmacWithSHA1 is the default and left out"
    assert len(said["salt"]) >= 8 and 1000 <= said["iterations"] <= 10_000_000


@pytest.mark.parametrize("hash_name, oid", [("sha1", "1.2.840.113549.1.1.5"), ("sha256", "1.2.840.113549.1.1.11")])
def test_FMT_02_FMT_03_hash_of_a_new_certificate(device, service, hash_name, oid):
    assert device.run("publish", service, "--new", "--hash", hash_name).returncode == 0
    assert x509.load_der_x509_certificate(service.certificate).signature_algorithm_oid.dotted_string == oid


@pytest.mark.parametrize("profile, cipher, prf", [
    ("draft06", "1.2.840.113549.3.7", None),
    ("rfc6072", "2.16.840.1.101.3.4.1.8", "1.2.840.113549.2.9"),
    ("aes-cbc", "2.16.840.1.101.3.4.1", "1.2.840.113549.2.9"),
])
def test_FMT_11_FMT_12_FMT_13_profiles_that_are_written(device, service, profile, cipher, prf):
    """openssl reads each of them."""
    words, _ = device.pem_files()
    done = device.run("publish", service, *words, "--passphrase-file", device.phrase_file, "--pkcs8", profile)
    assert done.returncode == 0, done.stderr
    said = certs.pbes2_parameters(service.key)
    assert certs.oid(cipher)[2:] in said["cipher"]
    assert (said["prf"] is None) if prf is None else certs.oid(prf) in said["prf"]
    read = subprocess.run(["openssl", "pkey", "-inform", "DER", "-outform", "DER", "-passin",
                           f"file:{device.phrase_file}"], input=service.key, capture_output=True, timeout=30)
    assert read.returncode == 0, read.stderr
    assert certs.same_key(serialization.load_der_private_key(read.stdout, None), certs.rsa_key())


@pytest.mark.parametrize("words", [["--hash", "md5"], ["--pkcs8", "rfc6072"], ["--cert-only"], ["--key", "F"]], ids=str)
def test_exit_2_words_that_do_not_fit(device, service, words):
    done = device.run("publish", service, "--new", *words)
    assert done.returncode == 2 and one_line(done) and device.stub.connections == 0


@pytest.mark.parametrize("granted", [None, 3600])
def test_EPA_05_a_shorter_life_is_told(device, service, granted):
    """This verb does not stay to refresh: it says until when the server keeps what was published."""
    def publish(connection, request):
        connection.reply(request, 200, headers=[("SIP-ETag", "x"), ("Expires", granted or request.expires)])

    service.publish = publish
    words, _ = device.pem_files()
    done = device.run("publish", service, *words, "--json")
    event = json.loads(done.stdout)
    assert done.returncode == 0 and event["event"] == "published"
    assert ("kept-until" in event) == (granted is not None)
    if granted:
        assert abs(event["kept-until"] - time.time() - granted) < 60


def test_EPA_04_423_is_not_answered_with_more_than_the_certificate_has(device, service):
    """All that remains was asked for at first, so there is nothing to ask for again."""
    def too_brief(connection, request):
        connection.reply(request, 423, "Interval Too Brief", [("Min-Expires", "60")])
        return True

    service.before = too_brief
    words, _ = device.pem_files(until=30)
    done = device.run("publish", service, *words)
    assert done.returncode == 1 and "423" in one_line(done)
    assert len(accepted(device.stub, "PUBLISH")) == 1 and accepted(device.stub, "PUBLISH")[0].expires <= 30


def test_FMT_14_salts_differ(device, service):
    words, _ = device.pem_files()
    seen = []
    for _ in range(2):
        assert device.run("publish", service, *words, "--passphrase-file", device.phrase_file).returncode == 0
        seen.append(certs.pbes2_parameters(service.key))
    assert seen[0]["salt"] != seen[1]["salt"] and seen[0]["iv"] != seen[1]["iv"]


def test_FMT_17_boundaries_differ(device, service):
    words, _ = device.pem_files()
    boundaries = set()
    for _ in range(2):
        assert device.run("publish", service, *words).returncode == 0
        boundaries.add(accepted(device.stub, "PUBLISH")[-1].one("Content-Type"))
    assert len(boundaries) == 2


def test_FMT_16_phrase_equal_to_the_password(device, service):
    device.phrase(PASSWORD)
    words, _ = device.pem_files()
    done = device.run("publish", service, *words, "--passphrase-file", device.phrase_file)
    assert done.returncode in (2, 3) and "pass" in one_line(done).lower()
    assert "PUBLISH" not in device.stub.methods()


def test_PUB_05_EPA_01_EPA_03_second_publish_has_the_etag(device, service):
    words, _ = device.pem_files()
    assert device.run("publish", service, *words).returncode == 0
    learnt = service.etag
    assert device.run("publish", service, *words).returncode == 0
    assert accepted(device.stub, "PUBLISH")[-1].get("SIP-If-Match") == learnt
    assert service.etag != learnt


def test_EPA_04_423_is_not_answered_with_more_than_the_certificate_has(device, service):
    """All that remains was asked for at first, so there is nothing to ask for again."""
    def too_brief(connection, request):
        connection.reply(request, 423, "Interval Too Brief", [("Min-Expires", "60")])
        return True

    service.before = too_brief
    words, _ = device.pem_files(until=30)
    done = device.run("publish", service, *words)
    assert done.returncode == 1 and "423" in one_line(done)
    assert len(accepted(device.stub, "PUBLISH")) == 1 and accepted(device.stub, "PUBLISH")[0].expires <= 30


def test_FMT_14_salts_differ(device, service):
    words, _ = device.pem_files()
    seen = []
    for _ in range(2):
        assert device.run("publish", service, *words, "--passphrase-file", device.phrase_file).returncode == 0
        seen.append(certs.pbes2_parameters(service.key))
    assert seen[0]["salt"] != seen[1]["salt"] and seen[0]["iv"] != seen[1]["iv"]


def test_FMT_17_boundaries_differ(device, service):
    words, _ = device.pem_files()
    boundaries = set()
    for _ in range(2):
        assert device.run("publish", service, *words).returncode == 0
        boundaries.add(accepted(device.stub, "PUBLISH")[-1].one("Content-Type"))
    assert len(boundaries) == 2


def test_FMT_16_phrase_equal_to_the_password(device, service):
    device.phrase(PASSWORD)
    words, _ = device.pem_files()
    done = device.run("publish", service, *words, "--passphrase-file", device.phrase_file)
    assert done.returncode in (2, 3) and "pass" in one_line(done).lower()
    assert "PUBLISH" not in device.stub.methods()


def test_PUB_05_EPA_01_EPA_03_second_publish_has_the_etag(device, service):
    words, _ = device.pem_files()
    assert device.run("publish", service, *words).returncode == 0
    learnt = service.etag
    assert device.run("publish", service, *words).returncode == 0
    assert accepted(device.stub, "PUBLISH")[-1].get("SIP-If-Match") == learnt
    assert service.etag != learnt


def test_UAK_23_EPA_03_after_412(device, service):
    """The other device was quicker: fetch what it published, and never overwrite it blindly."""
    words, _ = device.pem_files()
    assert device.run("publish", service, *words).returncode == 0

    def other_device(_connection, request):
        if request.method == "PUBLISH":
            service.etag, service.certificate = "etag-of-other", certs.certificate(BOB, key=certs.rsa_key(1))

    service.before = other_device
    done = device.run("publish", service, *words)
    refused = accepted(device.stub, "PUBLISH")[0]
    assert refused.get("SIP-If-Match") not in (None, "etag-of-other")
    later = device.stub.requests[device.stub.requests.index(refused) + 1:]
    assert all(request.get("SIP-If-Match") == "etag-of-other" for request in later if request.method == "PUBLISH")
    assert not later or later[0].method == "SUBSCRIBE"
    assert done.returncode in (0, 1)


def test_EPA_04_423(device, service):
    def too_brief(connection, request):
        if request.expires < 10 * certs.DAY:
            connection.reply(request, 423, "Interval Too Brief", [("Min-Expires", 10 * certs.DAY)])
        return request.expires < 10 * certs.DAY

    service.before = too_brief
    words, _ = device.pem_files(until=7 * certs.DAY)
    done = device.run("publish", service, *words)
    assert done.returncode == 1 and "423" in one_line(done)
    assert max(request.expires for request in accepted(device.stub, "PUBLISH")) <= 7 * certs.DAY


def test_EPA_02_one_publish_at_a_time(device, service):
    words, _ = device.pem_files()
    assert device.run("publish", service, *words).returncode == 0
    numbers = [request.cseq[0] for request in device.stub.requests if request.method == "PUBLISH"]
    assert numbers == sorted(set(numbers)) and len(numbers) == 2


@pytest.mark.parametrize("fault", ["other key", "other user", "expired", "CA"])
def test_publish_checks_what_it_sends(device, service, fault):
    """What the server would refuse is not sent, or its refusal is told; nothing is stored."""
    words, _ = device.pem_files(**{"expired": {"until": -60}, "CA": {"ca": True}}.get(fault, {}))
    if fault == "other key":
        words[3].write_bytes(certs.key_pem(certs.rsa_key(1)))
    if fault == "other user":
        words[1].write_bytes(certs.pem(certs.certificate("sip:carol@example.com")))
    done = device.run("publish", service, *words)
    assert done.returncode in (2, 3) and one_line(done)
    assert service.certificate == b"" and "PUBLISH" not in device.stub.methods()


# revoke


def test_PUB_16_EPA_01_revoke(device, service):
    words, _ = device.pem_files()
    assert device.run("publish", service, *words).returncode == 0
    learnt = service.etag
    assert device.run("revoke", service).returncode == 0
    request = accepted(device.stub, "PUBLISH")[-1]
    assert request.body == b"" and not request.all("Content-Type")
    assert request.expires == 0 and request.event == ("credential", {})
    assert request.get("SIP-If-Match") == learnt
    assert service.certificate == b""


# credential


def test_UAK_01_UAK_29_EXM_04_subscribe(device, domain, sealed):
    done = device.run("credential", CredentialService(domain, *sealed), "--passphrase-file", device.phrase_file)
    assert done.returncode == 0, done.stderr
    request = accepted(device.stub, "SUBSCRIBE")[0]
    assert request.uri == BOB_SIPS and addr_spec(request.one("To"))[0] == BOB_SIPS and tag(request.one("To")) is None
    assert request.event == ("credential", {})
    wanted = {"multipart/mixed", "application/pkix-cert", "application/pkcs8"}
    assert not request.all("Accept") or wanted <= set(request.values("Accept"))
    assert addr_spec(request.one("Contact"))[0].startswith("sips:") and b"transport=tls" not in request.raw
    assert device.stub.answer().code == 200


def test_UAK_10_UAK_26_files(device, domain, sealed):
    newer = certs.certificate(BOB, key=certs.rsa_key(1)), certs.pkcs8_encrypted(certs.rsa_key(1), PHRASE)
    for number, pair in enumerate((sealed, newer)):
        done = device.run("credential", CredentialService(domain, *pair), "--passphrase-file", device.phrase_file)
        assert done.returncode == 0 and device.stub.answer().code == 200
        certificate, key = device.stored()
        assert certificate == pair[0] and certs.same_key(key, certs.rsa_key(number))
        assert b"PRIVATE" not in done.stdout.encode() + done.stderr.encode()
        path = device.prefix.with_suffix(".key")
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
        assert path.read_bytes().startswith(b"-----BEGIN ENCRYPTED PRIVATE KEY-----")
    assert [path for path in device.directory.iterdir() if path.name.startswith("own.")
            and path.suffix not in (".crt", ".key")] == []


def test_DEP_05_plain_key(device, domain):
    pair = certs.pair(BOB)
    assert device.run("credential", CredentialService(domain, *pair)).returncode == 0
    certificate, key = device.stored()
    assert certificate == pair[0] and certs.same_key(key, certs.rsa_key())


def test_exit_5_without_credential(device, service):
    done = device.run("credential", service)
    assert done.returncode == NO_CERTIFICATE and device.has_files() == [False, False]
    assert device.stub.answer().code == 200 and "PUBLISH" not in device.stub.methods()


def test_UAK_11_UAK_12_wrong_and_right_phrase(device, domain, sealed):
    device.phrase("wrong")
    done = device.run("credential", CredentialService(domain, *sealed), "--passphrase-file", device.phrase_file)
    assert done.returncode in (3, NOT_TRUSTED) and "phrase" in one_line(done)
    assert device.stub.answer().code == 437 and device.has_files() == [False, False]
    device.phrase(PHRASE)
    done = device.run("credential", CredentialService(domain, *sealed), "--passphrase-file", device.phrase_file)
    assert done.returncode == 0 and device.stub.answer().code == 200
    assert device.stored()[0] == sealed[0]


def test_UAK_11_old_credential_is_kept(device, domain, sealed):
    assert device.run("credential", CredentialService(domain, *sealed), "--passphrase-file",
                      device.phrase_file).returncode == 0
    other = certs.certificate(BOB, key=certs.rsa_key(1)), certs.pkcs8_encrypted(certs.rsa_key(1), "another")
    assert device.run("credential", CredentialService(domain, *other), "--passphrase-file",
                      device.phrase_file).returncode != 0
    assert device.stub.answer().code == 437
    certificate, key = device.stored()
    assert certificate == sealed[0] and certs.same_key(key, certs.rsa_key())


def test_UAK_13_no_phrase_and_no_terminal(device, domain, sealed):
    done = device.run("credential", CredentialService(domain, *sealed))
    assert done.returncode in (3, NOT_TRUSTED) and "phrase" in one_line(done)
    assert device.stub.answer().code == 437


@pytest.mark.parametrize("make", [
    lambda: (certs.certificate(BOB), certs.pkcs8(certs.rsa_key(1))),
    lambda: (certs.certificate(BOB), certs.pkcs8_encrypted(certs.rsa_key(1), PHRASE)),
    lambda: certs.pair("sip:carol@example.com"),
    lambda: certs.pair(BOB, until=-60),
    lambda: certs.pair(BOB, since=3600),
    lambda: (certs.certificate(BOB), b"no key"),
    lambda: (certs.certificate(BOB), certs.pkcs1(certs.rsa_key())),
], ids=["other key", "other key, encrypted", "other user", "expired", "not yet valid", "no key", "PKCS#1"])
def test_UAK_24_credential_that_does_not_fit(device, domain, make):
    done = device.run("credential", CredentialService(domain, *make()), "--passphrase-file", device.phrase_file)
    assert done.returncode in (3, NOT_TRUSTED) and one_line(done)
    assert device.stub.answer().code == 437 and device.has_files() == [False, False]


def test_UAK_25_forged_notify(device, domain, sealed):
    def forge(notify):
        notify.body = notify.body[:-20] + bytes(20)

    service = CredentialService(domain, *sealed, after=forge)
    done = device.run("credential", service, "--passphrase-file", device.phrase_file)
    assert done.returncode == NOT_TRUSTED and device.has_files() == [False, False]
    assert device.stub.answer().code == 438


def test_UAK_30_certificate_only_keeps_the_key(device, domain, sealed):
    assert device.run("credential", CredentialService(domain, *sealed), "--passphrase-file",
                      device.phrase_file).returncode == 0
    before = device.prefix.with_suffix(".key").read_bytes()
    renewed = certs.certificate(BOB, until=20 * certs.DAY)
    assert device.run("credential", CredentialService(domain, renewed), "--passphrase-file",
                      device.phrase_file).returncode == 0
    assert device.stub.answer().code == 200 and "PUBLISH" not in device.stub.methods()
    assert device.prefix.with_suffix(".key").read_bytes() == before
    assert device.stored()[0] == renewed


@pytest.mark.parametrize("cipher, prf, options", [
    ("des-ede3-cbc", "sha1", {}), ("des-ede3-cbc", "sha1", {"explicit": True}), ("des-ede3-cbc", "sha256", {}),
    ("aes128-wrap-pad", "sha256", {}), ("aes128-wrap-pad", "sha1", {}), ("aes128-cbc", "sha256", {}),
    ("aes256-cbc", "sha256", {}), ("des-ede3-cbc", "sha1", {"iterations": 1}),
], ids=str)
def test_FMT_11_FMT_12_FMT_13_FMT_15_encrypted_keys_are_read(device, domain, cipher, prf, options):
    pair = certs.certificate(BOB), certs.pkcs8_encrypted(certs.rsa_key(), PHRASE, cipher, prf, **options)
    done = device.run("credential", CredentialService(domain, *pair), "--passphrase-file", device.phrase_file)
    assert done.returncode == 0, done.stderr
    assert certs.same_key(device.stored()[1], certs.rsa_key())


def test_FMT_14_too_many_iterations(device, domain):
    """A key that claims to need hours is refused, not tried."""
    pair = certs.certificate(BOB), certs.pkcs8_encrypted(certs.rsa_key(), PHRASE, claimed=2**31 - 1)
    done = device.run("credential", CredentialService(domain, *pair), "--passphrase-file", device.phrase_file)
    assert done.returncode in (3, NOT_TRUSTED) and device.stub.answer().code == 437


@pytest.mark.parametrize("make", [certs.pkcs8, certs.pkcs8_v2], ids=["version 1", "version 2"])
def test_FMT_09_plain_keys_are_read(device, domain, make):
    service = CredentialService(domain, certs.certificate(BOB), make(certs.rsa_key()))
    assert device.run("credential", service).returncode == 0
    assert certs.same_key(device.stored()[1], certs.rsa_key())


def test_UAK_22_watch_answers_deactivated_with_a_new_dialog(device, domain, sealed):
    service = CredentialService(domain, *sealed)
    process = device.start("credential", service, "--watch", "--passphrase-file", device.phrase_file)
    try:
        assert device.stub.answer().code == 200
        program.until(lambda: device.has_files() == [True, True], 5, "the files")
        first = accepted(device.stub, "SUBSCRIBE")[0]
        newer = certs.certificate(BOB, key=certs.rsa_key(1)), certs.pkcs8_encrypted(certs.rsa_key(1), PHRASE)
        service.certificate, service.key = newer
        service.push()
        assert device.stub.answer().code == 200
        program.until(lambda: device.stored()[0] == newer[0], 5, "the new credential")
        count = len(accepted(device.stub, "SUBSCRIBE"))
        service.push(body=b"", state="terminated;reason=deactivated")
        assert device.stub.answer().code == 200
        program.until(lambda: len(accepted(device.stub, "SUBSCRIBE")) > count, 3, "the new subscription")
        again = accepted(device.stub, "SUBSCRIBE")[-1]
        assert again.one("Call-ID") != first.one("Call-ID")
        assert tag(again.one("From")) != tag(first.one("From")) and tag(again.one("To")) is None
        assert device.stub.answer().code == 200
        process.signal(signal.SIGTERM)
        assert process.wait() == 0
        assert device.stub.requests[-1].expires == 0
    finally:
        process.kill()


@pytest.mark.slow
def test_UAK_04_UAK_05_refresh_and_new_connection(device, domain, sealed):
    service = CredentialService(domain, *sealed, granted=4)
    process = device.start("credential", service, "--watch", "--passphrase-file", device.phrase_file)
    try:
        program.until(lambda: len(accepted(device.stub, "SUBSCRIBE")) >= 2, 10, "the refresh")
        first, second = accepted(device.stub, "SUBSCRIBE")[:2]
        assert second.time - first.time < 4.5
        assert second.one("Call-ID") == first.one("Call-ID") and tag(second.one("To"))
        service.dialog[0].abort()
        program.until(lambda: device.stub.connections >= 2, 10, "the new connection")
        program.until(lambda: accepted(device.stub, "SUBSCRIBE")[-1].one("Call-ID") != first.one("Call-ID"), 10,
                      "the new subscription")
    finally:
        process.kill()


# transport security and digest


@pytest.mark.parametrize("verb", ["publish", "credential", "revoke"])
@pytest.mark.parametrize("names, options", [
    (["sip:other.example", "DNS:other.example"], {}),
    (["DNS:sub.example.com"], {}),
    (["DNS:example.com.evil.example"], {}),
    (["sip:other.example", "DNS:example.com"], {}),
    (["sip:bob@example.com"], {}),
    (["sips:example.com"], {}),
    (["DNS:other.example"], {"cn": "example.com"}),
    (["IP:127.0.0.1"], {}),
    (["sip:example.com"], {"since": -7200, "until": -3600}),
    (["sip:example.com"], {"since": 3600}),
    (["sip:example.com"], {"issuer": False}),
    (["sip:example.com"], {"eku": [certs.CODE_SIGNING]}),
], ids=str)
def test_TLS_04_TLS_05_TLS_10_TLS_11_TLS_12_UAK_08_wrong_server(device, domain, service, verb, names, options):
    """Not one octet of SIP for a server that is not example.com."""
    words = device.pem_files()[0] if verb == "publish" else []
    done = device.run(verb, service, *words, tls=domain.files("wrong", *names, **options))
    assert done.returncode in (3, NOT_TRUSTED) and "certificate" in one_line(done)
    assert device.stub.connections >= 1 and device.stub.octets == 0


def test_TLS_05_unknown_ca(device, domain, service):
    evil = certs.authority(certs.rsa_key(91), cn="Test CA")
    done = device.run("revoke", service, tls=domain.files("evil", "sip:example.com", issuer=evil))
    assert done.returncode in (3, NOT_TRUSTED) and device.stub.octets == 0


def test_TLS_11_no_wildcards(device, domain, service):
    done = device.run("revoke", service, aor="sip:bob@sip.example.com", tls=domain.files("wild", "DNS:*.example.com"))
    assert done.returncode in (3, NOT_TRUSTED) and device.stub.octets == 0


@pytest.mark.parametrize("names, options", [
    (["sip:example.com"], {}),
    (["DNS:example.com"], {}),
    (["DNS:EXAMPLE.com"], {}),
    (["sip:EXAMPLE.COM", "DNS:other.example"], {}),
    (["sip:other.example", "sip:example.com"], {}),
    ([], {"cn": "example.com"}),
    (["sip:example.com"], {"eku": [certs.SIP_DOMAIN]}),
    (["sip:example.com"], {"eku": [certs.SERVER_AUTH]}),
    (["sip:example.com"], {"eku": [certs.ANY_EKU]}),
], ids=str)
def test_TLS_10_TLS_11_TLS_12_right_server(device, domain, service, names, options):
    done = device.run("revoke", service, tls=domain.files("right", *names, **options))
    assert done.returncode == 0, done.stderr


def test_TLS_03_client_sends_the_domain_of_the_aor(device, service):
    asked = []
    device.words("revoke", service)
    device.stub.context.sni_callback = lambda _socket, name, _context: asked.append(name)
    assert program.vouch("revoke", "-a", device.directory / "bob.account").returncode == 0
    assert asked == ["example.com"]


@pytest.mark.parametrize("verb", ["publish", "credential", "revoke"])
@pytest.mark.parametrize("scheme", ["tcp", "udp"])
def test_UAK_06_DIG_08_no_server_without_tls(device, service, verb, scheme):
    words = device.pem_files()[0] if verb == "publish" else []
    done = device.run(verb, service, *words, tls=None, server=scheme + ":127.0.0.1:{}")
    assert done.returncode in (2, 3) and "tls" in one_line(done).lower()
    assert device.stub.octets == 0


def test_UAK_06_closed_port(device, service):
    words = device.words("revoke", service)
    port = device.stub.port
    device.stub.stop_listening()
    done = program.vouch(*words)
    assert done.returncode == 3 and f"127.0.0.1:{port}" in one_line(done)


def test_UAK_09_DIG_04_DIG_07_answer_to_the_challenge(device, service):
    assert device.run("revoke", service).returncode == 0
    first, second = [request for request in device.stub.requests if request.method == "PUBLISH"]
    assert not first.all("Authorization")
    assert second.cseq[0] == first.cseq[0] + 1 and second.one("Call-ID") == first.one("Call-ID")
    assert second.branch != first.branch and tag(second.one("From")) == tag(first.one("From"))
    _, given = digest.parse(second.one("Authorization"))
    assert given["username"] == "bob" and given["nc"] == "00000001" and given["algorithm"] == "SHA-256"


def test_DIG_06_topmost_algorithm_that_is_known(device, service):
    service.CHALLENGES = "SHA-512-256", "MD5", "SHA-256"
    assert device.run("revoke", service).returncode == 0
    assert digest.parse(accepted(device.stub, "PUBLISH")[-1].one("Authorization"))[1]["algorithm"] == "MD5"


def test_DIG_07_wrong_password_is_tried_once(device, service):
    service.password = "another"
    done = device.run("revoke", service)
    assert done.returncode == 1 and "401" in one_line(done)
    assert device.stub.methods() in (["PUBLISH", "PUBLISH"], ["SUBSCRIBE", "SUBSCRIBE"])


def test_DIG_07_stale_nonce_is_tried_again(device, service):
    refused = []

    def refuse_once(connection, request):
        if not refused:
            connection.reply(request, 401, "Unauthorized", [(
                "WWW-Authenticate", f'Digest realm="example.com", nonce="{service.NONCE}", algorithm=SHA-256, '
                                    'qop="auth", stale=true')])
        refused.append(request)
        return len(refused) == 1

    service.before = refuse_once
    assert device.run("revoke", service).returncode == 0
    assert len(refused) >= 2


def test_DIG_02_no_basic(device):
    def script(_stub, connection, request):
        connection.reply(request, 401, "Unauthorized", [("WWW-Authenticate", 'Basic realm="example.com"')])

    done = device.run("revoke", script)
    assert done.returncode == 1 and "401" in one_line(done)
    assert not any(request.all("Authorization") for request in device.stub.requests)


@pytest.mark.parametrize("code, reason", [(403, "Forbidden"), (404, "Not Found"), (437, "Unsupported Certificate"),
                                          (500, "Server Internal Error"), (503, "Service Unavailable")])
def test_exit_1_tells_the_status(device, service, code, reason):
    def refuse(connection, request):
        connection.reply(request, code, reason)
        return True

    service.before = refuse
    words, _ = device.pem_files()
    done = device.run("publish", service, *words)
    assert done.returncode == 1 and f"{code} {reason}" in one_line(done)


def test_verbose_has_messages_but_no_secrets(device, domain):
    words, _ = device.pem_files()
    service = CredentialService(domain)
    for verb, more in (("publish", [*words, "--passphrase-file", device.phrase_file]),
                       ("credential", ["--passphrase-file", device.phrase_file]), ("revoke", [])):
        done = device.run(verb, service, "-v", *more)
        assert done.returncode == 0, done.stderr
        shown = done.stdout + done.stderr
        assert re.search(rf"(PUBLISH|SUBSCRIBE) {BOB_SIPS} SIP/2.0", shown) and "SIP/2.0 200 OK" in shown
        answers = [digest.parse(request.one("Authorization"))[1]["response"]
                   for request in device.stub.requests if request.all("Authorization")]
        secrets = answers + [PASSWORD, PHRASE, "PRIVATE KEY"]
        if service.key:
            secrets.append(service.key[100:130].hex())
        assert not any(secret in shown.replace(f"{device.directory}", "") for secret in secrets), shown


@pytest.mark.parametrize("verb", ["publish", "credential", "revoke"])
def test_json_has_one_object_a_line(device, domain, sealed, verb):
    words = device.pem_files()[0] if verb == "publish" else ["--passphrase-file", device.phrase_file]
    done = device.run(verb, CredentialService(domain, *sealed), "--json", *(words if verb != "revoke" else []))
    assert done.returncode == 0, done.stderr
    events = [json.loads(line) for line in done.stdout.splitlines()]
    assert events and all(isinstance(event, dict) for event in events)
    assert BOB in done.stdout
