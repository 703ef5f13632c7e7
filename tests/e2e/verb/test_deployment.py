"""Styles of deployment and the administrator's commands (rows DEP), and where secrets may be."""

import base64
import datetime
import hashlib
import json
import stat

from cryptography import x509
from peer import certs, digest
from peer import lab as program
from peer.sipclient import certificate_of, credential_of


def files(directory):
    """The octets of every file below a directory."""
    return {path: path.read_bytes() for path in directory.rglob("*") if path.is_file()}


def holds(content, secret):
    """True when the secret lies in the octets as it is, in hexadecimal, or in base64 with or without line ends."""
    flat = content.replace(b"\r", b"").replace(b"\n", b"")
    spellings = [secret, secret.hex().encode(), secret.hex().upper().encode()]
    spellings += [base64.b64encode(secret[skip:skip + 30]) for skip in range(3)]
    return any(spelling in text for spelling in spellings for text in (content, flat))


def secret_part(key):
    """Octets of an RSA key that only its owner knows."""
    return key.private_numbers().d.to_bytes(256, "big")[16:80]


def test_DEP_01_default_style_accepts_all_three(owner, pair):
    sealed = certs.pkcs8_encrypted(certs.rsa_key(), "phrase")
    for key in (None, sealed, pair[1]):
        assert owner.publish(pair[0], key).code == 200
        assert owner.fetch_credential() == (pair[0], key)


def test_DEP_02_style_1(server, net):
    other = server("credential.style=1")
    user = other.user()
    owner = other.agent(net, user)
    certificate, key = certs.pair(user.aor)
    for body in (key, certs.pkcs8_encrypted(certs.rsa_key(), "phrase")):
        refused = owner.publish(certificate, body)
        assert refused.code == 415 and refused.values("Accept") == ["application/pkix-cert"]
    assert owner.fetch_credential() == (b"", None)
    assert owner.publish(certificate).code == 200
    assert owner.fetch_credential() == (certificate, None)
    for path, content in files(other.directory).items():
        assert not holds(content, secret_part(certs.rsa_key())), path


def test_DEP_03_style_2(server, net):
    other = server("credential.style=2")
    user = other.user()
    owner = other.agent(net, user)
    certificate, key = certs.pair(user.aor)
    refused = owner.publish(certificate, key)
    assert (refused.code, refused.reason) == (403, "Private Key Must Be Encrypted")
    assert owner.fetch_credential() == (b"", None)
    sealed = certs.pkcs8_encrypted(certs.rsa_key(), "phrase")
    assert owner.publish(certificate, sealed).code == 200
    assert owner.fetch_credential() == (certificate, sealed)


def test_DEP_05_style_3(server, net):
    other = server("credential.style=3")
    user = other.user()
    owner = other.agent(net, user)
    pair = certs.pair(user.aor)
    assert owner.publish(*pair).code == 200
    assert owner.fetch_credential() == pair


def test_DEP_06_server_creates_the_credential(server, net, judge):
    other = server("credential.style=3", "credential.create=on", "notify.interval=0")
    user = other.user()
    owner, watcher = other.agent(net, user), other.agent(net, transport="tcp")
    watching = watcher.subscribe(user.aor)
    device = owner.subscribe(event="credential")
    certificate, key = credential_of(device.notify)
    if not certificate:
        certificate, key = credential_of(device.next(timeout=15))
    judge.check(device.notify)
    assert certificate_of(watching.notify if watching.notify.body else watching.next()) == certificate
    assert owner.fetch_credential() == (certificate, key)
    made = x509.load_der_x509_certificate(certificate)
    assert certs.sip_uris(certificate) == [user.aor]
    assert certs.same_key(made, certs.load_key(key)) and made.public_key().key_size >= 2048
    certs.signed_by(certificate, certificate)
    since, until = certs.lifetime(made)
    now = datetime.datetime.now(datetime.timezone.utc)
    assert since <= now < until and until - since <= datetime.timedelta(days=366)
    basic = [e.value.ca for e in made.extensions if isinstance(e.value, x509.BasicConstraints)]
    assert basic in ([], [False])


def test_DEP_06_only_the_owner_makes_the_server_create(server, net):
    other = server("credential.style=3", "credential.create=on")
    user = other.user()
    stranger = other.agent(net, other.user())
    assert stranger.try_subscribe(user.sips, "credential").code == 403
    assert certificate_of(other.agent(net, transport="tcp").subscribe(user.aor).notify) == b""


