"""Limits on what a stranger may use up, and malformed input: the server answers or closes, and goes on."""

import socket
import time

import pytest
from peer import certs
from peer.phone import Phone
from peer.sipclient import Request, StreamPeer, Subscription, certificate_of, token


def connection(server, net):
    return StreamPeer(net, socket.create_connection(("127.0.0.1", server.port), timeout=10), "TCP")


def test_first_message_and_later_ones_have_a_time_limit(server, net):
    other = server("limits.first-message-timeout=1", "limits.message-timeout=1")
    silent, half, second = (connection(other, net) for _ in range(3))
    half.send(b"OPTIONS sip:example.com SIP/2.0\r\nVia: ")
    agent = other.agent(net, transport="tcp")
    assert agent.options().code == 200
    agent.peer.send(b"OPTIONS sip:example.com SIP/2.0\r\n")
    second.close()
    for peer in (silent, half, agent.peer):
        peer.wait_closed(timeout=4)
    assert other.agent(net, transport="tcp").options().code == 200


def test_idle_connections_are_closed(server, net):
    other = server("limits.idle-timeout=1")
    agent = other.agent(net, transport="tcp")
    assert agent.options().code == 200
    agent.peer.wait_closed(timeout=4)


@pytest.mark.parametrize("limit, number", [("connections-per-source", 3), ("connections", 8)])
def test_number_of_connections(server, net, limit, number):
    other = server(f"limits.{limit}={number}")
    agents = [other.agent(net, transport="tcp") for _ in range(number)]
    assert [agent.options().code for agent in agents] == [200] * number
    peers = [agent.peer for agent in agents] + [connection(other, net)]
    net.wait(lambda: any(peer.closed for peer in peers), 5, "the end of the new or of an idle connection")
    for peer in peers:
        peer.close()
    net.idle(0.3)
    assert other.agent(net, transport="tcp").options().code == 200


def test_strangers_who_watch_do_not_keep_users_out(server, net):
    """At the cap their connections make way as well; those of users with subscriptions to their credential do not."""
    other = server("limits.connections=8")
    owner = other.agent(net, other.user())
    owner.publish(*certs.pair(owner.aor))
    owner.subscribe(event="credential")
    watchers = [other.agent(net, transport="tcp") for _ in range(7)]
    for watcher in watchers:
        watcher.subscribe(owner.aor)
    assert other.agent(net, transport="tcp").options().code == 200
    net.wait(lambda: any(watcher.peer.closed for watcher in watchers), 5, "the end of a watcher's connection")
    assert not owner.peer.closed
    assert owner.options().code == 200


def test_strangers_do_not_end_the_call_of_a_user(server, net):
    """A caller's connection carries no registration. He has proven himself on it, and that counts more than to be young."""
    other = server("limits.connections=12")
    phone, alice = Phone(other.peer(net, "udp"), other.user()).register(), Phone(other.peer(net, "tls"), other.user())
    invite, came = alice.ask(alice.agent.new("INVITE", phone.aor, {"Contact": alice.contact}), phone)
    phone.answer(came, 180, "Ringing")
    strangers = [connection(other, net) for _ in range(30)]
    net.wait(lambda: sum(one.closed for one in strangers) >= 18, 5, "the end of those who came first")
    phone.answer(came, 200, "OK", [("Contact", phone.contact)])
    assert alice.told(invite, 200) and not alice.peer.closed


def test_PUB_21_message_limit_is_configurable(server, net):
    other = server("limits.message=8192")
    owner = other.agent(net, other.user())
    assert owner.publish(certs.certificate(owner.aor)).code == 200
    assert owner.publish(b"\0" * 8192).code == 413
    assert owner.options().code == 200


def status(lab, data):
    """The status that answers these octets on a new connection; None when the server closes it or says nothing."""
    with socket.create_connection(("127.0.0.1", lab.port), timeout=1) as sock:
        sock.sendall(data)
        try:
            answer = sock.recv(4096)
        except (TimeoutError, ConnectionError):
            return None
    return int(answer.split(b" ")[1]) if answer else None


def subscribe(**change):
    """A SUBSCRIBE whose header fields can be replaced or (None) left out."""
    fields = {"Via": f"SIP/2.0/TCP 127.0.0.1:9;branch={token('z9hG4bK')}", "Max-Forwards": "70",
              "From": "<sip:a@b.example>;tag=1", "To": "<sip:bob@example.com>", "Call-ID": token(),
              "CSeq": "1 SUBSCRIBE", "Event": "certificate", "Expires": "0", "Contact": "<sip:a@127.0.0.1:9>"}
    fields.update({name.replace("_", "-"): value for name, value in change.items()})
    return Request("SUBSCRIBE", "sip:bob@example.com", [pair for pair in fields.items() if pair[1] is not None])


@pytest.mark.parametrize("change, answers", [
    ({}, [200]), ({"CSeq": "1 PUBLISH"}, [400]), ({"Max_Forwards": "x"}, [200, 400]), ({"Event": "a b"}, [400, 489]),
    ({"To": "<sip:bob@example.com"}, [400]), ({"Expires": "soon"}, [400]), ({"Call_ID": None}, [400, None]),
    ({"CSeq": "x SUBSCRIBE"}, [400, None]), ({"Max_Forwards": "0"}, [200, 483]),
], ids=str)
def test_malformed_requests_get_400(lab, change, answers):
    assert status(lab, subscribe(**change).encode()) in answers


