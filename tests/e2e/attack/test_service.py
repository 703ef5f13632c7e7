"""The service in motion under attack: subscriptions that cost too much, reload under load, certificates that roll over."""

import contextlib
import ssl
import threading
import urllib.request

import pytest
from cryptography import x509
from peer import certs
from peer.lab import domain_certificate
from peer.sipclient import Net, Subscription, addr_spec, certificate_of, tls_connect, tls_context, token


@pytest.mark.parametrize("fields, size", [
    *((fields, size) for size in (100, 1500, 3500) for fields in (
        ("From",), ("To",), ("Record-Route",), ("From", "Record-Route"), ("From", "To", "Record-Route", "Contact"))),
    (("From", "To"), 7500), (("From", "To"), 7700), (("From", "To"), 7930), (("From", "Record-Route"), 7000)])
def test_EVT_02_what_a_dialog_has_to_remember_is_refused_or_works(watcher, user, fields, size):
    """From, To, Contact and routes come back in each NOTIFY: either one comes, or the SUBSCRIBE is not accepted."""
    filler = token() + "x" * size
    values = {"From": f'"{filler}" <sip:w@example.com>;tag=1', "To": f'"{filler}" <{user.aor}>',
              "Record-Route": ", ".join(f"<sip:127.0.0.1:{watcher.peer.address.rpartition(':')[2]};lr;x={'y' * (size // 10)}>"
                                        for _ in range(10)),
              "Contact": f"<sip:w@{watcher.peer.address};transport=tcp;x={'y' * min(size, 900)}>"}
    request = watcher.new("SUBSCRIBE", user.aor, {"Event": "certificate", "Expires": 60,
                                                  **{name: values[name] for name in fields}})
    response = watcher.exchange(request)
    assert response.code in (200, 400), response.start
    assert response.code == 200 or size > 1000
    if response.code == 200:
        Subscription(watcher, request, response).next()


def test_the_journal_of_subscriptions_stays_in_proportion(server, net):
    """A stranger's subscription costs a bounded number of octets on the disk, however much it says."""
    other = server()
    user = other.user()
    watcher = other.agent(net, transport="tcp")
    for size in (300, 600, 2500) * 30:
        # Blanks and "%" take three octets in the journal.
        fields = {"Event": "certificate", "From": f'"{token()}{" %" * size}" <sip:w@example.com>;tag={token()}',
                  "To": f'"{"% " * (size // 2)}" <{user.aor}>'}
        watcher.send(watcher.new("SUBSCRIBE", user.aor, fields))
        net.pump(0)
    assert watcher.options().code == 200
    net.idle(0.3)
    assert "certificate subscriptions 60\n" in other.admin("status").stdout
    assert (other.directory / "store" / "subscriptions").stat().st_size < 2 * 60 * 16384
    other.crash()
    other.start()


# --- reload under load ---

def load(server, user, pairs, stop, failures):
    """Publishes and fetches until told to stop."""
    net = Net()
    try:
        owner, watcher = server.agent(net, user), server.agent(net, transport="tcp")
        number = 0
        while not stop.is_set():
            pair = pairs[number % len(pairs)]
            assert owner.publish(*pair).code == 200
            assert watcher.fetch(user.aor) == pair[0]
            assert owner.fetch_credential() == pair
            number += 1
        assert number > 3, "hardly any load"
    except Exception as error:
        failures.append(error)
    finally:
        net.close()


def test_reload_under_load_disturbs_nobody(server, net, judge):
    other = server("notify.interval=0")
    users = [other.user() for _ in range(2)]
    watcher = other.agent(net, transport="tcp")
    lasting = watcher.subscribe(users[0].aor)
    stop, failures = threading.Event(), []
    threads = []
    for user in users:
        pairs = [certs.pair(user.aor, number % 2, cn=str(number)) for number in range(8)]
        threads.append(threading.Thread(target=load, args=(other, user, pairs, stop, failures)))
    for thread in threads:
        thread.start()
    for number in range(40):
        assert other.admin("reload").returncode == 0
        if number % 5 == 4:
            other.user()
    stop.set()
    for thread in threads:
        thread.join(20)
    assert not failures, failures
    net.idle(0.2)
    notifies = [m for m in watcher.peer.copies if m.method and lasting.owns(m)]
    assert len(notifies) >= 3
    judge.check(notifies[-1])
    assert watcher.fetch(users[0].aor) == certificate_of(notifies[-1])


