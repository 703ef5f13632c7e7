"""The event framework, RFC 6665 (rows EVT)."""

import pytest
from peer import certs
from peer.sipclient import Timeout, addr_spec, certificate_of, credential_of, parameters, tag

REMOVING = (404, 405, 410, 416, 480, 481, 482, 483, 484, 485, 489, 501, 604)
KEEPING = (400, 403, 428, 436, 437, 438, 500, 503, 600)


@pytest.mark.parametrize("transport", ["udp", "tcp", "tls"])
def test_EVT_01_accepted_subscribe(lab, net, user, transport):
    response = lab.agent(net, transport=transport).subscribe(user.aor, expires=300).response
    assert response.code == 200 and response.expires == 300
    assert tag(response.one("To"))
    assert addr_spec(response.one("Contact"))[0].startswith("sip:")


@pytest.mark.parametrize("transport", ["tcp", "tls"])
def test_EVT_02_response_precedes_notify(lab, net, user, transport):
    agent = lab.agent(net, user, transport)
    event = "credential" if transport == "tls" else "certificate"
    subscription = agent.subscribe(event=event)
    assert subscription.response.time <= subscription.notify.time
    answer = subscription.refresh(600)
    notify = subscription.next()
    assert answer.code == 200 and answer.time <= notify.time
    assert notify.peer is agent.peer and answer.peer is agent.peer


def test_EVT_02_octets_are_in_order(watcher, user):
    """The 200 lies before the NOTIFY on the wire."""
    watcher.send(watcher.new("SUBSCRIBE", user.aor, {"Event": "certificate"}))
    watcher.net.wait(lambda: len(watcher.peer.inbox) == 2, 5, "200 and NOTIFY")
    assert [(m.code, m.method) for m in watcher.peer.inbox] == [(200, None), (None, "NOTIFY")]


def test_EVT_03_subscription_state_counts_down(owner, watcher, user):
    subscription = watcher.subscribe(user.aor, expires=100)
    assert 98 <= int(subscription.notify.state[1]["expires"]) <= 100
    watcher.net.idle(2.1)
    owner.publish(certs.certificate(user.aor))
    assert 90 <= int(subscription.next().state[1]["expires"]) <= 98
    subscription.refresh(90)
    assert 88 <= int(subscription.next().state[1]["expires"]) <= 90


def test_EVT_04_event_id_is_echoed(owner, watcher, user):
    subscription = watcher.subscribe(user.aor, event="certificate;id=7")
    assert subscription.notify.event == ("certificate", {"id": "7"})
    etag = owner.publish(certs.certificate(user.aor)).etag
    assert subscription.next().event == ("certificate", {"id": "7", "etag": etag})
    assert watcher.subscribe(user.aor).notify.event == ("certificate", {"etag": etag})


@pytest.mark.parametrize("event", ["certificate", "credential"])
def test_EVT_05_poll(owner, pair, event):
    owner.publish(*pair)
    subscription = owner.subscribe(event=event, expires=0)
    assert subscription.response.expires == 0
    assert subscription.notify.state == ("terminated", {"reason": "timeout"})
    body = certificate_of(subscription.notify) if event == "certificate" else credential_of(subscription.notify)
    assert body == (pair[0] if event == "certificate" else pair)
    owner.revoke()
    subscription.silent(0.5)


def test_EVT_05_unsubscribe(owner, watcher, user):
    subscription = watcher.subscribe(user.aor)
    answer = subscription.refresh(0)
    assert answer.code == 200 and answer.expires == 0
    assert subscription.next().state == ("terminated", {"reason": "timeout"})
    owner.publish(certs.certificate(user.aor))
    subscription.silent()
    assert subscription.refresh().code == 481


@pytest.mark.parametrize("event", ["certificate", "credential"])
def test_EVT_06_end_without_refresh(quick, net, event):
    owner = quick.agent(net, quick.user())
    subscription = owner.subscribe(event=event, expires=2)
    assert subscription.response.expires == 2
    notify = subscription.next(timeout=4)
    assert notify.state == ("terminated", {"reason": "timeout"})
    assert 1.5 <= notify.time - subscription.response.time <= 3.5
    assert subscription.refresh().code == 481


@pytest.mark.slow
def test_EVT_06_refresh_prolongs(quick, net):
    watcher = quick.agent(net, transport="tcp")
    subscription = watcher.subscribe("sip:alice@example.com", expires=2)
    net.idle(1)
    assert subscription.refresh(60).expires == 60
    assert subscription.next().state[0] == "active"
    subscription.silent(2.5)