@pytest.mark.parametrize("name", ["From", "To", "Call-ID", "CSeq", "Max-Forwards", "Expires", "Event"])
def test_single_headers_must_not_be_doubled(lab, name):
    request = subscribe()
    assert status(lab, request.add(name, request.get(name)).encode()) == 400


@pytest.mark.parametrize("data", [
    subscribe(Content_Length="-1").encode(),
    subscribe(Content_Length="0").add("Content-Length", "5").encode(),
    subscribe(Content_Length="99999999999999999999").encode(),
    b"GET / HTTP/1.1\r\nHost: x\r\n\r\n",
    b"\x00\x01\x02\xff\r\n\r\n",
], ids=["negative length", "two lengths", "huge length", "HTTP", "octets"])
def test_broken_framing_ends_the_connection(lab, net, data):
    """A last answer may come; then the connection is closed."""
    with socket.create_connection(("127.0.0.1", lab.port), timeout=5) as sock:
        sock.sendall(data)
        answer = b""
        try:
            while more := sock.recv(4096):
                answer += more
        except ConnectionError:
            pass
    assert answer == b"" or answer.startswith((b"SIP/2.0 400 ", b"SIP/2.0 413 "))
    assert lab.agent(net, transport="tcp").options().code == 200


def test_unknown_method_scheme_and_version(watcher):
    assert watcher.call("FROBNICATE", "sip:example.com").code == 501
    assert watcher.call("FROBNICATE", "sip:bob@example.com").code == 407  # a proxy knows no methods
    assert watcher.call("OPTIONS", "tel:+1234").code in (404, 416)
    request = watcher.new("OPTIONS", "sip:example.com")
    watcher.peer.send(request.encode().replace(b" SIP/2.0\r\n", b" SIP/9.0\r\n", 1))
    watcher.net.wait(lambda: watcher.peer.closed or watcher.peer.inbox, 5, "an answer or the end of the connection")
    assert watcher.peer.closed or watcher.peer.inbox[0].code in (400, 505)


def test_EVT_02_CRT_19_a_crowd_of_watchers_is_told_with_a_short_queue(server, net):
    """More subscriptions than the workers' queue has places: each SUBSCRIBE and each change still gets its NOTIFY."""
    other = server("limits.queue=4", "server.workers=1", "notify.interval=0")
    owner = other.agent(net, other.user())
    watchers = [other.agent(net, transport="tcp") for _ in range(4)]
    subscriptions = []
    for number in range(60):
        watcher = watchers[number % len(watchers)]
        response = None
        while response is None or response.code == 503:
            request, response = watcher.run(watcher.new("SUBSCRIBE", owner.aor, {"Event": "certificate"}))
        assert response.code == 200
        subscriptions.append(Subscription(watcher, request, response))
    for subscription in subscriptions:
        assert certificate_of(subscription.next()) == b""
    body = certs.certificate(owner.aor)
    assert owner.publish(body).code == 200
    for subscription in subscriptions:
        assert certificate_of(subscription.next(timeout=10)) == body


@pytest.mark.slow
@pytest.mark.parametrize("secure", [False, True], ids=["tcp", "tls"])
def test_a_response_outlives_its_connection(lab, net, secure):
    """RFC 3261 18.2.2: to the port of sent-by at the address that asked, over a new TCP connection; over TLS to nobody."""
    bob = lab.user()
    callee = lab.agent(net, bob, "tcp")
    callee.peer.behind_proxy, callee.peer.answer = True, None  # it takes its time
    made = callee.new("REGISTER", "sip:example.com", {"To": f"<{bob.aor}>", "From": f"<{bob.aor}>;tag=r"})
    assert callee.run(made.add("Contact", f"<sip:{bob.name}@{callee.peer.address};transport=tcp>"))[1].code == 200
    with socket.create_server(("127.0.0.1", 0)) as home:
        home.settimeout(3)
        at = f"elsewhere.invalid:{home.getsockname()[1]}"
        caller = lab.agent(net, transport="tls" if secure else "tcp")
        request = caller.new("MESSAGE", bob.aor, {"Via": f"SIP/2.0/{'TLS' if secure else 'TCP'} {at};branch=z9hG4bK{token()}",
                                                  "From": f"<sip:eve@example.org>;tag={token()}"})
        caller.send(request)
        came = callee.peer.take(lambda m: m.method == "MESSAGE", 5, "the MESSAGE")
        caller.peer.close()
        net.idle(0.3)
        callee.peer.reply(came, 202)
        deadline = time.monotonic() + 3
        home.setblocking(False)
        link = None
        while link is None and time.monotonic() < deadline:
            net.idle(0.05)
            try:
                link = home.accept()[0]
            except BlockingIOError:
                pass
        assert (link is None) == secure
        if link:
            link.settimeout(5)
            said = link.recv(65536).decode()
            assert said.startswith("SIP/2.0 202 ") and request.get("Call-ID") in said
            link.close()
