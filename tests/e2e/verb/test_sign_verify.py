"""vouch verify and vouch sign, RFC 4474 by hand: Python's cryptography and openssl are the judges."""

import base64
import csv
import http.server
import json
import pathlib
import re
import subprocess
import threading

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding
from peer import certs, identity
from peer import lab as program
from peer.witness import Witness
from peer.sipclient import Message

USAGE, LOCAL, UNTRUSTED = 2, 3, 4
VECTORS = pathlib.Path(program.ROOT, "tests/vectors/rfc4474")
FRESH = VECTORS / "fresh"
NOON = "2026-06-01T12:00:00Z"
STEPS = ["message", "identity", "identity-info", "signed-parts", "certificate", "chain", "authority", "signature",
         "date", "date-in-life"]


def table(path):
    with open(path, newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file, delimiter="\t", quoting=csv.QUOTE_NONE))


def run(*words, stdin=b""):
    """Octets in, octets out."""
    return subprocess.run([program.BINARY, *map(str, words)], input=stdin, capture_output=True, timeout=30)


def verdict(*words, stdin=b""):
    """(exit code, status, the steps) as --json has them."""
    done = run("verify", "--json", *words, stdin=stdin)
    said = json.loads(done.stdout)
    assert said["verdict"]["holds"] == (done.returncode == 0)
    return done.returncode, said["verdict"].get("status"), {step["step"]: step for step in said["steps"]}


def fresh(*words, cert="good", stdin=None):
    message = (FRESH / "good.sip").read_bytes() if stdin is None else stdin
    return verdict("--at", NOON, "--ca", FRESH / "root-ca.pem", "--cert", FRESH / f"{cert}.cer", *words, "-",
                   stdin=message)


@pytest.fixture
def key(tmp_path):
    """A private RSA key in a file of mode 0600."""
    path = tmp_path / "own.key"
    path.write_bytes(certs.rsa_key().private_bytes(certs.PEM, serialization.PrivateFormat.PKCS8,
                                                   serialization.NoEncryption()))
    path.chmod(0o600)
    return path


def private(name, tmp_path):
    path = tmp_path / name
    path.write_bytes((VECTORS / f"{name}.privkey").read_bytes())
    path.chmod(0o600)
    return path


@pytest.fixture(scope="module")
def web():
    """The certificates of fresh/ where its messages say they are."""
    class Handler(http.server.SimpleHTTPRequestHandler):
        def __init__(self, *given):
            super().__init__(*given, directory=FRESH)

        def log_message(self, *_):
            pass

    http.server.ThreadingHTTPServer.allow_reuse_address = True
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 8474), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield server
    server.shutdown()
    server.server_close()


# --- vectors ---

@pytest.mark.parametrize("row", table(VECTORS / "index.tsv"), ids=lambda row: row["file"])
def test_VER_19_the_signatures_of_rfc4474(row):
    folder, name = row["file"].split("/")
    path = VECTORS / ("derived" if folder == "derived" else "") / name
    signer = "biloxi" if "bye" in name else "atlanta"
    code, status, steps = verdict("--signature-only", "--cert", VECTORS / f"{signer}.cer", path)
    assert list(steps) == ["message", "identity", "identity-info", "signed-parts", "certificate", "signature"]
    if row["verdict"] == "signature OK":
        assert code == 0 and steps["signature"]["holds"]
    elif row["verdict"].startswith("signature BAD"):
        assert code == UNTRUSTED and status == 438
    else:
        expected = {"info-twice": 400, "identity-twice": 436, "in-cancel": 428, "info-alg-missing": 436,
                    "info-alg-unknown": 438, "date-missing": 400, "date-est": 400, "info-missing": 436,
                    "info-scheme-ftp": 436, "identity-missing": 428, "none": 428}
        assert code == UNTRUSTED and status == expected[path.stem]


