"""Digest authentication (rows DIG), as seen at the server: most of it with requests of the credential service."""

import pytest
from peer import certs, digest

CREDENTIAL = {"Event": "credential"}


def test_DIG_01_DIG_03_DIG_04_DIG_06_challenge(owner):
    refused = owner.exchange(owner.new("PUBLISH", owner.sips, CREDENTIAL))
    assert refused.code == 401 and not refused.all("Proxy-Authenticate")
    offered = digest.challenges(refused)
    assert [c["algorithm"] for c in offered] == ["SHA-256", "MD5"]
    for challenge in offered:
        assert challenge["realm"] == "example.com"
        assert "auth" in [value.strip() for value in challenge["qop"].split(",")]
        assert challenge.get("stale", "false").lower() == "false"
    assert len({challenge["nonce"] for challenge in offered + [owner.challenge()]}) > 1


@pytest.mark.parametrize("algorithm", ["SHA-256", "MD5"])
@pytest.mark.parametrize("qop", ["auth", "auth-int"])
def test_DIG_06_algorithms_and_qop(owner, pair, algorithm, qop):
    owner.algorithm, owner.qop = algorithm, qop
    offered = owner.challenge()["qop"]
    if qop == "auth-int" and qop not in offered:
        pytest.skip("auth-int is optional and not offered")
    assert owner.publish(*pair).code == 200
    assert owner.fetch_credential() == pair


def test_DIG_06_md5_off(server, net):
    other = server("digest.md5=off")
    owner = other.agent(net, other.user())
    refused = owner.exchange(owner.new("PUBLISH", owner.sips, CREDENTIAL))
    assert [c["algorithm"] for c in digest.challenges(refused)] == ["SHA-256"]
    assert owner.revoke().code == 200


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
