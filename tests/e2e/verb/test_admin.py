"""The verbs against the real server, and the commands of an administrator: results, exit codes, output."""

import hashlib
import json
import re
import signal
import socket
import stat

import certs
import digest
import lab as program
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import serialization
from sipclient import Agent, StreamPeer, certificate_of, tls_connect, tls_context
from stub import account

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


@pytest.mark.parametrize("words", [
    [], ["frobnicate"], ["publish"], ["certificate", "-a", "X"], ["credential", "--frobnicate"], ["revoke"],
    ["lab", "--port", "x"], ["lab", "--port", "70000"], ["serve"], ["check"], ["user", "add"], ["user", "frob"],
    ["publish", "-a", "X", "--cert", "F"], ["publish", "-a", "X", "--new", "--cert", "F", "--key", "F"],
], ids=" ".join)
def test_exit_2_usage(words):
    done = program.vouch(*words)
    assert done.returncode == USAGE and done.stdout == ""
    assert done.stderr and "PRIVATE" not in done.stderr


def test_help():
    done = program.vouch("--help")
    assert done.returncode == 0
    for verb in ("lab", "serve", "init", "check", "user", "publish", "credential", "certificate", "revoke",
                 "verify", "sign"):
        assert verb in done.stdout


def test_version():
    done = program.vouch("--version")
    assert done.returncode == 0 and re.match(r"vouch \S+", done.stdout)


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


# The administrator.


def test_init_serve_check(net, tmp_path):
    """A real deployment from nothing: init, user add, check, serve."""
    directory, port = tmp_path / "site", program.free_ports()
    made = program.vouch("init", directory, "--domain", "example.org")
    assert made.returncode == 0, made.stderr
    conf = directory / "vouch.conf"
    assert stat.S_IMODE(directory.stat().st_mode) == 0o700
    for path in directory.rglob("*.key"):
        assert stat.S_IMODE(path.stat().st_mode) == 0o600, path
    assert program.vouch("check", "-c", conf).returncode == 0
    added = program.vouch("user", "add", "-c", conf, "sip:dave@example.org", stdin="davespassword\n")
    assert added.returncode == 0, added.stderr
    listen = [f"server.listen-{kind}=127.0.0.1:{port + offset}"
              for kind, offset in (("udp", 0), ("tcp", 0), ("tls", 1), ("https", 2))]
    process = program.Process("serve", "-c", conf, *[word for option in listen for word in ("-o", option)])
    try:
        program.until(lambda: program.accepts(port + 1) or process.child.poll() is not None, 10, "the server")
        sock = tls_connect(port + 1, tls_context(directory / "ca.crt"), "example.org")
        dave = Agent(StreamPeer(net, sock, "TLS"), "dave", "example.org", "davespassword")
        pair = certs.pair(dave.aor)
        assert dave.publish(*pair).code == 200
        assert dave.fetch_credential() == pair
        process.signal(signal.SIGTERM)
        assert process.wait() == 0
    finally:
        process.kill()


def test_init_does_not_overwrite(tmp_path):
    directory = tmp_path / "site"
    assert program.vouch("init", directory, "--domain", "example.org").returncode == 0
    before = {path: path.read_bytes() for path in directory.rglob("*") if path.is_file()}
    again = program.vouch("init", directory, "--domain", "example.net")
    assert again.returncode != 0 and "site" in again.stderr
    assert {path: path.read_bytes() for path in directory.rglob("*") if path.is_file()} == before


def test_lab_in_an_empty_directory(tmp_path):
    """One command from nothing; the keys differ from those of another lab."""
    server = program.Server(tmp_path / "new" / "lab")
    server.directory.parent.mkdir()
    server.start()
    try:
        assert server.listening() == [server.port, server.port + 1, server.port + 2]
        assert {"ca.crt", "ca.key", "vouch.conf", "alice.account", "bob.account", "carol.account"} <= \
            {path.name for path in server.directory.iterdir()}
    finally:
        server.stop()
    assert server.listening() == []


def test_lab_of_another_domain(net, tmp_path):
    port = program.free_ports()
    process = program.Process("lab", "--dir", tmp_path / "lab", "--port", port, "--domain", "voip.example")
    try:
        program.until(lambda: process.out or process.child.poll() is not None, 30, "the line ready")
        assert process.out == [f"ready sip=127.0.0.1:{port} tls=127.0.0.1:{port + 1} https=127.0.0.1:{port + 2} "
                               "domain=voip.example\n"]
        sock = tls_connect(port + 1, tls_context(tmp_path / "lab" / "ca.crt"), "voip.example")
        alice = Agent(StreamPeer(net, sock, "TLS"), "alice", "voip.example",
                      program.read_pairs(tmp_path / "lab" / "alice.account")["password"])
        assert alice.publish(certs.certificate(alice.aor)).code == 200
        process.signal(signal.SIGINT)
        assert process.wait() == 0
    finally:
        process.kill()


def test_user_list_add_passwd_del(lab, net):
    user = lab.user()
    assert user.aor in lab.admin("user", "list").stdout.split()
    assert lab.admin("user", "add", user.aor, stdin="x12345678\n").returncode == 1
    assert lab.agent(net, user).revoke().code == 200
    assert lab.admin("user", "del", user.aor).returncode == 0
    assert user.aor not in lab.admin("user", "list").stdout.split()
    for verb, stdin in (("del", ""), ("passwd", "x12345678\n")):
        done = lab.admin("user", verb, user.aor, stdin=stdin)
        assert done.returncode == 1 and user.aor in done.stderr