@pytest.mark.parametrize("name", ["invite", "bye"])
def test_VER_19_in_full_the_examples_are_refused(name):
    signer = "biloxi" if name == "bye" else "atlanta"
    code, status, steps = verdict("--cert", VECTORS / f"{signer}.cer", "--ca", FRESH / "root-ca.pem",
                                  VECTORS / f"{name}.sip")
    assert (code, status) == (UNTRUSTED, 437) and list(steps) == STEPS
    assert not steps["chain"]["holds"] and not steps["date"]["holds"] and not steps["date-in-life"]["holds"]


@pytest.mark.parametrize("name, signer, url", [
    ("invite", "atlanta", "https://atlanta.example.com/atlanta.cer"),
    ("bye", "biloxi", "https://biloxi.example.org/biloxi.cer")])
def test_AUT_18_strings_and_signatures_bit_for_bit(name, signer, url, tmp_path):
    key = private(signer, tmp_path)
    at = {"bye": "2002-02-21T14:19:51Z"}.get(name, "0")
    for file in (f"{name}.sip", f"{name}.message", f"{name}-unsigned.sip"):
        done = run("sign", "--string", "--at", at, VECTORS / file)
        assert done.returncode == 0 and done.stdout == (VECTORS / f"{name}.canonical").read_bytes()
    done = run("sign", "--key", key, "--signature", VECTORS / f"{name}-unsigned.sip")
    assert base64.b64decode(done.stdout.strip(), validate=True) == (VECTORS / f"{name}.signed").read_bytes()
    done = run("sign", "--key", key, "--url", url, VECTORS / f"{name}-unsigned.sip")
    assert done.returncode == 0
    assert sorted(done.stdout.split(b"\r\n")) == sorted((VECTORS / f"{name}-unfolded.sip").read_bytes().split(b"\r\n"))


@pytest.mark.parametrize("row", table(FRESH / "index.tsv"), ids=lambda row: pathlib.Path(row["message"]).stem)
@pytest.mark.parametrize("fetch", [False, True], ids=["file", "http"])
def test_VER_02_whole_verification(row, fetch, web):
    name = pathlib.Path(row["message"]).stem
    given = ["--reach", "127.0.0.1"] if fetch else ["--cert", FRESH / f"{name}.cer"]
    code, status, steps = verdict("--at", NOON, "--ca", FRESH / "root-ca.pem", *given, FRESH / f"{name}.sip")
    # No RSA key under 2048 bits in a chain, and the intermediate CA is unknown.
    expected = {"good-intermediate": 437, "good-rsa1024": 437, "bad-revoked": None, "bad-date-stale": 403, "bad-date-future": 403,
                "bad-wrong-key": 438}.get(name, None if row["expect"].startswith("OK") else 437)
    assert status == expected, steps
    assert code == (0 if expected is None else UNTRUSTED)
    if steps["signature"]["holds"] is not None and name not in ("bad-keyusage", "bad-ec-key"):
        assert steps["signature"]["holds"] == (row["signature_by_openssl"] == "OK")


def test_intermediate_among_the_anchors(tmp_path):
    both = tmp_path / "both.pem"
    both.write_bytes((FRESH / "root-ca.pem").read_bytes() + (FRESH / "intermediate-ca.pem").read_bytes())
    done = run("verify", "--at", NOON, "--ca", both, "--cert", FRESH / "good-intermediate.cer",
               FRESH / "good-intermediate.sip")
    assert done.returncode == 0, done


# --- what verify says ---

def test_lines_for_people():
    words = ["verify", "--at", NOON, "--ca", FRESH / "root-ca.pem", "--cert", FRESH / "good.cer"]
    done = run(*words, FRESH / "good.sip")
    lines = done.stdout.decode().splitlines()
    assert [line.split()[:2] for line in lines[:-1]] == [["ok", step] for step in STEPS]
    assert lines[-1].startswith("verdict: trustworthy") and done.stderr == b""
    changed = (FRESH / "good.sip").read_bytes().replace(b"s=-", b"s=\t")
    done = run(*words, "-", stdin=changed)
    text = done.stdout.decode()
    assert done.returncode == UNTRUSTED and "438 Invalid Identity Header" in text.splitlines()[-1]
    assert re.search(r"\n +string +sip:alice@good\.example\|sip:bob@biloxi\.example\|.*\|v=0\\r\\n.*s=\\t\\r\\n.*\n", text)
    assert "over another string" in text


