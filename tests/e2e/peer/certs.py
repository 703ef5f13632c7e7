"""Certificates, private keys and PKCS#8 objects for the tests, with the little DER that needs writing by hand."""

import datetime
import functools
import ipaddress
import os
import warnings

from cryptography import x509
from cryptography.hazmat.primitives import hashes, keywrap, serialization
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from cryptography.hazmat.primitives.kdf.pbkdf2 import PBKDF2HMAC

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    try:
        from cryptography.hazmat.decrepit.ciphers.algorithms import TripleDES
    except ImportError:
        TripleDES = algorithms.TripleDES

DAY = 86400
NAME = x509.oid.NameOID
DER = serialization.Encoding.DER
PEM = serialization.Encoding.PEM
SIP_DOMAIN = "1.3.6.1.5.5.7.3.20"
SERVER_AUTH = "1.3.6.1.5.5.7.3.1"
CODE_SIGNING = "1.3.6.1.5.5.7.3.3"
ANY_EKU = "2.5.29.37.0"

PBES2 = "1.2.840.113549.1.5.13"
PBKDF2 = "1.2.840.113549.1.5.12"
RSA_ENCRYPTION = "1.2.840.113549.1.1.1"
PRFS = {"sha1": ("1.2.840.113549.2.7", hashes.SHA1()), "sha256": ("1.2.840.113549.2.9", hashes.SHA256())}
CIPHERS = {
    "des-ede3-cbc": ("1.2.840.113549.3.7", 24),
    "aes128-cbc": ("2.16.840.1.101.3.4.1.2", 16),
    "aes256-cbc": ("2.16.840.1.101.3.4.1.42", 32),
    "aes128-wrap-pad": ("2.16.840.1.101.3.4.1.8", 16),
}
SHA256_RSA = bytes.fromhex("300d06092a864886f70d01010b0500")
SHA1_RSA = bytes.fromhex("300d06092a864886f70d0101050500")


