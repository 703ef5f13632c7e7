"""The event package "certificate" (rows CRT)."""

import pytest
from peer import certs
from peer.sipclient import Timeout, addr_spec, certificate_of, tag

LARGE = 1300


def active(notify, body):
    """The NOTIFY of a living subscription with this body."""
    return notify.state[0] == "active" and certificate_of(notify) == body


def test_CRT_01_event_token_is_case_sensitive(watcher):
    assert active(watcher.subscribe("sip:nobody@example.com").notify, b"")
    refused = watcher.try_subscribe("sip:nobody@example.com", event="Certificate")
    assert refused.code == 489
    assert sorted(refused.values("Allow-Events")) == ["certificate", "credential"]


def test_CRT_02_etag_parameter_is_the_current_etag(owner, watcher, user):
    empty = watcher.subscribe(user.aor)
    assert "etag" not in empty.notify.event[1]
    etag = owner.publish(certs.certificate(user.aor)).etag
    assert empty.next().event[1]["etag"] == etag
    assert watcher.subscribe(user.aor).notify.event[1]["etag"] == etag
    own = owner.subscribe(event="credential")
    assert own.notify.event[1]["etag"] == etag
    newer = owner.publish(certs.certificate(user.aor, key=certs.rsa_key(1))).etag
    assert newer != etag and empty.next().event[1]["etag"] == newer and own.next().event[1]["etag"] == newer
    owner.revoke()
    assert "etag" not in empty.next().event[1]


def test_CRT_02_event_etag_off(server, net):
    other = server("notify.event-etag=off")
    user = other.user()
    owner = other.agent(net, user)
    owner.publish(certs.certificate(user.aor))
    assert owner.subscribe(user.aor).notify.event == ("certificate", {})


@pytest.mark.parametrize("event", ["certificate;etag=zz", "certificate;foo=zz"])
def test_CRT_03_event_parameters_of_subscribe_are_ignored(watcher, user, event):
    subscription = watcher.subscribe(user.aor, event=event)
    assert b"zz" not in subscription.notify.raw.partition(b"\r\nEvent:")[2].partition(b"\r\n")[0]
    assert "foo" not in subscription.notify.event[1]
    assert subscription.refresh(headers={"Event": "certificate"}).code == 200
    assert active(subscription.next(), b"")
    assert subscription.refresh(headers={"Event": "certificate;etag=another"}).code == 200
    assert active(subscription.next(), b"")


def test_CRT_04_subscribe_bodies(watcher, user):
    text = {"Content-Type": "text/plain"}
    refused = watcher.try_subscribe(user.aor, headers=text, body=b"hello")
    assert refused.code == 415
    assert "text/plain" not in refused.one("Accept")
    optional = watcher.subscribe(user.aor, headers={**text, "Content-Disposition": "render;handling=optional"},
                                 body=b"hello")
    assert active(optional.notify, b"")
    assert active(watcher.subscribe(user.aor, headers=text).notify, b"")


@pytest.mark.parametrize("asked, granted", [(None, 86400), (604800, 604800), (86400, 86400), (61, 61), (0, 0)])
def test_CRT_05_duration(watcher, user, asked, granted):
    subscription = watcher.subscribe(user.aor, expires=asked)
    assert subscription.response.expires == granted
    if granted:
        assert granted - 2 <= int(subscription.notify.state[1]["expires"]) <= granted


def test_CRT_05_configured_default(server, net):
    watcher = server("certificate.default-expires=7200").agent(net)
    assert watcher.subscribe("sip:alice@example.com", expires=None).response.expires == 7200


def test_CRT_06_administrator_caps_the_duration(server, net):
    watcher = server("certificate.max-expires=600").agent(net)
    for asked, granted in ((3600, 600), (300, 300), (None, 600)):
        assert watcher.subscribe("sip:alice@example.com", expires=asked).response.expires == granted


@pytest.mark.slow
def test_CRT_07_CRT_25_validity_ends_the_certificate_but_not_the_subscription(quick, net):
    user = quick.user()
    owner, watcher = quick.agent(net, user), quick.agent(net, transport="tcp")
    brief = certs.certificate(user.aor, until=3)
    assert owner.publish(brief).code == 200
    subscription = watcher.subscribe(user.aor, expires=3600)
    assert subscription.response.expires == 3600
    assert active(subscription.notify, brief)
    assert active(subscription.next(timeout=6), b"")
    assert watcher.fetch(user.aor) == b""
    assert int(subscription.notify.state[1]["expires"]) > 3500
    lasting = certs.certificate(user.aor)
    assert owner.publish(lasting).code == 200
    assert active(subscription.next(), lasting)