def test_all_steps_are_judged_behind_a_failure():
    done = run("verify", "--cert", FRESH / "bad-wrong-domain.cer", FRESH / "bad-wrong-domain.sip")
    text = done.stdout.decode()
    assert done.returncode == UNTRUSTED and "--ca" in text and "437 Unsupported Certificate" in text.splitlines()[-1]
    assert "ok    signature" in text and "FAIL  authority" in text and "FAIL  date " in text


def test_at_takes_seconds_and_dates():
    for at in (NOON, "1780315200", "2026-06-01T12:59:59Z"):
        done = run("verify", "--at", at, "--ca", FRESH / "root-ca.pem", "--cert", FRESH / "good.cer", FRESH / "good.sip")
        assert done.returncode == 0, done
    assert fresh("--at", "2026-06-01T13:00:01Z")[:2] == (UNTRUSTED, 403)


def edited(old, new):
    message = (FRESH / "good.sip").read_bytes()
    found = re.sub(old, lambda match: match.expand(new), message, count=1)
    assert found != message
    return found


@pytest.mark.parametrize("message, status, step", [
    (edited(rb"Identity: .*\r\n", rb""), 428, "identity"),
    (edited(rb"Identity: .*\r\n", rb"Identity: a.b.c;info=<https://h/c>;alg=ES256\r\n"), 436, "identity"),
    (edited(rb"Identity: .*\r\n", rb"Identity: abc\r\n"), 436, "identity"),
    (edited(rb"(Identity: .*\r\n)", rb"\1\1"), 436, "identity"),
    (edited(rb"Identity: .*\r\n", rb'Identity: "!"\r\n'), 438, "identity"),
    (edited(rb"Identity-Info: .*\r\n", rb""), 436, "identity-info"),
    (edited(rb"Identity-Info: .*\r\n", rb"Identity-Info: http://h/c\r\n"), 436, "identity-info"),
    (edited(rb"http://127", rb"ftp://127"), 436, "identity-info"),
    (edited(rb"rsa-sha1", rb"rsa-md5"), 437, "identity-info"),
    (edited(rb"rsa-sha1", rb"rsa-sha256"), 438, "signature"),
    (edited(rb"Date: .*\r\n", rb""), 400, "signed-parts"),
    (edited(rb"(Contact: .*\r\n)", rb"\1\1"), 400, "signed-parts"),
    (edited(rb"Content-Length: 88", rb"Content-Length: 99"), 400, "message"),
    (edited(rb"sip:alice@good.example>", rb"tel:+1>"), 437, "authority"),
], ids=lambda value: "" if isinstance(value, bytes) else str(value))
def test_each_fault_has_its_status(message, status, step):
    code, said, steps = fresh(stdin=message)
    assert (code, said) == (UNTRUSTED, status) and list(steps) == STEPS
    assert next(name for name in STEPS if steps[name]["holds"] is False) == step


@pytest.mark.parametrize("message", [
    edited(rb"Identity: ", rb"y: "),
    edited(rb"Identity-Info: ", rb"n: "),
    edited(rb'Identity: "(.{40})(.{30})', rb'Identity: "\1\r\n \2 \t '),
    edited(rb"(Identity: )", rb"Identity: a.b.c;info=<https://h/c>;alg=ES256\r\n\1"),
    edited(rb"Via:", rb"Via: SIP/2.0/UDP hop.example;branch=z9hG4bKhop\r\nVia:"),
    edited(rb"\AINVITE", rb"\r\n\r\nINVITE"),
    (FRESH / "good.sip").read_bytes() + b"\n",
], ids=["compact-y", "compact-n", "folded", "rfc8224-beside", "via", "blank-lines", "line-end-behind"])
def test_what_does_not_matter(message):
    assert fresh(stdin=message)[0] == 0


