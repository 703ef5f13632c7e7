#!/usr/bin/env python3
"""Makes the certificates of this folder with the Python package cryptography and the openssl program.

Run in this folder; every run makes new keys. Certificates are valid from 2026-01-01 to 2036-01-01 where the name of the
file does not say otherwise.
"""
import datetime
import os
import subprocess

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID, ObjectIdentifier

UTC = datetime.timezone.utc
FROM = datetime.datetime(2026, 1, 1, tzinfo=UTC)
TO = datetime.datetime(2036, 1, 1, tzinfo=UTC)
SAN = ObjectIdentifier("2.5.29.17")
SIP_DOMAIN = ObjectIdentifier("1.3.6.1.5.5.7.3.20")
KEY = ec.generate_private_key(ec.SECP256R1())


def tlv(tag, body):
    n = len(body)
    if n < 128:
        return bytes([tag, n]) + body
    size = (n.bit_length() + 7) // 8
    return bytes([tag, 0x80 | size]) + n.to_bytes(size, "big") + body


def san(*names):
    tags = {"uri": 0x86, "dns": 0x82, "email": 0x81, "ip": 0x87}
    return x509.UnrecognizedExtension(SAN, tlv(0x30, b"".join(tlv(tags[k], v) for k, v in names)))


def usage(*names):
    fields = ("digital_signature", "content_commitment", "key_encipherment", "data_encipherment", "key_agreement",
              "key_cert_sign", "crl_sign", "encipher_only", "decipher_only")
    return x509.KeyUsage(**{f: f in names for f in fields})


def name(*cns):
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, c) for c in cns])


def sign_sha1(der, key):
    """The package signs nothing with SHA-1 any more: change the algorithm, then sign with openssl."""
    rsa_with = "2a864886f70d0101"
    der = der.replace(bytes.fromhex(rsa_with + "0b"), bytes.fromhex(rsa_with + "05"))
    tbs, size = x509.load_der_x509_certificate(der).tbs_certificate_bytes, key.key_size // 8
    with open("key.tmp", "wb") as f:
        f.write(key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8,
                                  serialization.NoEncryption()))
    sig = subprocess.run(["openssl", "dgst", "-sha1", "-sign", "key.tmp"], input=tbs, check=True,
                         capture_output=True).stdout
    os.remove("key.tmp")
    return der[:-size] + sig


def make(file, cns, exts=(), issuer=None, key=None, start=FROM, end=TO, alg=hashes.SHA256()):
    """issuer: (name, key) or None for self-signed. exts: (extension, critical)."""
    key = key or KEY
    subject = name(*cns)
    issuer_name, issuer_key = issuer or (subject, key)
    if isinstance(issuer_key, ed25519.Ed25519PrivateKey):
        alg = None
    b = x509.CertificateBuilder().subject_name(subject).issuer_name(issuer_name).public_key(key.public_key())
    b = b.serial_number(x509.random_serial_number()).not_valid_before(start).not_valid_after(end)
    for ext, critical in exts:
        b = b.add_extension(ext, critical)
    der = b.sign(issuer_key, hashes.SHA256() if alg == "sha1" else alg).public_bytes(serialization.Encoding.DER)
    if alg == "sha1":
        der = sign_sha1(der, issuer_key)
    if file:
        with open(file + ".der", "wb") as f:
            f.write(der)
    return der


def save_key(file, key):
    with open(file + ".key", "wb") as f:
        f.write(key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8,
                                  serialization.NoEncryption()))


CA = (x509.BasicConstraints(True, None), True)
SIGN = (usage("key_cert_sign", "crl_sign"), True)


