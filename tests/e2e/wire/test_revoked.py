"""Revocation lists for the certificates of peers (tls.crl, RFC 5280 5)."""

import datetime

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.serialization import Encoding
from peer import certs
from peer import lab as program
from peer.sipclient import Agent

DAY = datetime.timedelta(days=1)


class Office:
    """A lab, two peers with certificates of its CA, and lists of that CA."""

    def __init__(self, labs, server):
        self.folder = labs.directory()
        self.path = self.folder / "revoked.pem"
        self.ca = certs.load_pem_pair((self.folder / "ca.crt").read_bytes(), (self.folder / "ca" / "ca.key").read_bytes())
        self.good, self.bad = (program.domain_certificate(self.folder, name, f"sip:{name}.example", key=certs.rsa_key(number))
                               for number, name in ((93, "good"), (94, "bad")))
        self.write([])
        self.server = server(f"tls.crl={self.path}", directory=self.folder)

    def write(self, revoked, key=None, since=-DAY, until=DAY):
        """The list; revoked are certificate files."""
        now = datetime.datetime.now(datetime.timezone.utc).replace(microsecond=0)
        builder = (x509.CertificateRevocationListBuilder()
                   .issuer_name(x509.load_der_x509_certificate(self.ca[0]).subject)
                   .last_update(now + since).next_update(now + until))
        for path in revoked:
            number = x509.load_pem_x509_certificate(path.read_bytes()).serial_number
            builder = builder.add_revoked_certificate(x509.RevokedCertificateBuilder().serial_number(number)
                                                      .revocation_date(now - DAY).build())
        self.path.write_bytes(builder.sign(key or self.ca[1], hashes.SHA256()).public_bytes(Encoding.PEM))

    def reload(self, *arguments, **options):
        self.write(*arguments, **options)
        done = self.server.admin("reload")
        assert done.returncode == 0, done.stderr

    def lets_in(self, net, certificate):
        """Is a client with that certificate served?"""
        try:
            peer = self.server.peer(net, "tls", certificate=certificate)
            return Agent(peer).options().code == 200
        except (OSError, AssertionError):
            return False


@pytest.fixture
def office(labs, server):
    return Office(labs, server)


def test_TLS_16_who_is_revoked_is_refused_from_the_next_reload(office, net):
    assert office.lets_in(net, office.good) and office.lets_in(net, office.bad)
    office.reload([office.bad[0]])
    assert office.lets_in(net, office.good) and not office.lets_in(net, office.bad)
    assert office.lets_in(net, None), "who shows none is not concerned"
    program.until(lambda: "revoked" in office.server.process.log, 5, "the log")
    office.reload([])
    assert office.lets_in(net, office.bad)


def test_an_outdated_list_still_counts(office, net):
    """It knows too little, and not too much; check and the log say so."""
    office.reload([office.bad[0]], since=-9 * DAY, until=-2 * DAY)
    assert office.lets_in(net, office.good) and not office.lets_in(net, office.bad)
    assert "event=crl_outdated" in office.server.process.log
    conf = office.folder / "vouch.conf"
    conf.write_text(conf.read_text().replace("[tls]\n", "[tls]\ncrl = revoked.pem\n"))
    done = program.vouch("check", "-c", conf)
    assert done.returncode == 0 and "tls.crl: a list in revoked.pem should have been replaced by" in done.stderr


def test_a_list_that_the_authority_has_not_signed(office, net):
    """It may hide something: nobody of that authority is believed."""
    office.reload([], key=certs.ec_key())
    assert not office.lets_in(net, office.good) and not office.lets_in(net, office.bad)


@pytest.mark.parametrize("text", [b"", b"-----BEGIN X509 CRL-----\nAAAA\n-----END X509 CRL-----\n", None],
                         ids=["empty", "garbage", "missing"])
def test_a_list_that_cannot_be_read(office, net, text):
    """The server goes on with the old one, and does not start with this one."""
    office.reload([office.bad[0]])
    if text is None:
        office.path.unlink()
    else:
        office.path.write_bytes(text)
    done = office.server.admin("reload")
    assert done.returncode == 1 and "revoked.pem" in done.stderr
    assert not office.lets_in(net, office.bad)
    refused = program.vouch("serve", "-c", office.folder / "vouch.conf", "-o", f"tls.crl={office.path}")
    assert refused.returncode == 1 and "revoked.pem" in refused.stderr


def test_a_revoked_domain_signs_nothing_that_is_believed(border, abroad, tmp_path):
    """The Identity of a domain whose certificate was revoked fails; that of others holds."""
    authority, now = abroad.domain.authority, datetime.datetime.now(datetime.timezone.utc).replace(microsecond=0)
    served = x509.load_der_x509_certificate(abroad.content())
    builder = (x509.CertificateRevocationListBuilder()
               .issuer_name(x509.load_der_x509_certificate(authority[0]).subject)
               .last_update(now - DAY).next_update(now + DAY)
               .add_revoked_certificate(x509.RevokedCertificateBuilder().serial_number(served.serial_number)
                                        .revocation_date(now - DAY).build()))
    path = tmp_path / "revoked.pem"
    path.write_bytes(builder.sign(authority[1], hashes.SHA256()).public_bytes(Encoding.PEM))
    for options, code in (((), 200), ((f"tls.crl={path}",), 437)):
        at = border("identity.verify-inbound=reject", *options)
        assert at.outcome(at.signed())[0].code == code