def test_files_of_editors():
    """Line ends of the head are nobody's, those of the body are signed."""
    head, body = (FRESH / "good.sip").read_bytes().split(b"\r\n\r\n", 1)
    unix = head.replace(b"\r\n", b"\n") + b"\n\n"
    words = ["verify", "--at", NOON, "--ca", FRESH / "root-ca.pem", "--cert", FRESH / "good.cer", "-"]
    done = run(*words, stdin=unix + body)
    assert done.returncode == 0 and b"LF" in done.stderr
    done = run(*words, stdin=unix + body.replace(b"\r\n", b"\n"))
    assert done.returncode == UNTRUSTED and b"was cut" in done.stdout and b"CR LF" in done.stdout
    mixed = head.replace(b"\r\n", b"\n", 1) + b"\r\n\r\n" + body
    assert b"LF alone" in run(*words, stdin=mixed).stderr
    without = edited(rb"88", rb"0").split(b"\r\n\r\n")[0] + b"\r\n"
    done = run(*words, stdin=without)
    assert done.returncode == UNTRUSTED and b"was added" in done.stderr


@pytest.mark.parametrize("text", [b"", b"\r\n", b"hello", b"GET / HTTP/1.1\r\n\r\n", b"SIP/2.0 200 OK\r\n\r\n",
                                  (FRESH / "good.sip").read_bytes().replace(b"INVITE sip:", b"SIP/2.0 200 OK ", 1),
                                  b"INVITE sip:a@b SIP/2.0\r\n\r\n"],
                         ids=["empty", "blank", "text", "http", "short", "response", "no-via"])
def test_exit_3_no_request(text):
    for words in (["verify", "-"], ["sign", "--string", "-"]):
        done = run(*words, stdin=text)
        assert done.returncode == LOCAL and done.stdout == b"" and done.stderr.count(b"\n") == 1, done


def test_exit_3_files(tmp_path):
    for option in ("--ca", "--cert"):
        for file in (tmp_path / "nowhere", FRESH / "good.sip"):
            done = run("verify", option, file, FRESH / "good.sip")
            assert done.returncode == LOCAL and str(file).encode() in done.stderr and done.stdout == b""
    assert run("verify", tmp_path / "nowhere").returncode == LOCAL


@pytest.mark.parametrize("words", [
    ["verify"], ["verify", "a", "b"], ["verify", "-a", "x", "F"], ["verify", "--at", "noon", "F"],
    ["verify", "--at", "2026-02-30T00:00:00Z", "F"], ["verify", "--key", "k", "F"], ["sign"], ["sign", "F"],
    ["sign", "--key", "k", "F"], ["sign", "--url", "http://h/", "F"], ["sign", "--key", "k", "--url", "ftp://h/", "F"],
    ["sign", "--key", "k", "--url", "http://h/>;x", "F"], ["sign", "--key", "k", "--signature", "--string", "F"],
    ["sign", "--key", "k", "--url", "http://h/", "--alg", "rsa-md5", "F"], ["sign", "--json", "--string", "F"],
], ids=" ".join)
def test_exit_2_usage(words):
    done = run(*words)
    assert done.returncode == USAGE and done.stdout == b"" and done.stderr.count(b"\n") == 1


def test_certificate_that_cannot_be_fetched():
    message = edited(rb"127.0.0.1:8474", rb"127.0.0.1:%d" % program.free_ports(1))
    code, status, steps = verdict("--at", NOON, "--ca", FRESH / "root-ca.pem", "--reach", "any", "-", stdin=message)
    assert (code, status) == (UNTRUSTED, 436) and steps["signature"]["holds"] is None and steps["date"]["holds"]


