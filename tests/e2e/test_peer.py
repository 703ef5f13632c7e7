"""The tests' own tools, checked against published examples: they need no program under test."""

import pytest
from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import serialization
from peer import certs, digest, identity, multipart
from peer.lab import DATA
from peer.sipclient import Message, addr_spec, split

INVITES = sorted((DATA / "rfc4474").glob("*.sip"))


@pytest.mark.parametrize("path", INVITES, ids=lambda path: path.stem)
def test_judge_agrees_with_rfc4474_examples(path):
    message = Message(path.read_bytes())
    atlanta = serialization.load_pem_public_key((DATA / "rfc4474" / "atlanta.pub.pem").read_bytes())
    if path.stem.startswith("ok-"):
        identity.verify(message, atlanta)
    else:
        with pytest.raises(InvalidSignature):
            identity.verify(message, atlanta)


@pytest.mark.parametrize("algorithm, password, nonce, cnonce, expected", [
    ("MD5", "Circle Of Life", "dcd98b7102dd2f0e8b11d0f600bfb0c093", "0a4f113b",
     "6629fae49393a05397450978507c4ef1"),
    ("SHA-256", "Circle of Life", "7ypf/xlj9XXwfDPEoM4URrv/xwf94BcCAzFZH4GiTo0v",
     "f2/wE4q74E6zIJEtWaHKaf5wv/H5QzzpXusqGemxURZJ",
     "753927fa0e85d155564e2e272a28d1802ca10daf4496794697cf8db5856cb6c1"),
])
def test_digest_agrees_with_rfc2617_and_rfc7616(algorithm, password, nonce, cnonce, expected):
    realm = "testrealm@host.com" if algorithm == "MD5" else "http-auth@example.org"
    assert digest.compute(algorithm, "Mufasa", realm, password, "GET", "/dir/index.html", nonce, "00000001", cnonce,
                          "auth") == expected


def test_digest_auth_int_covers_the_body():
    values = ("SHA-256", "alice", "example.com", 's3cret "\\ pass\u00e9', "MESSAGE",
              "sips:bob@example.com;transport=tcp", "4f1c0a9be2", "0000000a", "8d2e", "auth-int")
    assert digest.compute(*values, body=b"Watson, come here.") == \
        "9027a09f3aa1ed72f2c5fcdaf5f3d6f61238f752f60f7f8c85734fbc80ad45b0"


def test_multipart_reader_is_strict():
    kind = 'multipart/mixed; boundary="b 1"'
    good = multipart.build(("a/b", b"1\r\n--b"), ("c/d", b"\r\n"), boundary="b 1")
    assert [(p.type, p.body) for p in multipart.parse(kind, good)] == [("a/b", b"1\r\n--b"), ("c/d", b"\r\n")]
    for bad in (b"preamble\r\n" + good, good + b"x", good[:-2], good.replace(b"\r\n", b"\n"),
                good.replace(b"--b 1\r\n", b"--b 1 \r\n")):
        with pytest.raises(AssertionError):
            multipart.parse(kind, bad)


@pytest.mark.parametrize("cipher, prf", [("des-ede3-cbc", "sha1"), ("aes128-cbc", "sha256"), ("aes256-cbc", "sha256")])
def test_pkcs8_writer_agrees_with_the_library(cipher, prf):
    sealed = certs.pkcs8_encrypted(certs.rsa_key(), "p\u00e4ss", cipher, prf)
    assert certs.same_key(certs.load_key(sealed, "p\u00e4ss"), certs.rsa_key())
    assert certs.pbes2_parameters(sealed)["iterations"] == 2048


def test_certificate_maker():
    made = x509.load_der_x509_certificate(certs.certificate("sip:a@example.com", "DNS:b.example", sha1=True, ca=False))
    assert made.signature_algorithm_oid.dotted_string == "1.2.840.113549.1.1.5"
    certs.signed_by(made.public_bytes(certs.DER), made.public_bytes(certs.DER))
    assert certs.sip_uris(made.public_bytes(certs.DER)) == ["sip:a@example.com"]
    assert not certs.names_domain(made.public_bytes(certs.DER), "example.com")


def test_uris_and_lists_are_split_with_regard_to_quotes():
    assert addr_spec('"A <b>;" <sip:a@b;x=1>;tag=2') == ("sip:a@b;x=1", "tag=2")
    assert addr_spec("sip:a@b;tag=2") == ("sip:a@b", "tag=2")
    assert split('"x, y" <sip:a,b@c>;q=1, sip:d') == ['"x, y" <sip:a,b@c>;q=1', "sip:d"]


def test_honest_notify_of_a_stub_passes_the_judge(domain):
    subscribe = Message(b"SUBSCRIBE sip:bob@example.com SIP/2.0\r\nFrom: <sip:a@b.example>;tag=1\r\n"
                        b"To: <sip:bob@example.com>\r\nCall-ID: 1\r\nCSeq: 1 SUBSCRIBE\r\nEvent: certificate\r\n"
                        b"Contact: <sip:a@127.0.0.1:9>\r\n\r\n")
    notify = Message(domain.notify(subscribe, 5061, certs.certificate("sip:bob@example.com")))
    assert identity.Judge(domain.ca).check(notify) == domain.url
