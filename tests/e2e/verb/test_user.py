"""The verbs of users against the real server: results, exit codes, output."""

import hashlib
import json
import re
import signal
import subprocess

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import serialization
from peer import certs
from peer import lab as program
from peer.sipclient import certificate_of
from peer.stub import account

USAGE, LOCAL, NO_CERTIFICATE = 2, 3, 5


class Device:
    """A user of the shared server with an account file and room for files."""

    def __init__(self, lab, user, directory):
        self.lab, self.user, self.directory = lab, user, directory
        self.account = account(directory / "own.account", user.aor, user.password, f"tls:127.0.0.1:{lab.port + 1}",
                               lab.ca)
        self.prefix = directory / "own"
        self.phrase_file = directory / "phrase"
        self.phrase_file.write_text("a phrase of the user\n")
        self.phrase_file.chmod(0o600)

    def run(self, verb, *words):
        return program.vouch(verb, "-a", self.account, *words)

    def ok(self, verb, *words):
        done = self.run(verb, *words)
        assert (done.returncode, done.stderr) == (0, ""), done
        return done.stdout

    def credential(self):
        self.ok("credential", "-o", self.prefix, "--passphrase-file", self.phrase_file)
        private = self.prefix.with_suffix(".key").read_bytes()
        phrase = b"a phrase of the user" if b"ENCRYPTED" in private else None
        return certs.load_pem_pair(self.prefix.with_suffix(".crt").read_bytes(), private, phrase)


@pytest.fixture
def device(lab, user, tmp_path):
    return Device(lab, user, tmp_path)


def test_DEP_04_UAK_20_publish_credential_certificate_revoke(lab, device, user, watcher, tmp_path):
    """A life of a credential: made on one device, fetched on another, found by somebody else, revoked."""
    device.ok("publish", "--new", "--passphrase-file", device.phrase_file)
    published = watcher.fetch(user.aor)
    assert certs.sip_uris(published) == [user.aor]
    certificate, key = device.credential()
    assert certificate == published and certs.same_key(key, x509.load_der_x509_certificate(published))

    (tmp_path / "carol").mkdir()
    other = Device(lab, lab.lab_user("carol"), tmp_path / "carol")
    out = tmp_path / "found.crt"
    said = other.ok("certificate", user.aor, "-o", out)
    assert out.read_bytes() == certs.pem(published)
    assert program.fingerprints(said) == [hashlib.sha256(published).hexdigest()]

    subscription = watcher.subscribe(user.aor)
    device.ok("revoke")
    assert certificate_of(subscription.next()) == b""
    assert other.run("certificate", user.aor).returncode == NO_CERTIFICATE
    assert device.run("credential", "-o", device.prefix).returncode == NO_CERTIFICATE


def test_publish_of_own_files_and_certificate_only(lab, net, device, user):
    key = certs.rsa_key(1)
    certificate = certs.certificate(user.aor, key=key)
    paths = device.directory / "mine.crt", device.directory / "mine.key"
    paths[0].write_bytes(certs.pem(certificate))
    paths[1].write_bytes(certs.key_pem(key))
    paths[1].chmod(0o600)
    device.ok("publish", "--cert", paths[0], "--key", paths[1])
    owner = lab.agent(net, user)
    stored = owner.fetch_credential()
    assert stored[0] == certificate and certs.same_key(certs.load_key(stored[1]), key)
    device.ok("publish", "--cert", paths[0], "--key", paths[1], "--cert-only")
    assert owner.fetch_credential() == (certificate, None)


def test_account_file_of_the_lab_works(lab):
    """The files that the lab writes are ready for use."""
    done = program.vouch("certificate", "-a", lab.directory / "alice.account", "sip:nobody@example.com")
    assert done.returncode == NO_CERTIFICATE, done.stderr


