"""`vouch init DIR --renew`: new certificates for what the CA of DIR has signed, and nothing else; openssl is the judge."""

import datetime
import json
import re
import subprocess

import pytest
from cryptography import x509
from peer import certs
from peer import lab as program

DAY = 86400
STEMS = ("tls", "identity")


class Site:
    """What `vouch init` makes, and its CA for the tests' own certificates."""

    def __init__(self, folder, domain="example.com"):
        self.folder = folder
        assert program.vouch("init", folder, "--domain", domain).returncode == 0
        assert program.vouch("user", "add", "alice", "-c", folder / "vouch.conf", stdin="a secret\n").returncode == 0

    def pem(self, stem):
        return (self.folder / f"{stem}.crt").read_bytes()

    def files(self):
        return {str(path.relative_to(self.folder)): path.read_bytes() for path in self.folder.rglob("*")
                if path.is_file() and "store" not in path.parts}

    def ends(self, stem):
        return certs.lifetime(x509.load_pem_x509_certificate(self.pem(stem)))[1]

    def days(self, stem):
        return (self.ends(stem) - datetime.datetime.now(datetime.timezone.utc)).days

    def key_of(self, stem):
        return x509.load_pem_x509_certificate(self.pem(stem)).public_key().public_numbers()

    def renew(self):
        return program.vouch("init", self.folder, "--renew")

    def check(self):
        done = program.vouch("check", "-c", self.folder / "vouch.conf", "--json")
        return done.returncode, json.loads(done.stdout)

    def holds(self, stem):
        return subprocess.run(["openssl", "verify", "-CAfile", self.folder / "ca.crt", self.folder / f"{stem}.crt"],
                              capture_output=True, timeout=30).returncode == 0

    def another_ca(self, **life):
        """A CA with this life; the certificates are of its key, and end when they do by themselves."""
        key = certs.ec_key()
        ca = certs.certificate(cn="example.com vouch CA", ca=True, key=key, **life)
        (self.folder / "ca.crt").write_bytes(certs.pem(ca))
        (self.folder / "ca" / "ca.key").write_bytes(certs.key_pem(key))
        for number, stem in enumerate(STEMS):
            made = certs.certificate("sip:example.com", "DNS:example.com", key=certs.rsa_key(60 + number), until=400 * DAY,
                                     cn="example.com", issuer=(ca, key))
            (self.folder / f"{stem}.crt").write_bytes(certs.pem(made))
            (self.folder / f"{stem}.key").write_bytes(certs.key_pem(certs.rsa_key(60 + number)))


@pytest.fixture
def site(tmp_path):
    return Site(tmp_path / "site")


def test_what_the_CA_has_signed_is_new(site):
    before = site.files()
    done = site.renew()
    assert done.returncode == 0 and done.stdout.startswith(f"tls.crt and identity.crt of example.com in {site.folder} are new.")
    after = site.files()
    assert {name for name in before if before[name] != after[name]} == {"tls.crt", "identity.crt"} and before.keys() == after.keys()
    assert all(site.holds(stem) for stem in STEMS) and site.check()[0] == 0


def foreign(site, stem, folder):
    """A certificate of another CA of the same name, with its chain, as one of a public CA has it."""
    other = Site(folder)
    for end in ("crt", "key"):
        (site.folder / f"{stem}.{end}").write_bytes((other.folder / f"{stem}.{end}").read_bytes())
    with (site.folder / f"{stem}.crt").open("ab") as out:
        out.write(other.pem("ca"))


@pytest.mark.parametrize("stem", STEMS)
def test_what_another_CA_has_signed_stays(site, tmp_path, stem):
    foreign(site, stem, tmp_path / "other")
    before = site.files()
    done = site.renew()
    mine = next(one for one in STEMS if one != stem)
    assert done.returncode == 0 and done.stdout.startswith(f"{mine}.crt of example.com in {site.folder} is new.")
    assert f"The CA has not signed {stem}.crt, which is as it was." in done.stdout
    after = site.files()
    assert {name for name in before if before[name] != after[name]} == {f"{mine}.crt"} and site.holds(mine)


def test_one_that_is_elsewhere(site):
    """As when vouch.conf names a file of another folder."""
    (site.folder / "tls.crt").unlink()
    (site.folder / "tls.key").unlink()
    done = site.renew()
    assert done.returncode == 0 and "identity.crt of example.com" in done.stdout and not (site.folder / "tls.crt").exists()


def refused(site, why):
    before = site.files()
    done = site.renew()
    assert done.returncode == 1 and why in done.stderr and done.stdout == "", done
    assert site.files() == before


def test_nothing_of_the_CA(site, tmp_path):
    for number, stem in enumerate(STEMS):
        foreign(site, stem, tmp_path / f"other{number}")
    refused(site, "has signed neither tls.crt nor identity.crt there: nothing to renew")


def test_two_domains(site):
    site.another_ca()
    ca = certs.load_pem_pair(site.pem("ca"), (site.folder / "ca" / "ca.key").read_bytes())
    (site.folder / "identity.crt").write_bytes(certs.pem(certs.certificate(
        "sip:example.org", key=certs.rsa_key(61), cn="example.org", issuer=ca)))
    refused(site, "identity.crt is for example.org, and tls.crt for example.com")


def test_a_key_that_does_not_belong_to_it(site):
    (site.folder / "identity.key").write_bytes(certs.key_pem(certs.rsa_key(62)))
    refused(site, "identity.key does not belong to identity.crt")


@pytest.mark.parametrize("life", [{"until": 20 * DAY}, {"since": -900 * DAY, "until": -3 * DAY}], ids=["ends soon", "has ended"])
def test_a_CA_that_ends_is_made_anew_with_its_key(site, life):
    """Nobody who has the new one need trust another key, and no certificate ends after it."""
    site.another_ca(**life)
    code, found = site.check()
    over = life["until"] < 0
    assert (code == 1) == over and any("tls.ca: ca.crt " in one for one in found["errors" if over else "warnings"]), found
    key = site.key_of("ca")
    done = site.renew()
    assert done.returncode == 0 and "ca.crt is new, too" in done.stdout, done
    assert site.key_of("ca") == key and site.days("ca") > 3600
    assert all(site.holds(stem) and site.days(stem) > 800 for stem in STEMS)
    assert site.check() == (0, {"file": str(site.folder / "vouch.conf"), "fine": True, "errors": [], "warnings": []})


def test_no_certificate_outlives_its_CA(site):
    site.another_ca(until=100 * DAY)
    done = site.renew()
    assert done.returncode == 0 and "ca.crt" not in done.stdout.replace(str(site.folder), "")
    assert {site.ends(stem) for stem in STEMS} == {site.ends("ca")} and all(site.holds(stem) for stem in STEMS)


@pytest.mark.parametrize("name", ["a plain-name", "it's", "two  blanks", "$HOME", "*", "\u00e4"])
def test_what_init_says_to_type_can_be_typed(tmp_path, name):
    """Its next steps, by a shell, with the program's path for its name."""
    done = program.vouch("init", tmp_path / name, "--domain", "example.com")
    lines = [line.strip() for line in done.stdout.splitlines() if line.startswith("  vouch user add")]
    lines += [re.search(r'"(vouch init .* --renew)"', done.stdout)[1]]
    for line in lines:
        typed = subprocess.run(["sh", "-c", line.replace("vouch", str(program.BINARY), 1)], input="a secret\n", capture_output=True,
                               text=True, timeout=30)
        assert typed.returncode == 0, (line, typed.stderr)