def test_CRT_09_probation(server, net):
    other = server("certificate.anonymous=probation", "notify.interval=0")
    user = other.user()
    owner, watcher = other.agent(net, user), other.agent(net, transport="tcp")
    body = certs.certificate(user.aor)
    assert owner.publish(body).code == 200
    subscription = watcher.subscribe(user.aor, expires=3600)
    assert subscription.response.expires == 0
    assert certificate_of(subscription.notify) == body
    state, rest = subscription.notify.state
    assert (state, rest["reason"]) == ("terminated", "probation")
    assert 0 < int(rest["retry-after"]) <= 86400
    assert owner.publish(certs.certificate(user.aor)).code == 200
    subscription.silent()


def test_CRT_10_CRT_11_body_is_the_published_certificate(owner, watcher, user, judge):
    body = certs.certificate(user.aor, "sip:also@example.com")
    empty = watcher.subscribe(user.aor)
    assert empty.notify.one("Content-Length") == "0"
    assert not empty.notify.all("Content-Type")
    assert owner.publish(body).code == 200
    for notify in (empty.next(), watcher.subscribe(user.aor, expires=0).notify):
        assert notify.body == body
        assert notify.one("Content-Type") == "application/pkix-cert"
        assert notify.one("Content-Disposition").partition(";")[0] == "signal"
        judge.check(notify)


@pytest.mark.parametrize("accept", [None, "application/pkix-cert", "application/*", "*/*", "text/plain, */*;q=0.5",
                                    "application/pkcs8, Application/PKIX-Cert"])
def test_CRT_12_accept_that_fits(owner, watcher, user, accept):
    body = certs.certificate(user.aor)
    owner.publish(body)
    assert certificate_of(watcher.subscribe(user.aor, headers={"Accept": accept}).notify) == body


def test_CRT_12_accept_that_does_not_fit(watcher, user):
    for accept in ("text/plain", "application/pkix", "multipart/mixed, text/*"):
        assert watcher.try_subscribe(user.aor, headers={"Accept": accept}).code == 406
    watcher.net.idle(0.3)
    assert not watcher.peer.inbox


def test_CRT_13_large_notify_goes_over_tcp(lab, net, owner, user, judge):
    watcher = lab.agent(net, transport="udp")
    body = certs.certificate(user.aor)
    assert owner.publish(body).code == 200
    subscription = watcher.subscribe(user.aor)
    notify = subscription.notify
    assert len(notify.raw) > LARGE and certificate_of(notify) == body
    assert notify.peer.transport == "TCP" and notify.one("Via").split()[0] == "SIP/2.0/TCP"
    judge.check(notify)
    net.idle(0.7)
    assert not [datagram for datagram in watcher.peer.datagrams if datagram.startswith(b"NOTIFY")]
    owner.publish(certs.certificate(user.aor, key=certs.rsa_key(1)))
    assert subscription.next().peer.transport == "TCP"


def test_CRT_13_no_datagram_is_larger_than_1300_octets(lab, net):
    watcher = lab.agent(net, transport="udp")
    assert certificate_of(watcher.subscribe("sip:nobody@example.com").notify) == b""
    assert max(map(len, watcher.peer.datagrams)) <= LARGE


def test_CRT_22_retransmitted_subscribe_gets_the_same_response(lab, net, user):
    """RFC 3261 section 17.2.2: the transaction answers again, and there is one subscription."""
    watcher = lab.agent(net, transport="udp")
    request = watcher.new("SUBSCRIBE", user.aor, {"Event": "certificate"})
    request = watcher.authorize(request, watcher.pick(watcher.exchange(request)), user="anonymous", password="")
    for _ in range(2):
        watcher.send(request)
        assert watcher.final(request).code == 200
    net.idle(0.3)
    responses = [data for data in watcher.peer.datagrams if data.startswith(b"SIP/2.0 200")]
    assert len(responses) == 2 and responses[0] == responses[1]
    assert len([message for message in watcher.peer.inbox if message.method == "NOTIFY"]) == 1