def test_certificate_prints_pem_without_file(device, lab, net, user):
    owner = lab.agent(net, user)
    body = certs.certificate(user.aor)
    owner.publish(body)
    said = device.ok("certificate", user.aor)
    assert certs.pem(body).decode() in said
    assert program.fingerprints(said) == [hashlib.sha256(body).hexdigest()]


def test_watch_follows_the_server(device, lab, net, user):
    owner = lab.agent(net, user)
    one, two = (certs.certificate(user.aor, key=certs.rsa_key(number)) for number in range(2))
    owner.publish(one)
    out = device.directory / "watched.crt"
    process = program.Process("certificate", "-a", device.account, user.aor, "-o", out, "--watch", "--json")
    try:
        program.until(lambda: out.exists() and out.read_bytes() == certs.pem(one), 10, "the certificate")
        owner.publish(two)
        program.until(lambda: out.read_bytes() == certs.pem(two), 5, "the new certificate")
        owner.revoke()
        program.until(lambda: not out.exists(), 5, "the revocation")
        process.signal(signal.SIGTERM)
        assert process.wait() == 0
        assert len([json.loads(line) for line in process.out]) >= 3
    finally:
        process.kill()


def test_exit_3_local_errors(device, tmp_path):
    missing = program.vouch("revoke", "-a", tmp_path / "nowhere.account")
    assert missing.returncode == LOCAL and "nowhere.account" in missing.stderr
    device.account.chmod(0o644)
    loose = device.run("revoke")
    assert loose.returncode == LOCAL and "own.account" in loose.stderr and "0600" in loose.stderr
    device.account.chmod(0o600)
    no_file = device.run("publish", "--cert", tmp_path / "no.crt", "--key", tmp_path / "no.key")
    assert no_file.returncode == LOCAL and "no.crt" in no_file.stderr
    for done in (missing, loose, no_file):
        assert done.stderr.count("\n") == 1 and done.stdout == ""


def test_exit_1_wrong_password(lab, user, tmp_path):
    thief = Device(lab, program.User(user.name, "guess"), tmp_path)
    for verb in ("revoke", "credential"):
        done = thief.run(verb)
        assert done.returncode == 1 and "401" in done.stderr and done.stderr.count("\n") == 1
        assert "guess" not in done.stderr


@pytest.mark.parametrize("line, shown", [("aor = bob", "aor"), ("nonsense", "nonsense"), ("colour = red", "colour"),
                                         ("server = ftp:127.0.0.1:1", "server")])
def test_malformed_account(device, line, shown):
    device.account.write_text(device.account.read_text() + line + "\n")
    done = device.run("revoke")
    assert done.returncode in (USAGE, LOCAL) and shown in done.stderr
    assert "own.account" in done.stderr and re.search(r"\b5\b", done.stderr), "the file and the line"


def test_key_of_a_device_is_a_usual_pem(device):
    device.ok("publish", "--new")
    device.ok("credential", "-o", device.prefix)
    key = serialization.load_pem_private_key(device.prefix.with_suffix(".key").read_bytes(), None)
    certificate = x509.load_pem_x509_certificate(device.prefix.with_suffix(".crt").read_bytes())
    assert certs.same_key(key, certificate)


def test_exit_3_output_that_cannot_be_written(device, lab, net, user):
    """A watch ends by itself then: nobody would be told of changes."""
    lab.agent(net, user).publish(certs.certificate(user.aor))
    prefix = str(device.directory / "full")
    for words in (["certificate", user.aor], ["certificate", user.aor, "--watch", "--json"],
                  ["credential", "-o", prefix, "--watch"], ["publish", "--new"], ["revoke"]):
        with open("/dev/full", "w") as full:
            done = subprocess.run([program.BINARY, words[0], "-a", device.account, *words[1:]], stdout=full,
                                  stderr=subprocess.PIPE, text=True, timeout=30)
        assert done.returncode == LOCAL, (words, done)
        assert "standard output cannot be written" in done.stderr
