"""The event package "credential" (rows CRD)."""

import pytest
from peer import certs, digest, multipart
from peer.sipclient import Timeout, UdpPeer, addr_spec, certificate_of, credential_of, tag

CREDENTIAL = {"Event": "credential"}


def active(notify, pair):
    return notify.state[0] == "active" and credential_of(notify) == pair


def deactivated(notify):
    return notify.state == ("terminated", {"reason": "deactivated"}) and credential_of(notify) == (b"", None)


def test_CRD_01_event_token_is_case_sensitive(owner):
    assert active(owner.subscribe(event="credential").notify, (b"", None))
    refused = owner.try_subscribe(owner.sips, event="Credential")
    assert refused.code == 489
    assert sorted(refused.values("Allow-Events")) == ["certificate", "credential"]


def test_CRD_02_etag_is_usable_as_sip_if_match(owner, pair):
    subscription = owner.subscribe(event="credential")
    assert "etag" not in subscription.notify.event[1]
    etag = owner.publish(*pair).etag
    assert subscription.next().event[1]["etag"] == etag
    assert owner.publish(*pair, headers={"SIP-If-Match": etag + "x"}).code == 412
    updated = owner.publish(*pair, headers={"SIP-If-Match": etag})
    assert updated.code == 200 and updated.etag != etag
    assert owner.subscribe(event="credential;etag=zz").notify.event == ("credential", {"etag": updated.etag})


def test_CRD_03_subscribe_bodies(owner):
    text = {"Content-Type": "text/plain"}
    refused = owner.try_subscribe(owner.sips, "credential", headers=text, body=b"hello")
    assert refused.code == 415 and "text/plain" not in refused.one("Accept")
    optional = {**text, "Content-Disposition": "render;handling=optional"}
    assert active(owner.subscribe(event="credential", headers=optional, body=b"hello").notify, (b"", None))


@pytest.mark.parametrize("asked, granted", [(None, 86400), (1209600, 604800), (3600, 3600), (0, 0)])
def test_CRD_04_duration(owner, pair, asked, granted):
    owner.publish(*pair)
    subscription = owner.subscribe(event="credential", expires=asked)
    assert subscription.response.expires == granted
    if granted:
        assert granted - 2 <= int(subscription.notify.state[1]["expires"]) <= granted


def test_CRD_06_CRD_07_CRD_09_CRD_10_body_of_notify(owner, pair):
    owner.publish(*pair)
    notify = owner.subscribe(event="credential").notify
    assert notify.one("Content-Disposition").partition(";")[0] == "signal"
    certificate, key = multipart.parse(notify.one("Content-Type"), notify.body)
    assert (certificate.type, certificate.body) == ("application/pkix-cert", pair[0])
    assert (key.type, key.body) == ("application/pkcs8", pair[1])
    for part in (certificate, key):
        assert part.headers["content-transfer-encoding"].lower() == "binary"
    assert certs.same_key(certs.load_key(key.body), certs.rsa_key())


def test_CRD_08_accept(owner, pair):
    owner.publish(*pair)
    for accept in ("application/pkix-cert", "application/pkix-cert, application/pkcs8", "text/*"):
        assert owner.try_subscribe(owner.sips, "credential", headers={"Accept": accept}).code == 406
    for accept in ("multipart/mixed", "multipart/*", "*/*", "application/pkix-cert, multipart/mixed"):
        assert active(owner.subscribe(event="credential", headers={"Accept": accept}).notify, pair)


def test_CRD_11_nothing_leaves_once_the_connection_is_gone(lab, net, owner, user, pair, other_pair):
    owner.publish(*pair)
    listening = UdpPeer(net, ("127.0.0.1", lab.port))
    device = lab.agent(net, user)
    contact = {"Contact": f"<sips:{user.name}@{listening.address}>"}
    subscription = device.subscribe(event="credential", headers=contact)
    assert subscription.notify.peer.transport == "TLS" and active(subscription.notify, pair)
    device.peer.close()
    assert owner.publish(*other_pair).code == 200
    net.idle(1)
    assert not listening.datagrams and not listening.streams