@pytest.mark.parametrize("transport", ["udp", "tcp", "tls"])
def test_CRT_14_SEC_12_anybody_on_any_transport(lab, net, owner, user, judge, transport):
    body = certs.certificate(user.aor)
    owner.publish(body)
    subscription = lab.agent(net, transport=transport).subscribe(user.aor)
    assert not subscription.response.all("WWW-Authenticate") and not subscription.response.all("Proxy-Authenticate")
    assert active(subscription.notify, body)
    judge.check(subscription.notify)


def test_CRT_15_no_certificate_and_unknown_user_look_alike(watcher, user):
    known, unknown = watcher.subscribe(user.aor), watcher.subscribe("sip:nobody@example.com")
    for subscription in (known, unknown):
        assert active(subscription.notify, b"")
        assert subscription.notify.one("Content-Length") == "0"
    assert [name for name, _ in known.response.headers] == [name for name, _ in unknown.response.headers]
    assert [name for name, _ in known.notify.headers] == [name for name, _ in unknown.notify.headers]


def test_CRT_16_notify_at_once_after_every_subscribe(plain, net):
    user = plain.user()
    owner, watcher = plain.agent(net, user), plain.agent(net, transport="tcp")
    body = certs.certificate(user.aor)
    assert owner.publish(body).code == 200
    subscription = watcher.subscribe(user.aor)
    for expires in (3600, 1800):
        answer = subscription.refresh(expires)
        assert answer.code == 200 and active(subscription.next(), body)
        assert subscription.notify.time - answer.time < 1
    answer = subscription.refresh(0)
    assert answer.expires == 0
    assert subscription.next().state == ("terminated", {"reason": "timeout"})
    assert certificate_of(subscription.notify) == body and subscription.notify.time - answer.time < 1


@pytest.mark.parametrize("make", [
    lambda user: f"<sip:%{ord(user.name[0]):02X}{user.name[1:]}@EXAMPLE.com>",
    lambda user: f'"Bob <x>; tag=1" <sip:{user.name}@example.com:5060;user=phone>',
    lambda user: f"<sips:{user.name}@example.com>",
    lambda user: f"sip:{user.name}@example.com",
])
def test_CRT_17_from_of_notify_is_to_of_subscribe(owner, watcher, user, judge, make):
    to = make(user)
    body = certs.certificate(user.aor)
    owner.publish(body)
    subscription = watcher.subscribe(user.aor, headers={"To": to})
    notify = subscription.notify
    assert addr_spec(notify.one("From"))[0] == addr_spec(to)[0]
    assert tag(notify.one("From")) == tag(subscription.response.one("To"))
    assert notify.one("To") == subscription.request.get("From")
    assert certificate_of(notify) == body
    judge.check(notify)


def test_CRT_18_every_notify_is_signed(owner, watcher, user, judge):
    empty = watcher.subscribe(user.aor)
    judge.check(empty.notify)
    owner.publish(certs.certificate(user.aor))
    judge.check(empty.next())
    assert empty.refresh(0).code == 200
    assert empty.next().state[0] == "terminated"
    judge.check(empty.notify)


def test_CRT_19_CRT_20_every_watcher_sees_change_and_revocation(lab, net, owner, user, judge):
    one, two = certs.certificate(user.aor), certs.certificate(user.aor, key=certs.rsa_key(1))
    watchers = [lab.agent(net, transport=transport).subscribe(user.aor) for transport in ("tls", "tcp", "udp")]
    assert owner.publish(one).code == 200
    for watcher in watchers:
        assert active(watcher.next(timeout=5), one)
    assert owner.revoke().code == 200
    for watcher in watchers:
        assert active(watcher.next(timeout=5), b"")
        judge.check(watcher.notify)
    assert owner.publish(two).code == 200
    for watcher in watchers:
        assert active(watcher.next(timeout=5), two)
        judge.check(watcher.notify)


@pytest.mark.slow
def test_CRT_21_changes_are_coalesced(paced, net):
    user = paced.user()
    owner, watcher = paced.agent(net, user), paced.agent(net, transport="tcp")
    bodies = [certs.certificate(user.aor, key=certs.rsa_key(n % 2)) for n in range(3)]
    subscription = watcher.subscribe(user.aor)
    for body in bodies:
        assert owner.publish(body).code == 200
    first = subscription.next(timeout=1)
    assert active(first, bodies[0])
    second = subscription.next(timeout=4)
    assert active(second, bodies[2])
    assert 1.8 <= second.time - first.time <= 3.5
    subscription.silent(2.3)