@pytest.mark.parametrize("aor", ["dave", "sip:example.com", "sip:dave@other.example", "tel:+1", "sip:d e@example.com"])
def test_user_add_needs_an_address_of_the_domain(lab, aor):
    done = lab.admin("user", "add", aor, stdin="password1\n")
    assert done.returncode in (1, USAGE) and done.stderr.count("\n") == 1
    assert aor not in lab.admin("user", "list").stdout


def test_user_without_password(lab):
    done = lab.admin("user", "add", "sip:nopassword@example.com", stdin="")
    assert done.returncode in (1, USAGE, LOCAL) and "password" in done.stderr
    assert "nopassword" not in lab.admin("user", "list").stdout


def test_user_import(server, net, tmp_path):
    other = server()
    secret = "imported,with comma"
    halves = [digest.HASHES[name](b"hash2:example.com:" + secret.encode()).hexdigest() for name in ("MD5", "SHA-256")]
    lines = ["sip:plain1@example.com,password-one", f"sip:hash2@example.com,{halves[0]},{halves[1]}"]
    lines += [f"sip:many{number}@example.com,password{number}" for number in range(2000)]
    table = tmp_path / "users.csv"
    table.write_text("\n".join(lines) + "\n")
    done = program.vouch("user", "import", "-c", other.conf, table)
    assert done.returncode == 0, done.stderr
    for name, password in (("plain1", "password-one"), ("hash2", secret), ("many1999", "password1999")):
        agent = other.agent(net, program.User(name, password))
        for agent.algorithm in ("SHA-256", "MD5"):
            assert agent.revoke().code == 200


def test_user_import_of_a_bad_file_changes_nothing(server, tmp_path):
    other = server()
    before = other.admin("user", "list").stdout
    table = tmp_path / "users.csv"
    table.write_text("sip:good@example.com,password\nsip:bad@other.example,password\n")
    done = program.vouch("user", "import", "-c", other.conf, table)
    assert done.returncode == 1 and "users.csv" in done.stderr and re.search(r"\b2\b", done.stderr)
    assert other.admin("user", "list").stdout == before


def test_reload_takes_a_changed_configuration(labs, server, net):
    other = server(directory=labs.directory())
    watcher = other.agent(net, transport="tcp")
    assert watcher.subscribe("sip:alice@example.com", expires=7200).response.expires == 7200
    old = other.conf.read_text()
    other.conf.write_text(old + "\n[certificate]\nmax-expires = 600\n")
    done = other.admin("reload")
    assert (done.returncode, done.stderr) == (0, "")
    assert watcher.subscribe("sip:alice@example.com", expires=7200).response.expires == 600
    other.conf.write_text(old + "\n[certificate]\nmax-expires = 900\n")
    other.process.signal(signal.SIGHUP)
    program.until(lambda: watcher.try_subscribe("sip:alice@example.com", expires=7200).expires == 900, 5, "the reload")


def test_reload_says_what_has_changed_and_what_needs_a_restart(labs, server):
    """Once a changed listener was answered "ok" and nothing came of it."""
    other = server(directory=labs.directory())
    old = other.conf.read_text()
    port = program.free_ports(1)
    other.conf.write_text(f"{old}\n[server]\nlisten-http = 127.0.0.1:{port}\n[limits]\nmessage = 8192\n"
                          "[certificate]\nmax-expires = 600\n[route]\nexample.net = udp:127.0.0.1:9\n")
    first, again = other.admin("reload"), other.admin("reload")
    assert (first.returncode, again.returncode) == (0, 0)
    restart = [f"needs a restart: server.listen-http = 127.0.0.1:{port} (runs with nothing)",
               "needs a restart: limits.message = 8192 (runs with 65536)"]
    changed = ["changed: certificate.max-expires = 600 (was 604800)",
               "changed: route.DOMAIN = example.net = udp:127.0.0.1:9 (was nothing)"]
    said = lambda done: [line for line in done.stdout.splitlines() if ": " in line and "=" in line]
    assert sorted(said(first)) == sorted(restart + changed)
    assert said(again) == restart
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", port), 1)


def test_reload_keeps_the_old_state_when_the_new_one_is_wrong(labs, server, net):
    other = server(directory=labs.directory())
    watcher = other.agent(net, transport="tcp")
    subscription = watcher.subscribe("sip:alice@example.com")
    other.conf.write_text(other.conf.read_text() + "\n[certificate]\nmax-expires = 600\nnonsense = 1\n")
    done = other.admin("reload")
    assert done.returncode == 1 and "nonsense" in done.stderr and "vouch.conf" in done.stderr
    assert watcher.subscribe("sip:alice@example.com", expires=7200).response.expires == 7200
    other.process.signal(signal.SIGHUP)
    program.until(lambda: "nonsense" in other.process.log, 5, "a log line")
    assert subscription.refresh(7200).expires == 7200


def test_control_socket_is_private(lab):
    sockets = [path for path in lab.directory.rglob("*") if path.is_socket()]
    assert len(sockets) == 1
    assert stat.S_IMODE(sockets[0].stat().st_mode) & 0o077 == 0
    with socket.socket(socket.AF_UNIX) as control:
        control.connect(str(sockets[0]))
        control.sendall(b"\0\xff" * 5000)
    assert lab.admin("status").returncode == 0


def test_key_of_a_device_is_a_usual_pem(device):
    device.ok("publish", "--new")
    device.ok("credential", "-o", device.prefix)
    key = serialization.load_pem_private_key(device.prefix.with_suffix(".key").read_bytes(), None)
    certificate = x509.load_pem_x509_certificate(device.prefix.with_suffix(".crt").read_bytes())
    assert certs.same_key(key, certificate)