def test_CRD_11_notify_follows_the_latest_refresh(lab, net, owner, user, pair):
    first, second = lab.agent(net, user), lab.agent(net, user)
    subscription = first.subscribe(event="credential")
    subscription.agent = second
    assert subscription.refresh().code == 200
    assert subscription.next().peer is second.peer
    first.peer.close()
    owner.publish(*pair)
    assert active(subscription.next(), pair) and subscription.notify.peer is second.peer


@pytest.mark.parametrize("transport", ["udp", "tcp"])
@pytest.mark.parametrize("method", ["SUBSCRIBE", "PUBLISH"])
def test_CRD_12_without_TLS_no_challenge(lab, net, user, transport, method):
    agent = lab.agent(net, user, transport)
    for uri in (user.aor, "sip:nobody@example.com"):
        refused = agent.call(method, uri, CREDENTIAL)
        assert (refused.code, refused.reason) == (403, "TLS Required")
        assert not refused.all("WWW-Authenticate") and not refused.all("Proxy-Authenticate")


def test_CRD_13_every_subscribe_is_challenged(lab, net, owner, user, pair):
    anonymous = lab.agent(net)
    refused = anonymous.try_subscribe(user.sips, "credential")
    assert refused.code == 401 and digest.challenges(refused)
    subscription = owner.subscribe(event="credential")
    assert owner.exchange(subscription.again()).code == 401
    assert subscription.refresh().code == 200
    assert active(subscription.next(), (b"", None))
    owner.publish(*pair)
    assert active(subscription.next(), pair)


def test_CRD_14_EVT_09_only_the_owner(lab, net, owner, user, pair):
    owner.publish(*pair)
    stranger = lab.agent(net, lab.user())
    for uri in (user.sips, user.aor, f"sips:%{ord(user.name[0]):02x}{user.name[1:]}@example.com",
                "sips:nobody@example.com"):
        assert stranger.try_subscribe(uri, "credential").code == 403
    with pytest.raises(Timeout):
        stranger.peer.take(lambda message: message.method == "NOTIFY", 0.5)


def test_CRD_14_wrong_password(lab, net, user):
    thief = lab.agent(net, user)
    thief.password = "guess"
    assert thief.try_subscribe(user.sips, "credential").code == 401


def test_CRD_15_administrator_caps_the_duration(server, net):
    other = server("credential.max-expires=600", "credential.default-expires=500")
    agent = other.agent(net, other.user())
    for asked, granted in ((3600, 600), (300, 300), (None, 500)):
        assert agent.subscribe(event="credential", expires=asked).response.expires == granted


@pytest.mark.slow
def test_CRD_16_CRD_17_subscription_ends_with_the_certificate(quick, net):
    user = quick.user()
    owner = quick.agent(net, user)
    owner.publish(*certs.pair(user.aor, until=4))
    subscription = owner.subscribe(event="credential", expires=3600)
    granted = subscription.response.expires
    assert 1 <= granted <= 4
    assert int(subscription.notify.state[1]["expires"]) <= granted
    notify = subscription.next(timeout=6)
    assert notify.state == ("terminated", {"reason": "timeout"})
    assert notify.time - subscription.response.time <= 5
    assert credential_of(owner.subscribe(event="credential").notify) == (b"", None)


def test_CRD_18_shorter_certificate_shortens_the_subscription(owner, user, pair):
    owner.publish(*pair)
    subscription = owner.subscribe(event="credential", expires=3600)
    brief = certs.pair(user.aor, until=200)
    assert owner.publish(*brief).code == 200
    assert active(subscription.next(), brief)
    assert 190 <= int(subscription.notify.state[1]["expires"]) <= 200
    assert subscription.refresh(3600).expires <= 200
    assert int(subscription.next().state[1]["expires"]) <= 200


def test_CRD_19_CRD_20_first_notify_is_immediate_and_signed(owner, pair, judge):
    owner.publish(*pair)
    subscription = owner.subscribe(event="credential")
    notify = subscription.notify
    assert notify.time - subscription.response.time < 1
    assert active(notify, pair)
    assert addr_spec(notify.one("From"))[0] == owner.sips
    assert tag(notify.one("From")) == tag(subscription.response.one("To"))
    judge.check(notify)


