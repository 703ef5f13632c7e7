"""What is said when something does not work: what happened, why, and what to do. Each of these once said less."""

import json
import re
import subprocess

import pytest
from peer import certs
from peer import lab as program
from peer.sipclient import token


def verb(server, name, user="alice", *words):
    return program.vouch(name, "-a", server.directory / f"{user}.account", *words)


# --- the administrator ---

@pytest.mark.parametrize("words, lock", [(["user", "add", "x"], "users.lock"), (["serve"], "lock")], ids=["user", "serve"])
def test_a_lock_that_cannot_be_taken(labs, words, lock):
    """It was said to be held by somebody else, or nothing was said of the cause."""
    folder = labs.directory()
    (folder / "store" / lock).unlink(missing_ok=True)
    (folder / "store" / lock).mkdir()
    done = program.vouch(*words, "-c", folder / "vouch.conf", stdin="password\n")
    assert done.returncode in (1, 3) and "cannot be locked: Is a directory" in done.stderr


def test_revoking_what_is_not_there(server):
    """Of a user, and of nobody."""
    other = server()
    nobody = other.admin("revoke", "sip:dave@example.com")
    assert nobody.returncode == 1 and "there is no such user" in nobody.stderr and nobody.stdout == ""
    nothing = other.admin("revoke", "bob")
    assert (nothing.returncode, nothing.stderr) == (0, "")
    assert nothing.stdout == "there was nothing to revoke: the user has published no certificate\n"
    assert verb(other, "publish", "bob", "--new").returncode == 0
    assert other.admin("revoke", "bob").stdout == "revoked\n"


# --- users ---

def test_a_domain_that_nobody_serves(server):
    other = server("server.dns=127.0.0.1:9")
    done = verb(other, "certificate", "alice", "sip:bob@nowhere.invalid")
    assert done.returncode == 1 and "404" in done.stderr
    assert "does not serve that domain or address, or finds no address of the domain" in done.stderr


def test_a_certificate_without_a_CA_is_the_usual_case(server):
    other = server()
    assert verb(other, "publish", "bob", "--new").returncode == 0
    text = verb(other, "certificate", "alice", "sip:bob@example.com").stdout
    assert re.search(r"^  ca-validated no\n  self-signed  yes, as usual: the domain vouches for it", text, re.M)
    event = json.loads(verb(other, "certificate", "alice", "sip:bob@example.com", "--json").stdout)
    assert event["ca-validated"] is False and event["self-signed"] is True


def test_publishing_a_plain_key_says_where_it_is(server):
    """The server can read it, and nobody else has it."""
    other = server()
    text = verb(other, "publish", "bob", "--new").stdout
    assert "the server can read it: --passphrase-file FILE encrypts it" in text
    assert 'the key is nowhere else; "vouch credential" fetches it' in text
    phrase = other.directory / "phrase"
    phrase.write_text("a phrase\n")
    phrase.chmod(0o600)
    text = verb(other, "publish", "bob", "--new", "--passphrase-file", phrase).stdout
    assert "encrypted with the pass phrase" in text and "can read it" not in text


def test_what_openssl_makes_by_itself(server, tmp_path):
    """What the hint says is tried: it must be right."""
    other = server()
    key, certificate = tmp_path / "own.key", tmp_path / "own.crt"

    def openssl(*words):
        subprocess.run(["openssl", "req", "-x509", *words, "-newkey", "rsa:2048", "-nodes", "-keyout", key, "-out",
                        certificate, "-subj", "/CN=bob", "-addext", "subjectAltName=URI:sip:bob@example.com"],
                       check=True, capture_output=True, timeout=60)
        key.chmod(0o600)
        return verb(other, "publish", "bob", "--cert", certificate, "--key", key)

    refused = openssl()
    assert refused.returncode == 3 and "one of an authority (CA=TRUE)" in refused.stderr
    hint = re.search(r'make it with "openssl req -x509 (-addext \S+) \.\.\."', refused.stderr)
    assert openssl(*hint[1].split()).returncode == 0


def test_a_watch_says_when_it_is_subscribed_again(server):
    """The last line was "trying again", for days."""
    other = server()
    assert verb(other, "publish", "bob", "--new").returncode == 0
    process = program.Process("certificate", "-a", other.directory / "alice.account", "sip:bob@example.com", "--watch")
    try:
        program.until(lambda: process.out, 10, "the certificate")
        other.stop()
        program.until(lambda: "subscribing again" in process.log or "trying again" in process.log, 10, "the trouble")
        other.start()
        program.until(lambda: process.log.endswith("subscribed again\n"), 20, "the end of the trouble")
        assert process.log.count("subscribed again") == 1
    finally:
        process.kill()


