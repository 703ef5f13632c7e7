"""HTTP digest as SIP uses it (RFC 2617, RFC 7616, RFC 8760): reading challenges and answering them."""

import hashlib
import os
import re

HASHES = {"MD5": hashlib.md5, "SHA-256": hashlib.sha256}
PARAMETER = re.compile(r'([\w-]+)\s*=\s*(?:"((?:[^"\\]|\\.)*)"|([^\s,"]+))\s*(?:,|$)')


def parse(value):
    """(scheme, {name: value}) of a challenge or of credentials."""
    scheme, _, rest = value.strip().partition(" ")
    parameters = {}
    for name, quoted, token in PARAMETER.findall(rest):
        assert name.lower() not in parameters, f"{name} twice in {value}"
        parameters[name.lower()] = quoted or token
    return scheme, parameters


def challenges(response):
    """The Digest challenges of a 401, in the server's order of preference."""
    parsed = [parse(value) for value in response.all("WWW-Authenticate") + response.all("Proxy-Authenticate")]
    assert all(scheme == "Digest" for scheme, _ in parsed), response.all("WWW-Authenticate") + response.all("Proxy-Authenticate")
    return [parameters for _, parameters in parsed]


def compute(algorithm, user, realm, password, method, uri, nonce, nc=None, cnonce=None, qop=None, body=b""):
    """The `response` value."""
    def digest(data):
        return HASHES[algorithm](data).hexdigest()

    secret = digest(f"{user}:{realm}:{password}".encode())
    about = f"{method}:{uri}" + (f":{digest(body)}" if qop == "auth-int" else "")
    middle = f"{nonce}:{nc}:{cnonce}:{qop}" if qop else nonce
    return digest(f"{secret}:{middle}:{digest(about.encode())}".encode())


def answer(challenge, user, password, method, uri, body=b"", qop="auth", nc=1, replace=None):
    """An Authorization value; `replace` sets or (None) drops parameters after the response was computed."""
    algorithm = challenge.get("algorithm", "MD5")
    count, cnonce = f"{nc:08x}", os.urandom(8).hex()
    values = {
        "username": user, "realm": challenge["realm"], "nonce": challenge["nonce"], "uri": uri,
        "response": compute(algorithm, user, challenge["realm"], password, method, uri, challenge["nonce"],
                            count, cnonce, qop, body),
        "algorithm": algorithm, "cnonce": cnonce, "nc": count, "qop": qop,
    }
    if "opaque" in challenge:
        values["opaque"] = challenge["opaque"]
    values.update(replace or {})
    bare = ("algorithm", "nc", "qop")
    return "Digest " + ", ".join(f"{k}={v}" if k in bare else f'{k}="{v}"' for k, v in values.items() if v is not None)
