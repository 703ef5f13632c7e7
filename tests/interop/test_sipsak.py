"""sipsak: pings, registrations, a traced way, requests shot at a phone, and requests with random octets in them.

Its message and invite modes, -M and -I, are not used: those of sipsak 0.9.8.1 end with a segmentation fault before anything is
sent, whoever the server is."""

import pytest
from others.program import needs, run
from peer.lab import running
from peer.phone import Phone, registered

pytestmark = needs("sipsak", "sipsak")

SHOT = """MESSAGE {uri} SIP/2.0
From: <sip:eve@other.example>;tag=1
To: <{uri}>
Call-ID: shot@other.example
CSeq: 1 MESSAGE
Max-Forwards: 70
Content-Type: text/plain
Content-Length: 5

hello"""


@pytest.fixture(scope="module")
def lab(labs):
    """sipsak reads the first challenge only, and knows MD5."""
    yield from running(labs)


@pytest.fixture
def sipsak(lab, net):
    """Runs sipsak for the URI, through the lab, while the phones of the test answer."""
    def start(uri, *arguments, transport="udp"):
        tls = transport == "tls"
        return run("sipsak", "-p", f"127.0.0.1:{lab.port + tls}", *(("-E", transport) if transport != "udp" else ()),
                   *((f"--tls-ca-cert={lab.ca}",) if tls else ()), *arguments, "-s", uri, net=net)

    return start


@pytest.fixture
def usrloc(sipsak, user):
    """Its usrloc mode for a user of ours."""
    def start(*arguments, password=None, transport="udp"):
        return sipsak(user.aor, "-U", "-i", "-v", "-u", user.name, "-a", password or user.password, *arguments,
                      transport=transport)

    return start


@pytest.fixture
def bindings(lab, net, user):
    """What the registrar has of the user."""
    return lambda: registered(lab, net, user, "MD5")


@pytest.fixture
def phone(lab, net, user):
    """A registered phone that answers 200 to everything at once."""
    made = Phone(lab.peer(net, "udp"), user)
    made.agent.algorithm = "MD5"
    made.register()
    made.peer.answer = 200
    return made


@pytest.mark.parametrize("transport", ["udp", "tcp", "tls"])
def test_a_ping(sipsak, transport):
    """OPTIONS to the domain, ESC-15. With TLS it checks our certificate, too."""
    done = sipsak("sip:example.com", "-vv", transport=transport)
    assert done.returncode == 0, done.stdout
    assert "SIP/2.0 200 OK" in done.stdout and "Allow-Events: certificate, credential" in done.stdout


def test_a_ping_of_nobody(sipsak, user):
    for uri, said in (("sip:nobody-at-all@example.com", "404"), (user.aor, "480")):
        done = sipsak(uri, "-vv")
        assert done.returncode == 1 and f"SIP/2.0 {said}" in done.stdout, done.stdout


@pytest.mark.parametrize("transport", ["udp", "tcp", "tls"])
def test_register(usrloc, bindings, transport):
    """One Contact, another one, a question, and all taken back. Each time it connects anew, and a Contact that says nothing of
    its transport ends with a TLS connection."""
    says = ";transport=udp" if transport == "tls" else ""
    for contact in (f"<sip:desk@127.0.0.1:9{says}>", f"<sip:cell@127.0.0.1:9{says}>"):
        done = usrloc("-C", contact, "-x", 600, transport=transport)
        assert done.returncode == 0 and "completed successful" in done.stdout, done.stdout
    assert sorted(bindings()) == [f"<sip:cell@127.0.0.1:9{says}>", f"<sip:desk@127.0.0.1:9{says}>"]
    assert usrloc("-C", "empty", transport=transport).returncode == 0
    assert len(bindings()) == 2
    done = usrloc("-C", "*", "-x", 0, transport=transport)
    assert done.returncode == 0, done.stdout
    assert bindings() == []


def test_register_with_a_wrong_password(usrloc, bindings):
    done = usrloc("-C", "sip:desk@127.0.0.1:9", "-x", 600, password="wrong")
    assert done.returncode == 2 and "authorization failed" in done.stdout, done.stdout
    assert bindings() == []


def test_register_for_too_short_a_time(usrloc, bindings):
    """RFC 3261 10.3: 423 says how long it must be at least."""
    done = usrloc("-C", "sip:desk@127.0.0.1:9", "-x", 15)
    assert done.returncode == 1 and "SIP/2.0 423" in done.stdout and "Min-Expires: 60" in done.stdout, done.stdout
    assert bindings() == []


def test_the_way_is_traced(sipsak, phone):
    """OPTIONS with Max-Forwards 0 is ours to refuse, with 1 it reaches the phone."""
    done = sipsak(phone.aor, "-T")
    assert done.returncode == 0, done.stdout
    assert [line.partition("SIP/2.0 ")[2][:3] for line in done.stdout.splitlines() if "SIP/2.0" in line] == ["483", "200"]
    came = phone.peer.take(lambda m: m.method == "OPTIONS", 5)
    assert came.one("Max-Forwards") == "0"


@pytest.mark.parametrize("transport", ["udp", "tcp", "tls"])
def test_a_shot(sipsak, phone, tmp_path, transport):
    """A MESSAGE of a stranger out of a file, to a phone of ours (EXM-16)."""
    shot = tmp_path / "shot"
    shot.write_text(SHOT.format(uri=phone.aor))
    done = sipsak(phone.aor, "-vv", "-f", shot, transport=transport)
    assert done.returncode == 0 and "SIP/2.0 200" in done.stdout, done.stdout
    came = phone.peer.take(lambda m: m.method == "MESSAGE", 5)
    assert came.body == b"hello" and came.one("From") == "<sip:eve@other.example>;tag=1"


def test_random_octets(lab, sipsak):
    """-R: OPTIONS with more and more octets replaced, until three have had no answer. 4xx is right for each, 501 and 505 for
    some, and silence for what has no Via to answer to; the server is there afterwards."""
    sent = ""
    for most in (1, 2, 4, 8, 16, 32, 64, 128):
        sent += sipsak("sip:example.com", "-R", "-t", most, "-Z", 20, "-vv").stdout
        done = sipsak("sip:example.com")
        assert done.returncode == 0, done.stdout
    assert sent.count("OPTIONS sip:example.com") > 8 and "SIP/2.0 500" not in sent and "SIP/2.0 503" not in sent
    assert lab.process.child.poll() is None