@pytest.mark.parametrize("event", [None, "presence", "certificates", "certificate.winfo"])
def test_EVT_07_unknown_event(watcher, user, event):
    refused = watcher.try_subscribe(user.aor, event=event)
    assert refused.code == 489
    assert sorted(refused.values("Allow-Events")) == ["certificate", "credential"]


def test_EVT_08_too_brief(watcher, owner, user):
    for agent, event in ((watcher, "certificate"), (owner, "credential")):
        for asked in (1, 10, 59):
            refused = agent.try_subscribe(owner.sips if event == "credential" else user.aor, event, asked)
            assert refused.code == 423 and refused.one("Min-Expires") == "60"
        assert agent.subscribe(owner.sips if event == "credential" else user.aor, event, 60).response.expires == 60


def test_EVT_10_dialogs(watcher, user):
    request = watcher.new("SUBSCRIBE", user.aor, {"Event": "certificate", "To": f"<{user.aor}>;tag=unknown"})
    assert watcher.exchange(request).code == 481
    subscription = watcher.subscribe(user.aor)
    for event in ("credential", "certificate;id=2"):
        refused = subscription.refresh(headers={"Event": event})
        assert refused.code == 403
        assert event == "credential" or refused.reason == "Dialog Sharing Not Supported"
    assert subscription.refresh().code == 200
    assert subscription.next().state[0] == "active"
    stranger = subscription.again(headers={"Call-ID": "another"})
    assert watcher.exchange(stranger).code == 481


def test_EVT_10_cseq_must_grow(watcher, user):
    subscription = watcher.subscribe(user.aor)
    assert subscription.refresh().code == 200
    subscription.next()
    assert watcher.exchange(subscription.again(headers={"CSeq": "1 SUBSCRIBE"})).code == 500


def answering(lab, net, user, statuses):
    """Watchers that answer 200 to their first NOTIFY and this status to all later ones."""
    watchers = {}
    for status in statuses:
        agent = lab.agent(net, transport="tcp")
        watchers[status] = agent.subscribe(user.aor)
        agent.peer.answer = status
    return watchers


def test_EVT_11_answers_that_end_a_subscription(lab, net, owner, user):
    bodies = [certs.certificate(user.aor, key=certs.rsa_key(n)) for n in range(2)]
    watchers = answering(lab, net, user, REMOVING + KEEPING)
    owner.publish(bodies[0])
    for status, subscription in watchers.items():
        assert certificate_of(subscription.next()) == bodies[0], status
    owner.publish(bodies[1])
    for status in KEEPING:
        assert certificate_of(watchers[status].next()) == bodies[1], status
    for status in REMOVING:
        watchers[status].silent(0.05)
        watchers[status].agent.peer.answer = 200
        assert watchers[status].refresh().code == 481, status


def test_EVT_12_contact_of_a_refresh_is_the_new_target(owner, watcher, user):
    subscription = watcher.subscribe(user.aor)
    assert subscription.notify.uri == addr_spec(subscription.request.get("Contact"))[0]
    moved = f"sip:elsewhere@{watcher.peer.address};transport=tcp;x=1"
    assert subscription.refresh(headers={"Contact": f"<{moved}>"}).code == 200
    assert subscription.next().uri == moved
    owner.publish(certs.certificate(user.aor))
    assert subscription.next().uri == moved


@pytest.mark.parametrize("event", ["certificate", "credential"])
def test_EVT_13_contact_is_a_gruu(owner, event):
    subscription = owner.subscribe(event=event)
    for message in (subscription.response, subscription.notify):
        uri = addr_spec(message.one("Contact"))[0]
        assert "gr" in parameters(uri.partition(";")[2]), uri
    assert addr_spec(subscription.response.one("Contact"))[0] == addr_spec(subscription.notify.one("Contact"))[0]


def test_EVT_14_allow_events(watcher, user):
    subscription = watcher.subscribe(user.aor)
    for message in (subscription.response, subscription.notify, watcher.options()):
        if message.all("Allow-Events"):
            assert sorted(message.values("Allow-Events")) == ["certificate", "credential"]


@pytest.mark.parametrize("secure", [False, True])
def test_EVT_16_cancel_has_no_effect(lab, net, owner, user, secure):
    agent = owner if secure else lab.agent(net, transport="udp")
    subscription = agent.subscribe(user.aor)
    cancel = agent.new("CANCEL", user.aor)
    for name in ("Via", "From", "To", "Call-ID"):
        cancel.set(name, subscription.request.get(name))
    cancel.set("CSeq", f"{subscription.number} CANCEL")
    answer = agent.exchange(cancel)
    assert answer.code in ((200, 481) if secure else (200,))
    owner.publish(certs.certificate(user.aor))
    assert subscription.next().state[0] == "active"