def test_CRD_21_CRD_22_revocation_terminates_every_subscription(lab, net, owner, user, pair, other_pair, judge):
    owner.publish(*pair)
    devices = [lab.agent(net, user).subscribe(event="credential") for _ in range(2)]
    devices.append(owner.subscribe(event="credential"))
    revoked = owner.revoke()
    for device in devices:
        assert deactivated(device.next())
        assert device.notify.one("Content-Length") == "0"
        assert device.notify.time - revoked.time < 1
        judge.check(device.notify)
    owner.publish(*other_pair)
    devices[0].silent()
    assert owner.exchange(devices[2].again()).code in (401, 481)
    assert devices[1].refresh().code == 481


def test_CRD_23_revocation_makes_old_nonces_stale(lab, net, owner, user, pair):
    owner.publish(*pair)
    device = lab.agent(net, user)
    request, response = device.run(device.new("SUBSCRIBE", user.sips, {**CREDENTIAL, "Expires": 3600}))
    assert response.code == 200
    _, used = digest.parse(request.get("Authorization"))
    again = device.new("SUBSCRIBE", user.sips, {**CREDENTIAL, "Expires": 3600})
    again = device.authorize(again, {"nonce": used["nonce"], "realm": used["realm"], "algorithm": "SHA-256"}, nc=2)
    assert device.exchange(again).code == 200
    assert owner.revoke().code == 200
    late = device.new("SUBSCRIBE", user.sips, {**CREDENTIAL, "Expires": 3600})
    late = device.authorize(late, {"nonce": used["nonce"], "realm": used["realm"], "algorithm": "SHA-256"}, nc=3)
    refused = device.exchange(late)
    assert refused.code == 401
    assert device.pick(refused)["stale"].lower() == "true"
    assert device.run(late.set("Via", device.peer.via()).set("CSeq", "9 SUBSCRIBE"))[1].code == 200


def test_CRD_24_new_password_deactivates(lab, owner, user, pair):
    owner.publish(*pair)
    subscription = owner.subscribe(event="credential")
    assert lab.admin("user", "passwd", user.aor, stdin="fresh secret\n").returncode == 0
    assert deactivated(subscription.next())
    assert owner.try_subscribe(user.sips, "credential").code == 401
    owner.password = "fresh secret"
    assert owner.fetch_credential() == pair


def test_CRD_24_T_48_deletion_of_the_user_deactivates(lab, owner, user, pair):
    owner.publish(*pair)
    subscription = owner.subscribe(event="credential")
    assert lab.admin("user", "del", user.aor).returncode == 0
    assert deactivated(subscription.next())
    assert owner.try_subscribe(user.sips, "credential").code == 401


def test_CRD_25_second_device_gets_the_new_pair(lab, net, owner, user, pair, other_pair, judge):
    owner.publish(*pair)
    device = lab.agent(net, user).subscribe(event="credential")
    assert owner.publish(*other_pair).code == 200
    assert active(device.next(), other_pair)
    judge.check(device.notify)


def test_CRD_26_no_credential(owner):
    notify = owner.subscribe(event="credential").notify
    assert active(notify, (b"", None)) and notify.one("Content-Length") == "0"


def test_CRD_27_PUB_13_certificate_only(owner, pair, other_pair):
    owner.publish(*pair)
    subscription = owner.subscribe(event="credential")
    assert owner.publish(other_pair[0]).code == 200
    assert active(subscription.next(), (other_pair[0], None))
    assert owner.fetch_credential() == (other_pair[0], None)


def test_CRD_28_no_forks(owner):
    challenge = owner.challenge()
    request = owner.authorize(owner.new("SUBSCRIBE", owner.sips, {**CREDENTIAL, "Expires": 3600}), challenge)
    fork = request.copy().set("Via", owner.peer.via())
    owner.peer.send(request.encode() + fork.encode())
    assert owner.final(request).code == 200
    assert owner.final(fork).code in (401, 482)
    owner.net.idle(0.5)
    notifies = [message for message in owner.peer.inbox if message.method == "NOTIFY"]
    assert len(notifies) == 1