def der(tag, *parts):
    """One DER element."""
    content = b"".join(parts)
    size = len(content)
    if size < 128:
        return bytes([tag, size]) + content
    octets = size.to_bytes((size.bit_length() + 7) // 8, "big")
    return bytes([tag, 0x80 | len(octets)]) + octets + content


def ber_indefinite(element):
    """The same element with the indefinite length that BER allows and DER does not."""
    tag, content, rest = read(element)
    assert not rest
    return bytes([tag, 0x80]) + content + b"\0\0"


def read(data):
    """(tag, content, rest) of the first DER element."""
    tag, size, start = data[0], data[1], 2
    if size & 0x80:
        start += size & 0x7F
        size = int.from_bytes(data[2:start], "big")
    assert start + size <= len(data), "truncated DER"
    return tag, data[start:start + size], data[start + size:]


def items(content):
    """The elements of a SEQUENCE's content as (tag, content)."""
    while content:
        tag, inner, content = read(content)
        yield tag, inner


def integer(value):
    return der(0x02, value.to_bytes(value.bit_length() // 8 + 1, "big"))


def oid(dotted):
    first, second, *rest = (int(arc) for arc in dotted.split("."))
    out = bytearray()
    for arc in [40 * first + second] + rest:
        groups = [arc & 0x7F]
        while arc := arc >> 7:
            groups.append(0x80 | arc & 0x7F)
        out += bytes(reversed(groups))
    return der(0x06, bytes(out))


@functools.lru_cache(maxsize=None)
def numbered_key(_number, bits):
    return rsa.generate_private_key(public_exponent=65537, key_size=bits)


def rsa_key(number=0, bits=2048):
    """RSA key `number` of that size: made once in a run of the tests, since generation is slow."""
    return numbered_key(number, bits)


@functools.lru_cache(maxsize=None)
def ec_key():
    return ec.generate_private_key(ec.SECP256R1())


def general_name(name):
    """'sip:...' and other URIs as they are; 'DNS:', 'IP:' and 'email:' choose another kind of name."""
    for prefix, make in (("DNS:", x509.DNSName), ("email:", x509.RFC822Name),
                         ("IP:", lambda text: x509.IPAddress(ipaddress.ip_address(text)))):
        if name.startswith(prefix):
            return make(name[len(prefix):])
    return x509.UniformResourceIdentifier(name)


def certificate(*names, key=None, since=-3600, until=30 * DAY, ca=None, sha1=False, eku=(), cn="test", issuer=None):
    """A DER certificate. Times are seconds from now; `ca` None leaves basicConstraints out; issuer = (DER, key)."""
    key = key or rsa_key()
    now = datetime.datetime.now(datetime.timezone.utc).replace(microsecond=0)
    subject = x509.Name([x509.NameAttribute(NAME.COMMON_NAME, cn)])
    issuer_name, issuer_key = subject, key
    if issuer:
        issuer_name, issuer_key = x509.load_der_x509_certificate(issuer[0]).subject, issuer[1]
    builder = (x509.CertificateBuilder().subject_name(subject).issuer_name(issuer_name).public_key(key.public_key())
               .serial_number(x509.random_serial_number())
               .not_valid_before(now + datetime.timedelta(seconds=since))
               .not_valid_after(now + datetime.timedelta(seconds=until)))
    if names:
        builder = builder.add_extension(x509.SubjectAlternativeName([general_name(n) for n in names]), critical=False)
    if ca is not None:
        builder = builder.add_extension(x509.BasicConstraints(ca=ca, path_length=None), critical=True)
    if eku:
        usages = [x509.ObjectIdentifier(usage) for usage in eku]
        builder = builder.add_extension(x509.ExtendedKeyUsage(usages), critical=False)
    if issuer:  # RFC 5280 4.2.1.1; newer clients insist
        above = x509.AuthorityKeyIdentifier.from_issuer_public_key(issuer_key.public_key())
        builder = builder.add_extension(above, critical=False)
    signed = builder.sign(issuer_key, hashes.SHA256())
    return resign_sha1(signed, issuer_key) if sha1 else signed.public_bytes(DER)


def resign_sha1(certificate_object, key):
    """The certificate with sha1WithRSAEncryption, which newer libraries refuse to make."""
    body = certificate_object.tbs_certificate_bytes.replace(SHA256_RSA, SHA1_RSA, 1)
    signature = key.sign(body, padding.PKCS1v15(), hashes.SHA1())
    return der(0x30, body, SHA1_RSA, der(0x03, b"\0" + signature))


def authority(key=None, cn="Test CA", **options):
    """A CA certificate as (DER, key)."""
    key = key or rsa_key(90)
    return certificate(key=key, ca=True, cn=cn, **options), key


def pem(certificate_der):
    return x509.load_der_x509_certificate(certificate_der).public_bytes(PEM)


def key_pem(key):
    return key.private_bytes(PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())


def pkcs1(key):
    """A bare RSAPrivateKey, which is not PKCS#8."""
    return key.private_bytes(DER, serialization.PrivateFormat.TraditionalOpenSSL, serialization.NoEncryption())


def pkcs8(key):
    """PrivateKeyInfo, version 1."""
    return key.private_bytes(DER, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())


def pkcs8_v2(key):
    """OneAsymmetricKey, version 2, with the public key."""
    (_, _), (_, algorithm), (_, private) = items(read(pkcs8(key))[1])
    public = key.public_key().public_bytes(DER, serialization.PublicFormat.PKCS1)
    return der(0x30, integer(1), der(0x30, algorithm), der(0x04, private), der(0x81, b"\0" + public))


def pkcs8_encrypted(key, phrase, cipher="des-ede3-cbc", prf="sha1", iterations=2048, explicit=False, claimed=None):
    """EncryptedPrivateKeyInfo with PBES2; `explicit` writes the default prf and the optional keyLength out.

    `claimed` is another number of iterations to write down than the one that was used."""
    salt, iv = os.urandom(8), os.urandom(8 if cipher == "des-ede3-cbc" else 16)
    cipher_oid, size = CIPHERS[cipher]
    prf_oid, prf_hash = PRFS[prf]
    secret = PBKDF2HMAC(prf_hash, size, salt, iterations).derive(phrase.encode())
    plain = pkcs8(key)
    if cipher == "aes128-wrap-pad":
        scheme = der(0x30, oid(cipher_oid))
        sealed = keywrap.aes_key_wrap_with_padding(secret, plain)
    else:
        block = TripleDES if cipher == "des-ede3-cbc" else algorithms.AES
        scheme = der(0x30, oid(cipher_oid), der(0x04, iv))
        pad = len(iv) - len(plain) % len(iv)
        encryptor = Cipher(block(secret), modes.CBC(iv)).encryptor()
        sealed = encryptor.update(plain + bytes([pad]) * pad) + encryptor.finalize()
    options = [integer(size)] if explicit else []
    if explicit or prf != "sha1":
        options.append(der(0x30, oid(prf_oid), der(0x05)))
    derivation = der(0x30, oid(PBKDF2), der(0x30, der(0x04, salt), integer(claimed or iterations), *options))
    return der(0x30, der(0x30, oid(PBES2), der(0x30, derivation, scheme)), der(0x04, sealed))


def pbes2_parameters(encrypted):
    """What an EncryptedPrivateKeyInfo says of itself: salt, iterations, prf (None when absent), cipher OID, iv."""
    (_, algorithm), (_, _) = items(read(encrypted)[1])
    (_, scheme_oid), (_, parameters) = items(algorithm)
    assert der(0x06, scheme_oid) == oid(PBES2)
    (_, derivation), (_, scheme) = items(parameters)
    (_, kdf_oid), (_, kdf) = items(derivation)
    assert der(0x06, kdf_oid) == oid(PBKDF2)
    (_, salt), (_, iterations), *options = items(kdf)
    prf = next((content for tag, content in options if tag == 0x30), None)
    (_, cipher_oid), *cipher_parameters = items(scheme)
    return {
        "salt": salt,
        "iterations": int.from_bytes(iterations, "big"),
        "prf": prf and der(0x06, next(items(prf))[1]),
        "cipher": der(0x06, cipher_oid),
        "iv": cipher_parameters[0][1] if cipher_parameters else None,
    }


def pair(aor, number=0, **options):
    """A certificate of the AOR with RSA key `number`, and that key as PKCS#8."""
    return certificate(aor, key=rsa_key(number), **options), pkcs8(rsa_key(number))


def load_key(pkcs8_der, phrase=None):
    return serialization.load_der_private_key(pkcs8_der, phrase and phrase.encode())


def same_key(one, other):
    return one.public_key().public_numbers() == other.public_key().public_numbers()


def sip_uris(certificate_der):
    """The URI names of subjectAltName."""
    extension = x509.load_der_x509_certificate(certificate_der).extensions.get_extension_for_class(
        x509.SubjectAlternativeName)
    return extension.value.get_values_for_type(x509.UniformResourceIdentifier)


def lifetime(certificate_object):
    """(notBefore, notAfter) as aware times, in old and new releases of the library."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        zone = datetime.timezone.utc
        return certificate_object.not_valid_before.replace(tzinfo=zone), \
            certificate_object.not_valid_after.replace(tzinfo=zone)


def names_domain(certificate_der, domain):
    """True when the certificate is for the domain: URI sip:domain, or DNS domain when there is no such URI."""
    names = x509.load_der_x509_certificate(certificate_der).extensions.get_extension_for_class(
        x509.SubjectAlternativeName).value
    uris = [u for u in names.get_values_for_type(x509.UniformResourceIdentifier) if u.lower().startswith("sip:")]
    if uris:
        return f"sip:{domain}" in (u.lower() for u in uris)
    return domain in (d.lower() for d in names.get_values_for_type(x509.DNSName))


def signed_by(certificate_der, ca_der):
    """Raises unless the RSA key of the CA made the certificate's signature."""
    leaf, ca = x509.load_der_x509_certificate(certificate_der), x509.load_der_x509_certificate(ca_der)
    assert leaf.issuer == ca.subject, "issued by someone else"
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        algorithm = leaf.signature_hash_algorithm
    public = ca.public_key()
    if isinstance(public, rsa.RSAPublicKey):
        public.verify(leaf.signature, leaf.tbs_certificate_bytes, padding.PKCS1v15(), algorithm)
    else:
        public.verify(leaf.signature, leaf.tbs_certificate_bytes, ec.ECDSA(algorithm))


def load_pem_pair(certificate_pem, private_pem, phrase=None):
    """(DER, key) of PEM texts."""
    return (x509.load_pem_x509_certificate(certificate_pem).public_bytes(DER),
            serialization.load_pem_private_key(private_pem, phrase))
