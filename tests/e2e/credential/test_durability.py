"""What was acknowledged is kept: after a restart, and after kill -9 (PUB-22, ESC-12, G31)."""

import pytest
from peer import certs
from peer.sipclient import addr_spec, certificate_of


def restart(server, crash=True):
    server.crash() if crash else server.stop()
    server.start()


@pytest.mark.parametrize("crash", [False, True], ids=["SIGTERM", "kill -9"])
def test_PUB_22_credentials_and_etags_survive(server, net, crash):
    other = server("notify.interval=0")
    users = [other.user() for _ in range(3)]
    pairs = [certs.pair(user.aor, number % 2) for number, user in enumerate(users)]
    agents = [other.agent(net, user) for user in users]
    etags = [agent.publish(*pair, headers={"Expires": 7200}).etag for agent, pair in zip(agents, pairs)]
    assert agents[2].revoke().code == 200
    restart(other, crash)
    agents = [other.agent(net, user) for user in users]
    assert [agent.fetch_credential() for agent in agents] == [pairs[0], pairs[1], (b"", None)]
    assert agents[0].subscribe(event="credential").notify.event[1]["etag"] == etags[0]
    assert agents[1].publish(*pairs[1], headers={"SIP-If-Match": etags[0]}).code == 412
    updated = agents[1].publish(*pairs[1], headers={"SIP-If-Match": etags[1]})
    assert updated.code == 200 and updated.etag not in etags
    assert agents[2].publish(*pairs[2], headers={"SIP-If-Match": etags[2]}).code == 412


def test_PUB_22_lifetime_goes_on_while_the_server_is_down(server, net):
    other = server("notify.interval=0", "credential.publish-min-expires=1")
    user = other.user()
    owner = other.agent(net, user)
    lasting = other.user()
    assert owner.publish(*certs.pair(user.aor), headers={"Expires": 2}).code == 200
    assert other.agent(net, lasting).publish(*certs.pair(lasting.aor), headers={"Expires": 600}).code == 200
    other.crash()
    net.idle(2.2)
    other.start()
    watcher = other.agent(net, transport="tcp")
    assert watcher.fetch(user.aor) == b""
    assert watcher.fetch(lasting.aor) != b""


def test_a_200_to_PUBLISH_is_durable(server, net):
    """kill -9 as soon as the 200 is here, some times over."""
    other = server("notify.interval=0")
    user = other.user()
    for number in range(6):
        owner = other.agent(net, user)
        if number % 3 == 2:
            expected = b"", None
            assert owner.revoke().code == 200
        else:
            expected = certs.pair(user.aor, number % 2)
            assert owner.publish(*expected).code == 200
        restart(other)
        assert other.agent(net, user).fetch_credential() == expected


def test_certificate_subscriptions_survive_a_crash(server, net, judge):
    other = server("notify.interval=0")
    user = other.user()
    owner, watcher = other.agent(net, user), other.agent(net, transport="udp")
    first, second = certs.certificate(user.aor), certs.certificate(user.aor, key=certs.rsa_key(1))
    owner.publish(first)
    subscription = watcher.subscribe(user.aor, event="certificate;id=9", expires=3600)
    ended = watcher.subscribe(user.aor, expires=3600)
    assert ended.refresh(0).code == 200
    ended.next()
    net.idle(0.3)
    restart(other)
    owner = other.agent(net, user)
    assert owner.publish(second).code == 200
    notify = subscription.next()
    assert certificate_of(notify) == second
    assert notify.event[1]["id"] == "9"
    assert notify.state[0] == "active" and 3500 < int(notify.state[1]["expires"]) <= 3600
    assert addr_spec(notify.one("Contact"))[0].partition("@")[0].startswith("sip:")
    judge.check(notify)
    ended.silent(0.5)
    assert subscription.refresh(1800).expires == 1800
    assert subscription.next().state[0] == "active"
    assert owner.revoke().code == 200
    assert certificate_of(subscription.next()) == b""


def test_credential_subscriptions_end_with_their_connection(server, net):
    other = server("notify.interval=0")
    user = other.user()
    owner = other.agent(net, user)
    subscription = owner.subscribe(event="credential")
    restart(other)
    owner.peer.wait_closed()
    again = other.agent(net, user)
    assert again.publish(*certs.pair(user.aor)).code == 200
    subscription.agent = again
    subscription.silent(0.5)
    assert subscription.refresh().code == 481


def test_DIG_05_nonces_do_not_survive(server, net):
    other = server()
    user = other.user()
    owner = other.agent(net, user)
    challenge = owner.challenge()
    request = owner.new("PUBLISH", user.sips, {"Event": "credential", "Expires": 0})
    assert owner.exchange(owner.authorize(request, challenge, nc=1)).code == 200
    restart(other)
    owner = other.agent(net, user)
    request = owner.new("PUBLISH", user.sips, {"Event": "credential", "Expires": 0})
    assert owner.exchange(owner.authorize(request, challenge, nc=2)).code == 401
    assert owner.revoke().code == 200


def test_users_and_passwords_survive(server, net):
    other = server()
    kept, gone, changed = other.user(), other.user(), other.user()
    assert other.admin("user", "del", gone.aor).returncode == 0
    assert other.admin("user", "passwd", changed.aor, stdin="another\n").returncode == 0
    restart(other)
    assert other.agent(net, kept).publish(headers={"Expires": 0}).code == 200
    assert other.agent(net, gone).publish(headers={"Expires": 0}).code == 401
    old = other.agent(net, changed)
    assert old.publish(headers={"Expires": 0}).code == 401
    old.password = "another"
    assert old.publish(headers={"Expires": 0}).code == 200


def test_a_damaged_record_is_set_aside_and_the_rest_is_served(server, net):
    other = server()
    users = [other.user() for _ in range(2)]
    pairs = [certs.pair(user.aor) for user in users]
    before = set(other.directory.rglob("*"))
    assert other.agent(net, users[0]).publish(*pairs[0]).code == 200
    record, = [path for path in set(other.directory.rglob("*")) - before if b"BEGIN CERTIFICATE" in path.read_bytes()]
    assert other.agent(net, users[1]).publish(*pairs[1]).code == 200
    other.stop()
    content = bytearray(record.read_bytes())
    content[len(content) // 2] ^= 1
    record.write_bytes(content)
    other.start()
    assert other.agent(net, users[1]).fetch_credential() == pairs[1]
    assert other.agent(net, users[0]).fetch_credential() == (b"", None)
    assert record.name in other.process.log
    assert other.agent(net, users[0]).publish(*pairs[0]).code == 200


def test_torn_temporary_files_are_removed(server, net):
    other = server()
    user = other.user()
    pair = certs.pair(user.aor)
    before = set(other.directory.rglob("*"))
    assert other.agent(net, user).publish(*pair).code == 200
    record, = [path for path in set(other.directory.rglob("*")) - before if b"BEGIN CERTIFICATE" in path.read_bytes()]
    other.stop()
    torn = record.with_name("torn.tmp")
    torn.write_bytes(record.read_bytes()[:100])
    other.start()
    assert not torn.exists()
    assert other.agent(net, user).fetch_credential() == pair


def test_the_store_has_no_password(server):
    other = server()
    user = other.user()
    other.stop()
    for path in other.directory.rglob("*"):
        assert not path.is_file() or user.password.encode() not in path.read_bytes(), path
