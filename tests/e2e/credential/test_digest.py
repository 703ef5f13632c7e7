"""Digest authentication (rows DIG), as seen at the server: most of it with requests of the credential service."""

import pytest
from peer import certs, digest

CREDENTIAL = {"Event": "credential"}


def test_DIG_01_DIG_03_DIG_04_DIG_06_challenge(owner):
    refused = owner.exchange(owner.new("PUBLISH", owner.sips, CREDENTIAL))
    assert refused.code == 401 and not refused.all("Proxy-Authenticate")
    offered = digest.challenges(refused)
    assert [c["algorithm"] for c in offered] == ["SHA-256"]  # DIG-12
    for challenge in offered:
        assert challenge["realm"] == "credential.example.com"
        assert "auth" in [value.strip() for value in challenge["qop"].split(",")]
        assert challenge.get("stale", "false").lower() == "false"
    assert len({challenge["nonce"] for challenge in offered + [owner.challenge()]}) > 1


@pytest.mark.parametrize("qop", ["auth", "auth-int"])
def test_DIG_04_qop(owner, pair, qop):
    """The body of a PUBLISH had better be part of the proof."""
    owner.qop = qop
    assert owner.challenge()["qop"] == "auth-int,auth"
    assert owner.publish(*pair).code == 200
    assert owner.fetch_credential() == pair
    refused = owner.exchange(owner.new("SUBSCRIBE", owner.sips, CREDENTIAL))
    assert owner.pick(refused)["qop"] == "auth,auth-int"


@pytest.mark.parametrize("options, algorithms", [
    ([], ["MD5"]), (["sha-256=on"], ["MD5", "SHA-256"]), (["sha-256=on", "prefer=sha-256"], ["SHA-256", "MD5"]),
    (["prefer=sha-256"], ["MD5"]), (["sha-256=on", "md5=off"], ["SHA-256"])])
def test_DIG_03_DIG_06_DIG_12_one_password_and_two_realms(server, net, options, algorithms):
    """What digest.* switches off is off for registrar and proxy; the credential service has SHA-256 in any case."""
    other = server(*(f"digest.{option}" for option in options))
    owner = other.agent(net, other.user())
    register = owner.new("REGISTER", "sip:example.com", {"To": f"<{owner.aor}>"})
    refused = owner.exchange(register)
    assert [(c["algorithm"], c["realm"]) for c in digest.challenges(refused)] == [(name, "example.com") for name in algorithms]
    for challenge in digest.challenges(refused):
        assert owner.exchange(owner.authorize(register, challenge)).code == 200
    assert owner.revoke().code == 200
    message = owner.exchange(owner.new("MESSAGE", "sip:nobody@example.com"))
    assert [(c["algorithm"], c["realm"]) for c in digest.challenges(message)] == [(name, "example.com") for name in algorithms]


def test_DIG_12_only_its_realm_and_sha_256(owner, lab, net, user):
    """Whatever another service asks for, or MD5 with the right realm, opens nothing here."""
    refused = owner.exchange(owner.new("REGISTER", "sip:example.com", {"To": f"<{owner.aor}>"}))
    own = owner.challenge()
    request = owner.new("PUBLISH", owner.sips, {**CREDENTIAL, "Expires": 0})
    for challenge in digest.challenges(refused):
        for realm in ("example.com", "credential.example.com"):
            for nonce in (challenge["nonce"], own["nonce"]):
                attempt = {**challenge, "realm": realm, "nonce": nonce}
                if (realm, nonce, challenge["algorithm"]) != ("credential.example.com", own["nonce"], "SHA-256"):
                    assert owner.exchange(owner.authorize(request, attempt, nc=5)).code == 401, attempt
    assert owner.exchange(owner.authorize(request, own, nc=6)).code == 200