@pytest.mark.slow
def test_CRD_29_changes_are_coalesced(paced, net):
    user = paced.user()
    owner, device = paced.agent(net, user), paced.agent(net, user)
    pairs = [certs.pair(user.aor, n % 2) for n in range(3)]
    subscription = device.subscribe(event="credential")
    for pair in pairs:
        assert owner.publish(*pair).code == 200
    first = subscription.next(timeout=1)
    assert active(first, pairs[0])
    second = subscription.next(timeout=4)
    assert active(second, pairs[2])
    assert 1.8 <= second.time - first.time <= 3.5
    owner.publish(*pairs[0])
    assert owner.revoke().code == 200
    assert deactivated(subscription.next(timeout=1))
    subscription.silent(2.3)


def test_CRD_30_state_agent_answers_without_registration(lab, net, owner, user, pair):
    owner.publish(*pair)
    owner.peer.close()
    assert lab.agent(net, user).fetch_credential() == pair


def test_CRD_31_no_event_lists(owner):
    refused = owner.try_subscribe(owner.sips, "credential", headers={"Require": "eventlist"})
    assert refused.code == 420 and refused.values("Unsupported") == ["eventlist"]


@pytest.mark.parametrize("status", [437, 500])
def test_CRD_33_answer_437_keeps_the_subscription(lab, net, owner, user, pair, other_pair, status):
    owner.publish(*pair)
    device = lab.agent(net, user)
    device.peer.answer = status
    subscription = device.subscribe(event="credential")
    owner.publish(*other_pair)
    assert active(subscription.next(), other_pair)


@pytest.mark.parametrize("method", ["SUBSCRIBE", "PUBLISH"])
@pytest.mark.parametrize("header", [("Via", "SIP/2.0/TLS relay.example.com;branch=z9hG4bKrelay"),
                                    ("Record-Route", "<sips:relay.example.com;lr>")])
def test_CRD_34_relayed_requests_are_refused(owner, method, header):
    request = owner.new(method, owner.sips, CREDENTIAL)
    owner.send(request.add(*header))
    refused = owner.final(request)
    assert (refused.code, refused.reason) == (403, "Direct TLS Connection Required")
    assert not refused.all("WWW-Authenticate")


def test_CRD_34_credential_direct_off(server, net):
    other = server("credential.direct=off")
    owner = other.agent(net, other.user())
    request = owner.new("SUBSCRIBE", owner.sips, {**CREDENTIAL, "Expires": 0})
    request.add("Via", "SIP/2.0/TLS relay.example.com;branch=z9hG4bKrelay")
    first = owner.exchange(request)
    assert first.code == 401
    assert owner.exchange(owner.authorize(request, owner.pick(first))).code == 200


def test_SEC_09_credential_for_another_to_is_refused(owner, pair):
    owner.publish(*pair)
    refused = owner.try_subscribe(owner.sips, "credential", headers={"To": "<sips:bob@example.com>"})
    assert refused.code == 403
    with pytest.raises(Timeout):
        owner.peer.take(lambda message: message.method == "NOTIFY", 0.5)


def test_SEC_15_key_stays_out_of_certificate_notifies(owner, watcher, user, pair):
    subscription = watcher.subscribe(user.aor)
    owner.publish(*pair)
    notify = subscription.next()
    assert certificate_of(notify) == pair[0]
    assert pair[1][-200:] not in notify.raw


def test_T_29_sip_and_sips_are_one_address(owner, user, pair):
    owner.publish(*pair, uri=user.aor)
    assert credential_of(owner.subscribe(user.sips, "credential", expires=0).notify) == pair
    assert credential_of(owner.subscribe(user.aor, "credential", expires=0).notify) == pair
    assert certificate_of(owner.subscribe(user.sips, expires=0).notify) == pair[0]


def test_CRD_25_change_of_one_user_is_not_seen_by_another(lab, net, owner, pair):
    second = lab.user()
    other = lab.agent(net, second)
    theirs = certs.pair(second.aor, 1)
    mine = owner.subscribe(event="credential")
    owner.publish(*pair)
    assert active(mine.next(), pair)
    assert other.publish(*theirs).code == 200
    mine.silent(0.5)
    assert owner.fetch_credential() == pair and other.fetch_credential() == theirs