def names():
    def cert(file, cn, *sans):
        make("name-" + file, cn, [(san(*sans), False)] if sans else ())

    cert("uri", ["x"], ("uri", b"sip:example.com"))
    cert("uri-upper", ["x"], ("uri", b"SIP:Example.COM"))
    cert("uri-user", ["example.com"], ("uri", b"sip:alice@example.com"))
    cert("uri-sips", ["x"], ("uri", b"sips:example.com"))
    cert("uri-port", ["x"], ("uri", b"sip:example.com:5061;transport=tls"))
    cert("uri-params", ["x"], ("uri", b"sip:example.com;lr?a=b"))
    cert("uri-empty", ["x"], ("uri", b"sip:"))
    cert("uri-http", ["x"], ("uri", b"http://example.com/"))
    cert("uri-ipv6", ["x"], ("uri", b"sip:[2001:db8::1]:5061"))
    cert("uri-nul", ["x"], ("uri", b"sip:example.com\0.evil.example"))
    cert("uri-nul-user", ["x"], ("uri", b"sip:\0alice@example.com"))
    cert("uri-and-dns", ["x"], ("uri", b"sip:a.example"), ("dns", b"b.example"))
    cert("user-and-dns", ["x"], ("uri", b"sip:alice@a.example"), ("dns", b"b.example"))
    cert("many", ["x"], ("email", b"alice@example.com"), ("uri", b"sip:one.example"), ("dns", b"dns.example"),
         ("uri", b"sip:two.example"), ("uri", b"sip:alice@three.example"))
    cert("dns", ["x"], ("dns", b"example.com"))
    cert("dns-upper", ["x"], ("dns", b"EXAMPLE.com"))
    cert("dns-suffix", ["x"], ("dns", b"ple.com"))
    cert("dns-nul", ["x"], ("dns", b"example.com\0.evil.example"))
    cert("dns-nul-front", ["x"], ("dns", b"\0example.com"))
    cert("dns-empty", ["example.com"], ("dns", b""))
    cert("dns-dot", ["x"], ("dns", b"example.com."))
    cert("wild", ["x"], ("dns", b"*.example.com"))
    cert("wild-part", ["x"], ("dns", b"f*.example.com"))
    cert("wild-inner", ["x"], ("dns", b"www.*.com"))
    cert("wild-two", ["x"], ("dns", b"*.*.example.com"))
    cert("wild-top", ["x"], ("dns", b"*.com"))
    cert("wild-all", ["x"], ("dns", b"*"))
    cert("wild-address", ["x"], ("dns", b"*.0.0.1"))
    cert("cn", ["example.com"])
    cert("cn-two", ["general.example", "special.example"])
    cert("cn-nul", ["example.com\0.evil.example"])
    cert("cn-wild", ["*.example.com"])
    cert("cn-email-san", ["example.com"], ("email", b"alice@example.org"))
    cert("ip", ["127.0.0.1"], ("ip", bytes([127, 0, 0, 1])), ("ip", bytes(15) + b"\1"))
    cert("ip-as-dns", ["x"], ("dns", b"127.0.0.1"))
    make("bad-ip-odd", ["x"], [(san(("ip", bytes([127, 0, 0, 1, 0]))), False)])