@pytest.mark.parametrize("reach", [[], ["--reach", "public"], ["--reach", "private, 127.0.0.9"]])
@pytest.mark.parametrize("host", [b"127.0.0.1", b"localhost", b"[::ffff:127.0.0.1]"])
def test_G44_who_wrote_the_request_does_not_aim_this_machine_at_itself(host, reach):
    witness = Witness("127.0.0.1")
    message = edited(rb"127.0.0.1:8474", b"%s:%d" % (host, witness.port))
    code, status, steps = verdict("--at", NOON, "--ca", FRESH / "root-ca.pem", *reach, "-", stdin=message)
    assert (code, status) == (UNTRUSTED, 436) and steps["certificate"]["holds"] is False
    assert not witness.hit()
    witness.close()


def test_reach_that_cannot_be_read():
    done = run("verify", "--reach", "everywhere", FRESH / "good.sip")
    assert done.returncode == 3 and b"--reach everywhere: expected public" in done.stderr


# --- sign ---

UNSIGNED = (b"MESSAGE sip:bob@b.example SIP/2.0\r\nv: SIP/2.0/TCP h;branch=z9hG4bKx\r\nMax-Forwards: 70\r\n"
            b"f: \"A|\" <sip:alice@a.example;x=y>;tag=1\r\nt: sip:bob@b.example;p=1\r\ni: x@y\r\nCSeq:  0007   MESSAGE\r\n"
            b"X-Odd:  kept \r\n\t as it is\r\n\r\nhi\x00\xff|\r\n")


@pytest.mark.parametrize("alg", ["rsa-sha1", "rsa-sha256"])
def test_AUT_02_AUT_13_sign_and_judge(alg, key, tmp_path):
    done = run("sign", "--key", key, "--url", "https://a.example/c.cer", "--alg", alg, "--at", NOON, "-", stdin=UNSIGNED)
    assert (done.returncode, done.stderr) == (0, b"")
    head, body = UNSIGNED.split(b"\r\n\r\n", 1)
    added = re.escape(head) + (rb"\r\nDate: Mon, 01 Jun 2026 12:00:00 GMT\r\nContent-Length: 7\r\n"
                               rb'Identity: "([A-Za-z0-9+/=]+)"\r\n'
                               rb"Identity-Info: <https://a.example/c.cer>;alg=" + alg.encode() + rb"\r\n\r\n")
    match = re.fullmatch(added + re.escape(body), done.stdout, re.S)
    assert match, done.stdout
    string = (b"sip:alice@a.example;x=y|sip:bob@b.example|x@y|7 MESSAGE|Mon, 01 Jun 2026 12:00:00 GMT||" + body)
    assert run("sign", "--string", "--at", NOON, "-", stdin=UNSIGNED).stdout == string
    signature = base64.b64decode(match[1], validate=True)
    certs.rsa_key().public_key().verify(signature, string, padding.PKCS1v15(), identity.HASHES[alg]())
    (tmp_path / "sig").write_bytes(signature)
    judge = subprocess.run(["openssl", "dgst", "-" + alg[4:], "-prverify", key, "-signature", tmp_path / "sig"],
                           input=string, capture_output=True)
    assert b"Verified OK" in judge.stdout
    alone = run("sign", "--key", key, "--signature", "--alg", alg, "--at", NOON, "-", stdin=UNSIGNED)
    assert alone.stdout.strip() == match[1] and alone.stderr == b""


def test_sign_then_verify(key, tmp_path):
    names = certs.certificate("DNS:a.example", key=certs.rsa_key())
    (tmp_path / "c.pem").write_bytes(certs.pem(names))
    signed = run("sign", "--key", key, "--url", "http://a.example/c.cer", "-", stdin=UNSIGNED).stdout
    given = ["--ca", tmp_path / "c.pem", "--cert", tmp_path / "c.pem", "-"]
    assert verdict(*given, stdin=signed)[0] == 0
    for old, new in ((b"hi", b"ho"), (b"alice", b"alica"), (b"0007", b"0008"), (b"x@y", b"x@z")):
        assert verdict(*given, stdin=signed.replace(old, new))[:2] == (UNTRUSTED, 438)
    message = Message(signed)
    public = x509.load_der_x509_certificate(names).public_key()
    public.verify(base64.b64decode(message.one("Identity")[1:-1]),
                  run("sign", "--string", "-", stdin=signed).stdout, padding.PKCS1v15(), hashes.SHA1())