def test_EVT_17_one_event_per_request(watcher, user):
    assert watcher.try_subscribe(user.aor, event="certificate, credential").code == 400
    twice = watcher.new("SUBSCRIBE", user.aor, {"Event": "certificate"}).add("Event", "certificate")
    assert watcher.exchange(twice).code == 400


def test_EVT_17_headers_stay_in_their_messages(watcher, user):
    subscription = watcher.subscribe(user.aor)
    for response in (subscription.response, watcher.options(), watcher.try_subscribe(user.aor, event="presence")):
        assert not response.all("Event") and not response.all("Subscription-State")


def test_EVT_18_no_408(lab, net, user):
    """Every response of every test is checked for it; here one that the server had to wait for."""
    agent = lab.agent(net, user)
    agent.peer.answer = None
    assert agent.subscribe(event="credential").response.code == 200
    assert agent.revoke().code == 200


def test_EVT_19_one_notify_at_a_time(owner, watcher, user):
    bodies = [certs.certificate(user.aor, key=certs.rsa_key(n % 2)) for n in range(4)]
    subscription = watcher.subscribe(user.aor)
    watcher.peer.answer = None
    owner.publish(bodies[0])
    held = subscription.next()
    for body in bodies[1:]:
        assert owner.publish(body).code == 200
    subscription.silent(0.5)
    watcher.peer.answer = 200
    watcher.peer.reply(held, 200)
    assert certificate_of(subscription.next()) == bodies[3]
    assert subscription.notify.cseq[0] == held.cseq[0] + 1
    subscription.silent(0.5)


@pytest.mark.slow
@pytest.mark.parametrize("transport", ["udp", "tcp"])
def test_EVT_19_cseq_grows_by_one(lab, net, owner, user, transport):
    """RFC 3261 section 12.2.1.1: contiguous, also when time passes or a NOTIFY is too large for UDP."""
    subscription = lab.agent(net, transport=transport).subscribe(user.aor)
    numbers = [subscription.last]
    for number in range(3):
        owner.publish(certs.certificate(user.aor, key=certs.rsa_key(number % 2)))
        numbers.append(subscription.next().cseq[0])
        net.idle(1.1)
    assert numbers == list(range(numbers[0], numbers[0] + 4))


@pytest.mark.parametrize("limit, others", [("subscriptions-per-source", False), ("subscriptions-per-aor", True),
                                           ("subscriptions", False)])
def test_EVT_20_limits(server, net, limit, others):
    """Beyond a limit 503 with Retry-After; `others`: another AOR is still served."""
    other = server(f"limits.{limit}=3")
    watcher = other.agent(net, transport="tcp")
    first, *_ = [watcher.subscribe("sip:alice@example.com") for _ in range(3)]
    refused = watcher.try_subscribe("sip:alice@example.com")
    assert refused.code == 503 and int(refused.one("Retry-After").split("(")[0].split(";")[0]) > 0
    assert watcher.try_subscribe("sip:bob@example.com").code == (200 if others else 503)
    assert first.refresh().code == 200
    assert first.next().state[0] == "active"
    assert first.refresh(0).code == 200
    first.next()
    assert watcher.subscribe("sip:alice@example.com").response.code == 200


def test_T_40_server_accepts_no_notify(watcher, user):
    fields = {"Event": "certificate", "Subscription-State": "active", "Contact": "<sip:x@127.0.0.1:9>"}
    assert watcher.exchange(watcher.new("NOTIFY", "sip:example.com", fields)).code == 481
    # To a user: for his phones, if there are any, and only from who he says he is.
    assert watcher.exchange(watcher.new("NOTIFY", user.aor, fields)).code == 407
    with pytest.raises(Timeout):
        watcher.peer.take(lambda message: True, 0.2)


def test_EVT_02_fifty_watchers_are_all_told(lab, net, owner, user):
    body = certs.certificate(user.aor)
    agents = [lab.agent(net, transport="tcp") for _ in range(5)]
    watchers = [agent.subscribe(user.aor) for agent in agents for _ in range(10)]
    assert owner.publish(body).code == 200
    assert all(certificate_of(watcher.next(timeout=10)) == body for watcher in watchers)
