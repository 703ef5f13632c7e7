"""An independent judge of RFC 4474: builds the digest-string from the octets of a message, signs it and verifies it."""

import base64
import http.client
import re
import ssl
import urllib.parse

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding
from peer import certs
from peer.sipclient import Message, addr_spec

HASHES = {"rsa-sha1": hashes.SHA1, "rsa-sha256": hashes.SHA256}
SIP_DATE = re.compile(r"(Mon|Tue|Wed|Thu|Fri|Sat|Sun), \d\d (Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec) "
                      r"\d{4} \d\d:\d\d:\d\d GMT")
INFO = re.compile(r"<([A-Za-z][A-Za-z0-9+.-]*:[^<>\s]+)>(.*)", re.S)
PARAMETER = re.compile(r';\s*([\w-]+)\s*=\s*("(?:[^"\\]|\\.)*"|[^;\s]+)')


def digest_string(message):
    """RFC 4474 section 9: addr-spec | addr-spec | callid | CSeq | SIP-date | [addr-spec] | message-body."""
    number, method = message.cseq
    date = " ".join(message.one("Date").split()).title().replace("Gmt", "GMT")
    contact = message.get("Contact")
    fields = [addr_spec(message.one("From"))[0], addr_spec(message.one("To"))[0], message.one("Call-ID"),
              f"{number} {method}", date, addr_spec(contact)[0] if contact else ""]
    return "|".join(fields).encode("latin-1") + b"|" + message.body


def identity_info(message):
    """(URI, alg) of the Identity-Info header field."""
    uri, rest = INFO.fullmatch(message.one("Identity-Info")).groups()
    given = {name.lower(): value.lower() for name, value in PARAMETER.findall(rest)}
    assert "alg" in given, "no alg in Identity-Info"
    return uri, given["alg"]


def verify(message, public_key):
    """Raises unless the Identity header field is the signature of the message."""
    value = message.one("Identity")
    assert value[0] == value[-1] == '"', value
    signature = base64.b64decode(re.sub(r"\s", "", value[1:-1]), validate=True)
    public_key.verify(signature, digest_string(message), padding.PKCS1v15(), HASHES[identity_info(message)[1]]())


def sign(request, key, url, alg="rsa-sha1"):
    """Adds Identity and Identity-Info to a request under construction."""
    message = Message(request.encode())
    signature = key.sign(digest_string(message), padding.PKCS1v15(), HASHES[alg]())
    request.set("Identity", f'"{base64.b64encode(signature).decode()}"')
    request.set("Identity-Info", f"<{url}>;alg={alg}")
    return request


def http_get(url, ca_file, address="127.0.0.1"):
    """The response (with its body as `.content`) to a GET. Every host is at that address; its TLS chain is checked."""
    where = urllib.parse.urlsplit(url)
    if where.scheme == "https":
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname = False
        context.load_verify_locations(ca_file)
        connection = http.client.HTTPSConnection(address, where.port, timeout=10, context=context)
    else:
        connection = http.client.HTTPConnection(address, where.port, timeout=10)
    try:
        connection.request("GET", where.path or "/", headers={"Host": where.netloc})
        response = connection.getresponse()
        response.content = response.read()
        return response
    finally:
        connection.close()


class Judge:
    """Verifies NOTIFYs of one domain with certificates fetched from Identity-Info, each URI once."""

    def __init__(self, ca_file, domain="example.com", address="127.0.0.1"):
        self.ca_file, self.domain, self.address, self.known = ca_file, domain, address, {}
        with open(ca_file, "rb") as file:
            self.ca = x509.load_pem_x509_certificate(file.read()).public_bytes(certs.DER)

    def certificate(self, uri):
        if uri not in self.known:
            response = http_get(uri, self.ca_file, self.address)
            assert response.status == 200, f"{response.status} for {uri}"
            assert response.getheader("Content-Type") == "application/pkix-cert"
            certs.signed_by(response.content, self.ca)
            assert certs.names_domain(response.content, self.domain)
            self.known[uri] = response.content
        return self.known[uri]

    def check(self, message):
        """Raises unless the message carries one valid Identity of the domain of its From."""
        assert re.fullmatch(rf"sips?:[^@]*@{self.domain}([:;].*)?", addr_spec(message.one("From"))[0], re.I)
        assert SIP_DATE.fullmatch(message.one("Date")), message.one("Date")
        message.one("Identity")
        uri, _ = identity_info(message)
        verify(message, x509.load_der_x509_certificate(self.certificate(uri)).public_key())
        return uri