def reading():
    make("read-eku-none", ["x"])
    for file, oids in (("any", [ExtendedKeyUsageOID.ANY_EXTENDED_KEY_USAGE]),
                       ("server", [ExtendedKeyUsageOID.SERVER_AUTH]),
                       ("client", [ExtendedKeyUsageOID.CLIENT_AUTH]),
                       ("sip", [SIP_DOMAIN]),
                       ("code", [ExtendedKeyUsageOID.CODE_SIGNING]),
                       ("code-and-server", [ExtendedKeyUsageOID.CODE_SIGNING, ExtendedKeyUsageOID.SERVER_AUTH])):
        make("read-eku-" + file, ["x"], [(x509.ExtendedKeyUsage(oids), False)])
    make("read-usage-sign", ["x"], [(usage("digital_signature"), True)])
    make("read-usage-encipher", ["x"], [(usage("key_encipherment"), True)])
    make("read-usage-decipher-only", ["x"], [(usage("key_agreement", "decipher_only"), True)])
    make("read-ca-path-3", ["x"], [(x509.BasicConstraints(True, 3), True), SIGN])
    make("read-2049", ["x"], end=datetime.datetime(2049, 12, 31, 23, 59, 59, tzinfo=UTC))
    make("read-2050", ["x"], start=datetime.datetime(1999, 2, 28, 1, 2, 3, tzinfo=UTC),
         end=datetime.datetime(2050, 1, 1, tzinfo=UTC))
    make("read-9999", ["x"], end=datetime.datetime(9999, 12, 31, 23, 59, 59, tzinfo=UTC))
    make("read-rsa1024", ["x"], key=rsa.generate_private_key(65537, 1024))
    make("read-rsa4096", ["x"], key=rsa.generate_private_key(65537, 4096))
    make("read-p384", ["x"], key=ec.generate_private_key(ec.SECP384R1()))
    make("bad-p521", ["x"], key=ec.generate_private_key(ec.SECP521R1()))
    make("bad-p224", ["x"], key=ec.generate_private_key(ec.SECP224R1()))
    make("bad-ed25519", ["x"], key=ed25519.Ed25519PrivateKey.generate())
    unknown = x509.UnrecognizedExtension(ObjectIdentifier("1.2.3.4.5"), b"\x05\x00")
    make("read-unknown-extension", ["x"], [(unknown, False)])
    make("bad-unknown-critical", ["x"], [(unknown, True)])
    make("bad-name-constraints", ["x"], [(x509.NameConstraints([x509.DNSName("a.example")], None), False)])
    make("bad-large", ["x"], [(x509.UnrecognizedExtension(ObjectIdentifier("1.2.3.4.5"), bytes(8000)), False)])
    make("bad-san-empty", ["x"], [(x509.UnrecognizedExtension(SAN, b"\x30\x00"), False)])
    make("bad-san-cut", ["x"], [(x509.UnrecognizedExtension(SAN, b"\x30\x04\x82\x05ab"), False)])

    def rsa_spki(n, e):
        return rsa.RSAPublicNumbers(e, n)

    # Hostile public keys: no private half exists, so the certificate of a small key is changed and not signed again.
    small = make(None, ["x"], key=rsa.generate_private_key(65537, 1024))
    cert = x509.load_der_x509_certificate(small)
    old = cert.public_key().public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)
    alg = bytes.fromhex("300d06092a864886f70d0101010500")

    def number(v):
        return tlv(2, v.to_bytes(v.bit_length() // 8 + 1, "big"))

    def hostile(file, n, e):
        spki = tlv(0x30, alg + tlv(3, b"\0" + tlv(0x30, number(n) + number(e))))
        tbs = cert.tbs_certificate_bytes
        rest = small[small.index(tbs) + len(tbs):]
        body = tbs[4 if tbs[1] == 0x82 else 3:].replace(old, spki)
        with open("bad-rsa-" + file + ".der", "wb") as f:
            f.write(tlv(0x30, tlv(0x30, body) + rest))

    top = (1 << 8191) | int.from_bytes(os.urandom(1023), "big") | 1
    hostile("8192", top, top - 2)
    n2048 = (1 << 2047) | int.from_bytes(os.urandom(255), "big") | 1
    hostile("large-e", n2048, n2048 - 2)
    hostile("e33", n2048, (1 << 32) + 1)
    hostile("e1", n2048, 1)
    hostile("even-e", n2048, 65536)
    hostile("even-n", n2048 - 1, 65537)
    hostile("1023", (1 << 1022) | 1, 65537)

    # Version 1: the extension-less certificate that openssl makes when it is told so.
    subprocess.run("openssl req -new -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout v1.tmp -subj /CN=x -out"
                   " v1.csr && openssl x509 -req -in v1.csr -signkey v1.tmp -days 3650 -outform DER -out bad-v1.der;"
                   " rm -f v1.tmp v1.csr", shell=True, check=True, capture_output=True)


def chains():
    root_key = rsa.generate_private_key(65537, 2048)
    root = (name("root"), root_key)
    make("root", ["root"], [CA, SIGN], key=root_key)
    other_key = rsa.generate_private_key(65537, 2048)
    make("root-same-name", ["root"], [CA, SIGN], key=other_key)
    ec_key = ec.generate_private_key(ec.SECP384R1())
    make("root-ec", ["root ec"], [CA, SIGN], key=ec_key)
    make("leaf-ec", ["leaf"], issuer=(name("root ec"), ec_key))

    leaf_ext = [(san(("uri", b"sip:example.com")), False)]
    make("leaf", ["leaf"], leaf_ext, root)
    make("leaf-other", ["leaf"], leaf_ext, (name("root"), other_key))
    make("leaf-expired", ["leaf"], leaf_ext, root, end=datetime.datetime(2026, 2, 1, tzinfo=UTC))
    make("leaf-not-yet", ["leaf"], leaf_ext, root, start=datetime.datetime(2035, 2, 1, tzinfo=UTC))
    make("leaf-sha1", ["leaf"], leaf_ext, root, alg="sha1")
    make("leaf-1024", ["leaf"], leaf_ext, root, key=rsa.generate_private_key(65537, 1024))
    make("leaf-self", ["leaf"], leaf_ext)
    der = bytearray(open("leaf.der", "rb").read())
    der[-20] ^= 1
    open("leaf-bad-signature.der", "wb").write(der)

    def authority(file, cn, issuer, ext=(CA, SIGN), **more):
        key = ec.generate_private_key(ec.SECP256R1())
        make(file, [cn], ext, issuer, key, **more)
        return (name(cn), key)

    i1 = authority("i1", "i1", root)
    i2 = authority("i2", "i2", i1)
    i3 = authority("i3", "i3", i2)
    make("leaf-i1", ["leaf"], leaf_ext, i1)
    make("leaf-i2", ["leaf"], leaf_ext, i2)
    make("leaf-i3", ["leaf"], leaf_ext, i3)
    no_ca = authority("not-ca", "not-ca", root, [(x509.BasicConstraints(False, None), True)])
    make("leaf-not-ca", ["leaf"], leaf_ext, no_ca)
    no_sign = authority("no-sign", "no-sign", root, [CA, (usage("digital_signature"), True)])
    make("leaf-no-sign", ["leaf"], leaf_ext, no_sign)
    path0 = authority("path0", "path0", root, [(x509.BasicConstraints(True, 0), True), SIGN])
    make("leaf-path0", ["leaf"], leaf_ext, path0)
    below = authority("below-path0", "below-path0", path0)
    make("leaf-below-path0", ["leaf"], leaf_ext, below)
    old = authority("i-expired", "i-expired", root, end=datetime.datetime(2026, 2, 1, tzinfo=UTC))
    make("leaf-i-expired", ["leaf"], leaf_ext, old)
    sha1 = authority("i-sha1", "i-sha1", root, alg="sha1")
    make("leaf-i-sha1", ["leaf"], leaf_ext, sha1)
    key = ec.generate_private_key(ec.SECP256R1())
    save_key("leaf-code", key)
    make("leaf-code", ["leaf"], leaf_ext + [(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.CODE_SIGNING]), False)], root,
         key)
    key = ec.generate_private_key(ec.SECP256R1())
    save_key("leaf-encipher", key)
    make("leaf-encipher", ["leaf"], leaf_ext + [(usage("key_encipherment"), True)], root, key)


def peers():
    """Of another domain, each for one side of TLS only; self-signed, so that each is its own anchor."""
    for file, oid in (("server", ExtendedKeyUsageOID.SERVER_AUTH), ("client", ExtendedKeyUsageOID.CLIENT_AUTH)):
        key = ec.generate_private_key(ec.SECP256R1())
        save_key("peer-" + file, key)
        make("peer-" + file, ["peer"], [(san(("uri", b"sip:other.example")), False), (x509.ExtendedKeyUsage([oid]), False)],
             key=key)


names()
reading()
chains()
peers()
