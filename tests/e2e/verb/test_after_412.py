"""`vouch publish` when another device was quicker (UAK-23, T-18; draft 7.9, RFC 3903 5): what that one has published is taken,
or replaced when nobody can use it, and never overwritten unseen."""

import pytest
from cryptography import x509
from peer import certs
from peer import lab as program
from peer.stub import PASSWORD, CredentialService, account

BOB, CAROL = "sip:bob@example.com", "sip:carol@example.com"
PHRASE = "a phrase of bob"
REFUSED = 1


def other_key():
    return certs.rsa_key(1)


def made(**options):
    return certs.certificate(options.pop("aor", BOB), key=other_key(), **options)


# What is there, and what comes of it: it is adopted, replaced by ours, or left to the user.
THERE = {
    "a credential": (lambda: (made(), certs.pkcs8(other_key())), "adopted"),
    "with our phrase": (lambda: (made(), certs.pkcs8_encrypted(other_key(), PHRASE)), "adopted"),
    "a certificate alone": (lambda: (made(), None), "adopted"),
    "with another phrase": (lambda: (made(), certs.pkcs8_encrypted(other_key(), "another")), "left"),
    "no PKCS#8": (lambda: (made(), b"\x30\x03\x02\x01\x00"), "left"),
    "nothing": (lambda: (b"", None), "replaced"),
    "expired": (lambda: (made(since=-10 * certs.DAY, until=-60), certs.pkcs8(other_key())), "replaced"),
    "of somebody else": (lambda: (made(aor=CAROL), certs.pkcs8(other_key())), "replaced"),
    "an authority": (lambda: (made(ca=True), certs.pkcs8(other_key())), "replaced"),
    "with the key of another": (lambda: (made(), certs.pkcs8(certs.rsa_key(0))), "replaced"),
}


class Device:
    def __init__(self, domain, stubs, folder, what):
        self.folder, self.service = folder, CredentialService(domain)
        self.service.certificate, self.service.key = THERE[what][0]()
        self.service.etag = "etag-of-another"
        self.stub = stubs(self.service)
        self.account = account(folder / "bob.account", BOB, PASSWORD, f"tls:127.0.0.1:{self.stub.port}", domain.ca)
        (folder / "bob.account.etag").write_text(f"{BOB} etag-of-ours\n")
        (folder / "phrase").write_text(PHRASE + "\n")
        (folder / "phrase").chmod(0o600)

    def file(self, name, octets):
        path = self.folder / name
        path.write_bytes(octets)
        path.chmod(0o600)
        return path

    def ours(self, stem):
        """--cert and --key of a pair that was made here."""
        key = certs.rsa_key(0)
        return ["--cert", self.file(f"{stem}.crt", certs.pem(certs.certificate(BOB, key=key))),
                "--key", self.file(f"{stem}.key", certs.key_pem(key))]

    def run(self, verb, *words):
        return program.vouch(verb, "-a", self.account, *words)

    def tried(self):
        """SIP-If-Match of each PUBLISH with credentials."""
        return [request.get("SIP-If-Match") for request in self.stub.requests
                if request.method == "PUBLISH" and request.all("Authorization")]

    def stored(self):
        """The certificate that is kept beside the account; None: none."""
        path = self.folder / "bob.crt"
        return x509.load_pem_x509_certificate(path.read_bytes()).public_bytes(certs.DER) if path.exists() else None


@pytest.fixture
def device(domain, stubs, tmp_path):
    return lambda what: Device(domain, stubs, tmp_path, what)


@pytest.mark.parametrize("given", ["new", "files", "the files beside the account"])
@pytest.mark.parametrize("what", THERE)
def test_UAK_23_what_another_device_has_published(device, what, given):
    device = device(what)
    before, outcome = device.service.certificate, THERE[what][1]
    words = ["--new"] if given == "new" else device.ours("bob" if given.startswith("the") else "mine")
    kept = {path: path.read_bytes() for path in device.folder.glob("*.crt")} | \
           {path: path.read_bytes() for path in device.folder.glob("*.key")}
    done = device.run("publish", *words, "--passphrase-file", device.folder / "phrase")
    assert device.tried()[0] == "etag-of-ours"
    assert all(path.read_bytes() == octets for path, octets in kept.items()), "a file that was given is another one"
    if outcome == "replaced":
        assert done.returncode == 0 and device.tried()[1:] == ["etag-of-another"], done.stderr
        assert device.service.certificate not in (b"", before)
        assert ("cannot be used" in done.stderr or "nobody can use" in done.stderr) == (what != "nothing")
        return
    assert done.returncode != 0 and device.tried()[1:] == [] and device.service.certificate == before
    assert "another device has published a credential since" in done.stderr and done.stderr.count("\n") == 1, done.stderr
    if outcome == "left" or given.startswith("the"):
        assert "publish again to replace it" in done.stderr
        assert given.startswith("the") or device.stored() is None
    else:
        assert done.returncode == REFUSED and device.stored() == before and "bob.crt" in done.stdout
        assert (device.folder / "bob.key").exists() == (device.service.key is not None)
    # Now the user knows of it, and replaces it.
    assert device.run("publish", *words).returncode == 0
    assert device.tried()[1:] == ["etag-of-another"]


@pytest.mark.parametrize("what", THERE)
def test_what_is_to_be_revoked_is_revoked_whatever_it_is(device, what):
    device = device(what)
    done = device.run("revoke")
    assert done.returncode == 0 and device.tried() == ["etag-of-ours", "etag-of-another"], done.stderr
    assert device.service.certificate == b"" and device.stored() is None