def test_a_port_without_TLS(server, tmp_path):
    other = server("limits.first-message-timeout=1", "limits.message-timeout=1")
    account = tmp_path / "a.account"
    account.write_text((other.directory / "alice.account").read_text()
                       .replace(f":{other.port + 1}", f":{other.port}").replace("ca.crt", str(other.ca)))
    account.chmod(0o600)
    done = program.vouch("credential", "-a", account)
    assert done.returncode == 3 and "is that a port for TLS?" in done.stderr


def test_a_clock_that_is_wrong(stubs, domain, tmp_path):
    """A certificate of tomorrow is more often a clock of yesterday."""
    stub = stubs(lambda *_: None, tls=domain.files("tomorrow", "sip:example.com", since=86400, until=2 * 86400))
    account = tmp_path / "a.account"
    account.write_text(f"aor = sip:alice@example.com\npassword = x\nserver = tls:127.0.0.1:{stub.port}\nca = {domain.ca}\n")
    account.chmod(0o600)
    done = program.vouch("credential", "-a", account)
    assert done.returncode == 3 and "the peer's certificate is not valid yet; is the clock right?" in done.stderr


# --- the log ---

def events(server, name):
    """What the log has of an event: the values of each line."""
    lines = [line for line in server.process.log.splitlines() if f" event={name} " in line]
    return [dict(re.findall(r"(\S+?)=(\S+)", line)) for line in lines]


def test_changes_of_a_credential_by_name(server, net):
    """Numbers are for programs."""
    other = server("log.level=info", "credential.empty-publish=hybrid")
    user = other.user()
    owner = other.agent(net, user)
    pair = certs.pair(user.aor)
    published = owner.publish(*pair)
    assert owner.publish(headers={"SIP-If-Match": published.etag, "Expires": 3600}).code == 200
    assert owner.revoke().code == 200
    program.until(lambda: len(events(other, "cred_write")) == 3, 5, "the log")
    assert [one["effect"] for one in events(other, "cred_write")] == ["published", "refreshed", "revoked"]


def test_a_failing_disk_is_named(server, net):
    other = server()
    user = other.user()
    owner = other.agent(net, user)
    other.forbid_writing()
    assert owner.publish(*certs.pair(user.aor)).code in (500, 503)
    other.forbid_writing(False)
    program.until(lambda: events(other, "store_failed"), 5, "the log")
    assert "File\\x20too\\x20large" in {one["reason"] for one in events(other, "store_failed")}


def test_why_an_answer_to_a_challenge_does_not_count(server, net):
    """The phone is told the same in each case (G18); the administrator is not."""
    other = server()
    user = other.user()
    agent = other.agent(net, user)

    def answer(**options):
        request = agent.new("PUBLISH", user.sips, {"Event": "credential", "Expires": 0})
        return agent.exchange(agent.authorize(request, agent.pick(agent.exchange(request)), **options))

    cases = (({"password": "guess"}, user.name, "wrong_password"), ({"user": "nobody"}, "nobody", "unknown_user"),
             ({"user": f"{user.name}@example.com"}, f"{user.name}@example.com", "user_is_an_address"),
             ({"replace": {"qop": None, "nc": None, "cnonce": None}}, user.name, "no_qop"))
    for options, name, reason in cases:
        before = len(events(other, "chal_resp_failed"))
        assert answer(**options).code == 401
        program.until(lambda: len(events(other, "chal_resp_failed")) > before, 5, "the log")
        last = events(other, "chal_resp_failed")[-1]
        assert (last["user"], last["reason"]) == (name, reason)


def test_the_last_guess_is_told(server, net):
    """From there on the right password is refused, too."""
    other = server("digest.guesses=3")
    user = other.user()
    agent = other.agent(net, user)
    codes = []
    for _ in range(5):
        request = agent.new("PUBLISH", user.sips, {"Event": "credential", "Expires": 0})
        codes.append(agent.exchange(agent.authorize(request, agent.pick(agent.exchange(request)), password="guess")).code)
    assert codes == [401] * 3 + [503] * 2
    program.until(lambda: events(other, "guesses_spent"), 5, "the log")
    assert [one["user"] for one in events(other, "guesses_spent")] == [user.name]


def test_an_ACK_that_goes_nowhere_is_told(server, net):
    other = server()
    agent = other.agent(net, transport="udp")
    call = token()
    agent.peer.send(agent.new("ACK", "sip:carol@192.0.2.77", {"Call-ID": call}).encode())
    program.until(lambda: events(other, "ack_dropped"), 5, "the log")
    assert events(other, "ack_dropped")[0]["call_id"] == call