def test_DEP_07_SEC_15_keys_at_rest_are_sealed(labs, server, net):
    key = certs.rsa_key()
    directory = labs.directory()
    other = server("log.level=debug", directory=directory)
    before = files(directory)
    user = other.user()
    owner = other.agent(net, user)
    pair = certs.pair(user.aor)
    assert owner.publish(*pair).code == 200
    assert owner.fetch_credential() == pair
    process = other.process
    other.stop()
    changed = {path: content for path, content in files(directory).items() if before.get(path) != content}
    assert any(holds(content, pair[0][100:160]) for content in changed.values()), "nothing was stored"
    secrets = secret_part(key), pair[1][30:90], user.password.encode()
    for path, content in changed.items():
        assert not any(holds(content, secret) for secret in secrets), path
        assert stat.S_IMODE(path.stat().st_mode) == 0o600, path
        assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700, path.parent
    assert f"{user.name}@example.com" in process.log, "the log says what happened"
    assert not any(holds(process.log.encode(), secret) for secret in secrets)


def test_SEC_15_answers_to_challenges_are_not_logged(server, net):
    other = server("log.level=debug")
    user = other.user()
    owner = other.agent(net, user)
    request = owner.new("PUBLISH", user.sips, {"Event": "credential", "Expires": 0})
    signed = owner.authorize(request, owner.challenge())
    assert owner.exchange(signed).code == 200
    process = other.process
    other.stop()
    assert digest.parse(signed.get("Authorization"))[1]["response"] not in process.log


def test_DEP_08_administrator_revokes(lab, owner, watcher, user, pair):
    owner.publish(*pair)
    watching, device = watcher.subscribe(user.aor), owner.subscribe(event="credential")
    done = lab.admin("revoke", user.aor)
    assert (done.returncode, done.stderr) == (0, "")
    assert watching.next().state[0] == "active" and certificate_of(watching.notify) == b""
    assert device.next().state == ("terminated", {"reason": "deactivated"})
    assert credential_of(device.notify) == (b"", None)
    assert owner.fetch_credential() == (b"", None)


def test_DEP_08_status_counts_subscriptions(server, net):
    other = server()
    user = other.user()

    def numbers():
        """Every number of the JSON status, by its path."""
        done = other.admin("status", "--json")
        assert done.returncode == 0, done.stderr
        found = {}

        def walk(value, path):
            if isinstance(value, dict):
                for key, inner in value.items():
                    walk(inner, f"{path}/{key}".lower())
            elif isinstance(value, list):
                found[path] = len(value)
            elif isinstance(value, (int, float)) and not isinstance(value, bool):
                found[path] = value

        walk(json.loads(done.stdout), "")
        return found

    before = numbers()
    subscriptions = [other.agent(net, transport="tcp").subscribe(user.aor) for _ in range(3)]
    after = numbers()
    assert any("subscription" in path and after[path] == before.get(path, 0) + 3 for path in after), after
    assert len(subscriptions) == 3


def test_DEP_08_status_shows_fingerprints_only(lab, owner, user, pair):
    owner.publish(*pair)
    for arguments in (("status",), ("status", "--json")):
        done = lab.admin(*arguments)
        assert done.returncode == 0 and done.stderr == ""
        assert "example.com" in done.stdout
        hidden = secret_part(certs.rsa_key()), user.password.encode(), b"PRIVATE KEY"
        assert not any(holds(done.stdout.encode(), secret) for secret in hidden)


def test_DEP_08_status_has_the_fingerprint_after_a_restart_too(server, net):
    other = server()
    user = other.user()
    certificate, key = certs.pair(user.aor)
    other.agent(net, user).publish(certificate, key)
    for _ in range(2):
        assert program.fingerprints(other.admin("status").stdout) == [hashlib.sha256(certificate).hexdigest()]
        found = json.loads(other.admin("status", "--json").stdout)["credentials"]
        assert [program.fingerprints(one["sha256"]) for one in found] == [[hashlib.sha256(certificate).hexdigest()]]
        other.stop()
        other.start()


def test_DEP_08_unknown_user_cannot_be_revoked(lab):
    done = lab.admin("revoke", "sip:bob@other.example")
    assert done.returncode in (1, 2)
    assert "bob@other.example" in done.stderr and done.stderr.count("\n") == 1


def test_accounts_of_the_lab_are_private(lab):
    for name in ("alice", "bob", "carol"):
        path = lab.directory / f"{name}.account"
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
        account = program.read_pairs(path)
        assert account["aor"] == f"sip:{name}@example.com" and len(account["password"]) >= 8
    assert stat.S_IMODE((lab.directory / "ca" / "ca.key").stat().st_mode) == 0o600
    passwords = {lab.lab_user(name).password for name in ("alice", "bob", "carol")}
    assert len(passwords) == 3