def test_CRT_21_revocation_and_subscribe_are_exempt(paced, net):
    user = paced.user()
    owner, watcher = paced.agent(net, user), paced.agent(net, transport="tcp")
    one, two = (certs.certificate(user.aor, key=certs.rsa_key(n)) for n in range(2))
    subscription = watcher.subscribe(user.aor)
    owner.publish(one)
    assert active(subscription.next(timeout=1), one)
    owner.publish(two)
    revoked = owner.revoke()
    assert active(subscription.next(timeout=1), b"")
    assert subscription.notify.time - revoked.time < 1
    subscription.silent(2.3)
    owner.publish(one)
    assert active(subscription.next(timeout=1), one)
    owner.publish(two)
    assert subscription.refresh().code == 200
    assert active(subscription.next(timeout=1), two)


def test_CRT_21_default_interval_is_a_minute(plain, net):
    user = plain.user()
    owner, watcher = plain.agent(net, user), plain.agent(net, transport="tcp")
    subscription = watcher.subscribe(user.aor)
    bodies = [certs.certificate(user.aor, key=certs.rsa_key(n)) for n in range(2)]
    assert [owner.publish(body).code for body in bodies] == [200, 200]
    assert active(subscription.next(timeout=1), bodies[0])
    subscription.silent(2.5)


def test_CRT_22_two_watchers_but_no_forks(lab, net, owner, user):
    body = certs.certificate(user.aor)
    owner.publish(body)
    assert all(active(lab.agent(net, transport="tcp").subscribe(user.aor).notify, body) for _ in range(2))
    watcher = lab.agent(net, transport="tcp")
    request = watcher.new("SUBSCRIBE", user.aor, {"Event": "certificate"})
    fork = request.copy().set("Via", watcher.peer.via())
    watcher.send(request)
    watcher.send(fork)
    assert watcher.final(request).code == 200
    assert watcher.final(fork).code == 482
    net.idle(0.5)
    assert len({tag(m.one("From")) for m in watcher.peer.inbox if m.method == "NOTIFY"}) == 1


def test_CRT_23_state_agent_answers_without_registration(owner, watcher, user):
    body = certs.certificate(user.aor)
    owner.publish(body)
    owner.peer.close()
    assert watcher.fetch(user.aor) == body


def test_CRT_24_no_event_lists(watcher, user):
    refused = watcher.try_subscribe(user.aor, headers={"Require": "eventlist"})
    assert refused.code == 420 and refused.values("Unsupported") == ["eventlist"]
    subscription = watcher.subscribe(user.aor, headers={"Supported": "eventlist"})
    for message in (subscription.response, subscription.notify, watcher.options()):
        assert "eventlist" not in message.values("Supported") + message.values("Require")


def test_CRT_27_served_domain_is_local_and_others_are_not(watcher):
    assert watcher.subscribe("sip:nobody@EXAMPLE.COM:5060").response.code == 200
    # Elsewhere is for the proxy: who says that he is of the domain must prove it.
    assert watcher.try_subscribe("sip:bob@other.example").code == 407
    assert watcher.try_subscribe("sip:bob@sub.example.com").code == 407
    stranger = {"From": "<sip:eve@other.example>;tag=e"}
    assert watcher.try_subscribe("sip:bob@other.example", headers=stranger).code == 403


@pytest.mark.parametrize("transport", ["udp", "tcp"])
def test_SEC_09_retargeted_subscribe_is_refused(lab, net, owner, user, transport):
    owner.publish(certs.certificate(user.aor))
    watcher = lab.agent(net, transport=transport)
    for to in ("<sip:bob@example.com>", f"<sip:{user.name.upper()}@example.com>", f"<sip:{user.name}@other.example>"):
        assert watcher.try_subscribe(user.aor, headers={"To": to}).code == 403
    with pytest.raises(Timeout):
        watcher.peer.take(lambda message: message.method == "NOTIFY", 0.5)


def test_T_48_deletion_of_a_user_empties_the_certificate(lab, owner, watcher, user):
    body = certs.certificate(user.aor)
    owner.publish(body)
    subscription = watcher.subscribe(user.aor)
    assert active(subscription.notify, body)
    assert lab.admin("user", "del", user.aor).returncode == 0
    notify = subscription.next()
    assert certificate_of(notify) == b""
    assert notify.state[0] == "active" or notify.state[1]["reason"] == "noresource"
    assert watcher.fetch(user.aor) == b""