# --- certificates that roll over ---

def presented(port, server):
    with contextlib.closing(tls_connect(port, tls_context(server.ca))) as sock:
        return sock.getpeercert(binary_form=True)


def fetched(server, url):
    """The DER behind an Identity-Info URL, whose host resolves nowhere in a test."""
    context = ssl.create_default_context(cafile=server.ca)
    context.check_hostname = False
    path = url.partition("://")[2].partition("/")[2]
    with urllib.request.urlopen(f"https://127.0.0.1:{server.port + 2}/{path}", context=context, timeout=5) as answer:
        return answer.read()


def info(notify):
    return addr_spec(notify.one("Identity-Info"))[0]


def test_certificates_roll_over_without_a_restart(labs, net, judge):
    """The URL in Identity-Info changes with the certificate, the old one still answers, and TLS and https present the new."""
    other = labs.server("notify.interval=0").start()
    try:
        user = other.user()
        owner, watcher = other.agent(net, user), other.agent(net, transport="tcp")
        subscription = watcher.subscribe(user.aor)
        first = subscription.notify
        judge.check(first)
        old_url, old_tls = info(first), presented(other.port + 1, other)
        old_der = fetched(other, old_url)
        urls = {old_url}
        for turn in range(3):
            # Half of a change is refused, and nothing changes.
            certificate, key = domain_certificate(other.directory, "fresh", "sip:example.com", "DNS:example.com",
                                                  key=certs.rsa_key(60 + turn))
            whole = (other.directory / "identity.crt").read_bytes()
            (other.directory / "identity.crt").write_bytes(certificate.read_bytes())
            assert other.admin("reload").returncode == 1
            assert info(watcher.subscribe(user.aor, expires=0).notify) in urls
            assert whole != certificate.read_bytes()
            (other.directory / "identity.key").write_bytes(key.read_bytes())
            tls = domain_certificate(other.directory, "tls", "sip:example.com", "DNS:example.com", "IP:127.0.0.1",
                                     key=certs.rsa_key(70 + turn))
            assert other.admin("reload").returncode == 0
            body = certs.certificate(user.aor, cn=str(turn))
            assert owner.publish(body).code == 200
            notify = subscription.next()
            assert certificate_of(notify) == body and info(notify) not in urls
            judge.check(notify)
            assert fetched(other, info(notify)) == x509.load_pem_x509_certificate(
                certificate.read_bytes()).public_bytes(certs.DER)
            assert fetched(other, old_url) == old_der
            new_tls = x509.load_pem_x509_certificate(tls[0].read_bytes()).public_bytes(certs.DER)
            assert presented(other.port + 1, other) == presented(other.port + 2, other) == new_tls != old_tls
            urls.add(info(notify))
        assert other.agent(net, user).fetch_credential()[0] == body
    finally:
        other.stop()


def test_a_reload_that_takes_nothing_leaves_everything(labs, net):
    """One wrong file among several right ones."""
    other = labs.server("notify.interval=0").start()
    try:
        user = other.user()
        watcher = other.agent(net, transport="tcp")
        url = info(watcher.subscribe(user.aor, expires=0).notify)
        tls = presented(other.port + 1, other)
        domain_certificate(other.directory, "identity", "sip:example.com", "DNS:example.com", key=certs.rsa_key(61))
        domain_certificate(other.directory, "tls", "sip:example.com", "DNS:example.com", key=certs.rsa_key(62))
        users = other.directory / "store" / "users"
        whole = users.read_bytes()
        users.write_bytes(whole[:-5])
        assert other.admin("reload").returncode == 1
        assert info(watcher.subscribe(user.aor, expires=0).notify) == url and presented(other.port + 1, other) == tls
        users.write_bytes(whole)
        assert other.admin("reload").returncode == 0
        assert info(watcher.subscribe(user.aor, expires=0).notify) != url and presented(other.port + 1, other) != tls
    finally:
        other.stop()