def test_keys_of_all_forms(tmp_path):
    outcomes = {}
    for form in (serialization.PrivateFormat.PKCS8, serialization.PrivateFormat.TraditionalOpenSSL):
        for name, made in (("rsa", certs.rsa_key()), ("ec", certs.ec_key())):
            path = tmp_path / f"{name}-{form.name}"
            path.write_bytes(made.private_bytes(certs.PEM, form, serialization.NoEncryption()))
            path.chmod(0o600)
            outcomes[path.name] = run("sign", "--key", path, "--signature", "--at", NOON, "-", stdin=UNSIGNED)
    assert outcomes["rsa-PKCS8"].stdout == outcomes["rsa-TraditionalOpenSSL"].stdout != b""
    for name in ("ec-PKCS8", "ec-TraditionalOpenSSL"):
        assert outcomes[name].returncode == LOCAL and b"RSA" in outcomes[name].stderr
    path = tmp_path / "locked"
    path.write_bytes(certs.rsa_key().private_bytes(certs.PEM, serialization.PrivateFormat.PKCS8,
                                                   serialization.BestAvailableEncryption(b"x")))
    path.chmod(0o600)
    done = run("sign", "--key", path, "--signature", "-", stdin=UNSIGNED)
    assert done.returncode == LOCAL and b"encrypted" in done.stderr
    (tmp_path / "rsa-PKCS8").chmod(0o644)
    done = run("sign", "--key", tmp_path / "rsa-PKCS8", "--signature", "-", stdin=UNSIGNED)
    assert done.returncode == LOCAL and b"0600" in done.stderr


@pytest.mark.parametrize("old, new, says", [
    (b"X-Odd", b'Identity: "YWJj"\r\nX-Odd', b"Identity"),
    (b"X-Odd", b'y: "YWJj"\r\nX-Odd', b"Identity"),
    (b"X-Odd", b"n: <http://h/>;alg=rsa-sha1\r\nX-Odd", b"Identity-Info"),
    (b"X-Odd", b"m: <sip:a@h>, <sip:b@h>\r\nX-Odd", b"Contacts"),
    (b"X-Odd", b"m: <sip:a@h>\r\nContact: <sip:b@h>\r\nX-Odd", b"Contacts"),
    (b"X-Odd", b"Date: today\r\nX-Odd", b"Date"),
    (b"X-Odd", b"m: <x:a|b>\r\nX-Odd", b"Contact"),
    (b"alice@", b"al|ice@", b"From"),
    (b"i: x@y", b"i: x|y", b"Call-ID"),
    (b"MESSAGE", b"CANCEL", b"CANCEL"),
    (b"MESSAGE", b"REGISTER", b"REGISTER"),
    (b"X-Odd", b"l: 99\r\nX-Odd", b"Content-Length"),
])
def test_AUT_09_AUT_10_what_is_not_signed(old, new, says, key):
    done = run("sign", "--key", key, "--url", "http://h/c", "-", stdin=UNSIGNED.replace(old, new))
    assert done.returncode == LOCAL and done.stdout == b"" and done.stderr.count(b"\n") == 1
    assert says in done.stderr, done.stderr


def test_an_identity_of_rfc8224_stays(key):
    other = b"Identity: a.b.c;info=<https://h/c>;alg=ES256\r\n"
    done = run("sign", "--key", key, "--url", "http://h/c", "-", stdin=UNSIGNED.replace(b"X-Odd", other + b"X-Odd"))
    assert done.returncode == 0 and other in done.stdout and done.stdout.count(b"Identity: ") == 2


def test_output_that_cannot_be_written(key):
    for words in (["sign", "--string", "-"], ["verify", "-"]):
        with open("/dev/full", "wb") as full:
            done = subprocess.run([program.BINARY, *words], input=UNSIGNED, stdout=full, stderr=subprocess.PIPE)
        assert done.returncode == LOCAL and done.stderr.count(b"\n") == 1