@pytest.mark.parametrize("transport", ["udp", "tcp", "tls"])
def test_digest_insecure_off(server, net, transport):
    """The same password guards keys: it can be kept off the wires that others read. Strangers call as before."""
    other = server("digest.insecure=off", "identity.sign=off")
    agent = other.agent(net, other.user(), transport)
    agent.peer.answer = 200
    register = agent.new("REGISTER", "sip:example.com", {"To": f"<{agent.aor}>"})
    message = agent.new("MESSAGE", "sip:nobody@example.com")
    code, phrase = (401, "Unauthorized") if transport == "tls" else (403, "TLS Required")
    answer = agent.exchange(register)
    assert (answer.code, answer.reason) == (code, phrase)
    answer = agent.exchange(message)
    assert (answer.code, answer.reason) == ((407, "Proxy Authentication Required") if transport == "tls" else (403, phrase))
    assert transport == "tls" or not answer.all("Proxy-Authenticate")
    stranger = agent.exchange(agent.new("MESSAGE", agent.aor, {"From": "<sip:eve@example.org>;tag=1"}))
    assert stranger.code == 480
    if transport == "udp":  # the proof of an address needs no password, and takes none
        for user, password, expected in (("anonymous", "", 200), (agent.user, agent.password, 401), (agent.user, "wrong", 401)):
            watch = agent.new("SUBSCRIBE", agent.aor, {"Event": "certificate", "Expires": 0})
            challenge = agent.pick(agent.exchange(watch))
            answer = agent.exchange(agent.authorize(watch, challenge, user=user, password=password))
            assert answer.code == expected, user


def test_DIG_04_auth_int_covers_the_body(owner, pair):
    request = owner.new("PUBLISH", owner.sips, {**CREDENTIAL, "Content-Type": "application/pkix-cert"}, pair[0])
    signed = owner.authorize(request, owner.challenge(), qop="auth-int")
    signed.body = certs.certificate(owner.aor, key=certs.rsa_key(1))
    assert owner.exchange(signed).code == 401
    assert owner.fetch_credential() == (b"", None)


def test_DIG_02_no_basic(owner):
    refused = owner.exchange(owner.new("PUBLISH", owner.sips, {**CREDENTIAL, "Authorization": "Basic YTpi"}))
    assert refused.code == 401
    assert all(value.startswith("Digest ") for value in refused.all("WWW-Authenticate"))


def test_DIG_05_replay_is_refused(owner, pair, other_pair):
    challenge = owner.challenge()
    fields = {**CREDENTIAL, "Content-Type": "application/pkix-cert"}
    first = owner.authorize(owner.new("PUBLISH", owner.sips, fields, pair[0]), challenge, nc=1)
    assert owner.exchange(first).code == 200
    assert owner.exchange(owner.authorize(owner.new("PUBLISH", owner.sips, fields, other_pair[0]), challenge,
                                          nc=2)).code == 200
    replay = first.copy().set("Via", owner.peer.via())
    assert owner.exchange(replay).code == 401
    assert owner.exchange(replay.copy().set("Via", owner.peer.via()).set("Call-ID", "other")).code == 401
    assert owner.fetch_credential() == (other_pair[0], None)


def test_DIG_05_count_may_skip(owner):
    challenge = owner.challenge()
    for count in (1, 5, 6):
        request = owner.authorize(owner.new("PUBLISH", owner.sips, {**CREDENTIAL, "Expires": 0}), challenge, nc=count)
        assert owner.exchange(request).code == 200


def test_DIG_05_expired_nonce_is_stale(server, net):
    other = server("digest.nonce-lifetime=1")
    owner = other.agent(net, other.user())
    request = owner.new("PUBLISH", owner.sips, {**CREDENTIAL, "Expires": 0})
    challenge = owner.challenge()
    net.idle(2.2)
    refused = owner.exchange(owner.authorize(request, challenge))
    assert refused.code == 401 and owner.pick(refused)["stale"].lower() == "true"
    wrong = owner.exchange(owner.authorize(request, challenge, password="wrong"))
    assert wrong.code == 401 and owner.pick(wrong).get("stale", "false").lower() == "false"
    assert owner.exchange(owner.authorize(request, owner.pick(refused))).code == 200


def test_DIG_05_nonce_of_another_server(owner, plain, net):
    foreign = plain.agent(net, plain.lab_user("alice")).challenge()
    request = owner.new("PUBLISH", owner.sips, {**CREDENTIAL, "Expires": 0})
    assert owner.exchange(owner.authorize(request, foreign)).code == 401
    assert owner.exchange(owner.authorize(request, {**foreign, "nonce": "0123456789abcdef"})).code == 401


@pytest.mark.parametrize("change", [
    {"response": "0" * 64}, {"uri": "sips:bob@example.com"}, {"realm": "other.example"}, {"nc": "00000002"},
    {"cnonce": None}, {"qop": None, "nc": None, "cnonce": None}, {"nc": None}, {"algorithm": "MD5"},
], ids=lambda change: ",".join(change))
def test_DIG_04_damaged_credentials(owner, change):
    request = owner.new("PUBLISH", owner.sips, {**CREDENTIAL, "Expires": 0})
    assert owner.exchange(owner.authorize(request, owner.challenge(), replace=change)).code in (400, 401)
    assert owner.revoke().code == 200


def test_DIG_04_credentials_for_another_uri(owner, user):
    request = owner.new("PUBLISH", user.sips, {**CREDENTIAL, "Expires": 0})
    assert owner.exchange(owner.authorize(request, owner.challenge(), uri="sips:bob@example.com")).code in (400, 401)


def test_DIG_04_credentials_twice(owner):
    request = owner.authorize(owner.new("PUBLISH", owner.sips, {**CREDENTIAL, "Expires": 0}), owner.challenge())
    value = request.get("Authorization")
    assert owner.exchange(request.copy().add("Authorization", value)).code == 400
    again = owner.authorize(owner.new("PUBLISH", owner.sips, {**CREDENTIAL, "Expires": 0}), owner.challenge())
    again.set("Authorization", again.get("Authorization") + f', username="{owner.user}"')
    assert owner.exchange(again).code == 400


def test_DIG_05_credentials_of_another_method(owner, user):
    challenge = owner.challenge()
    for_publish = owner.authorize(owner.new("PUBLISH", user.sips, {**CREDENTIAL, "Expires": 0}), challenge)
    request = owner.new("SUBSCRIBE", user.sips, {**CREDENTIAL, "Authorization": for_publish.get("Authorization")})
    assert owner.exchange(request).code == 401


def test_T_46_unknown_user_is_challenged_alike(owner, user):
    known = owner.exchange(owner.new("PUBLISH", user.sips, CREDENTIAL))
    unknown = owner.exchange(owner.new("PUBLISH", "sips:nobody@example.com", CREDENTIAL))
    assert (known.start, [n for n, _ in known.headers]) == (unknown.start, [n for n, _ in unknown.headers])
    guess = owner.authorize(owner.new("PUBLISH", user.sips, CREDENTIAL), owner.challenge(), password="wrong")
    wrong_password = owner.exchange(guess)
    guess = owner.authorize(owner.new("PUBLISH", user.sips, CREDENTIAL), owner.challenge(), user="nobody")
    wrong_user = owner.exchange(guess)
    assert wrong_password.code == 401
    assert (wrong_password.start, [n for n, _ in wrong_password.headers]) == \
        (wrong_user.start, [n for n, _ in wrong_user.headers])


@pytest.mark.parametrize("transport", ["udp", "tcp", "tls"])
def test_DIG_09_cancel_is_never_challenged(lab, net, user, transport):
    agent = lab.agent(net, transport=transport)
    cancel = agent.new("CANCEL", user.sips if transport == "tls" else user.aor, {"CSeq": "1 CANCEL"})
    assert agent.exchange(cancel).code == 481
