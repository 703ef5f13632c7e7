"""Fixtures: servers of the program under test, and the sockets of one test.

The program is ./vouch of the repository, or the file named by the environment variable VOUCH."""

import os
import signal

import pytest
from peer import certs
from peer import lab as program
from peer.abroad import Abroad, Border, both_authorities
from peer.identity import Judge
from peer.lab import running
from peer.sipclient import Net
from peer.stub import Domain, Stub


# Who is started in the background ignores SIGINT, and so does what the tests start then.
signal.signal(signal.SIGINT, signal.default_int_handler)

LIMIT_S = 300  # of one test, and of its fixtures; the longest takes 11 s


def limited(item):
    """Fails the test when it takes too long. When it goes on regardless, it is told again."""
    mark = item.get_closest_marker("limit")
    seconds = mark.args[0] if mark else LIMIT_S

    def too_long(*_):
        pytest.fail(f"not at its end after {seconds} s")

    signal.signal(signal.SIGALRM, too_long)
    signal.setitimer(signal.ITIMER_REAL, seconds, seconds)
    yield
    signal.setitimer(signal.ITIMER_REAL, 0)


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_setup(item):
    yield from limited(item)


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_call(item):
    yield from limited(item)


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_teardown(item):
    yield from limited(item)


@pytest.fixture(scope="session")
def labs(tmp_path_factory):
    """The generated lab and its copies."""
    assert os.access(program.BINARY, os.X_OK), f"no program {program.BINARY}: build it, or set VOUCH"
    return program.Labs(tmp_path_factory.mktemp("v"))


@pytest.fixture(scope="session")
def lab(labs):
    """The server that most tests share; every test makes users of its own. No limit on the rate of NOTIFYs."""
    yield from running(labs, "notify.interval=0")


@pytest.fixture(scope="session")
def plain(labs):
    """A server without any option: the defaults."""
    yield from running(labs)


@pytest.fixture(scope="session")
def unsigned(labs):
    """A server without the signatures of users for users, so that what comes by a datagram leaves in one."""
    yield from running(labs, "identity.sign=outbound")


@pytest.fixture(scope="session")
def quick(labs):
    """A server that grants short lifetimes."""
    yield from running(labs, "notify.interval=0", "certificate.min-expires=1", "credential.min-expires=1",
                       "credential.publish-min-expires=1")


@pytest.fixture(scope="session")
def paced(labs):
    """A server that sends a state change at most every 2 s to each subscription."""
    yield from running(labs, "notify.interval=2")


@pytest.fixture
def server(labs):
    """Makes servers that end with the test: server("section.key=value", ...)."""
    made = []

    def make(*options, **more):
        made.append(labs.server(*options, **more))
        return made[-1].start()

    yield make
    for one in made:
        one.stop()


@pytest.fixture
def net():
    """The sockets of the test."""
    sockets = Net()
    yield sockets
    sockets.close()


@pytest.fixture(scope="session")
def judge(labs):
    """The RFC 4474 judge of all labs, which have one CA."""
    return Judge(labs.template.ca)


@pytest.fixture
def user(lab):
    """A user of the shared server that no other test uses."""
    return lab.user()


@pytest.fixture
def owner(lab, net, user):
    """The agent of that user, on TLS."""
    return lab.agent(net, user)


@pytest.fixture
def pair(user):
    """A certificate of that user with its key as PKCS#8."""
    return certs.pair(user.aor)


@pytest.fixture
def other_pair(user):
    """Another one, with another key."""
    return certs.pair(user.aor, 1)


@pytest.fixture
def watcher(lab, net):
    """Somebody without a password, on TCP."""
    return lab.agent(net, transport="tcp")


@pytest.fixture(scope="session")
def domain(tmp_path_factory):
    """A CA, certificates and a web server of the tests' own, for stubs."""
    made = Domain(tmp_path_factory.mktemp("domain"))
    yield made
    made.web.close()


@pytest.fixture
def stubs(domain):
    """Makes SIP servers of the tests' own: stubs(script), with another certificate, or (None) without TLS."""
    made = []

    def make(script, tls=domain.tls):
        made.append(Stub(script, *(tls or ())))
        return made[-1]

    yield make
    for one in made:
        one.close()


@pytest.fixture(scope="session")
def abroad(domain):
    """The neighbour domain example.org, whose users sign their requests themselves."""
    made = Abroad(domain)
    yield made
    made.close()


@pytest.fixture(scope="session")
def trust(labs, domain, tmp_path_factory):
    """The option of a server that trusts the authority of that domain beside its own."""
    return both_authorities(labs, domain, tmp_path_factory.mktemp("trust"))


@pytest.fixture(scope="session")
def rejecting(labs, trust):
    """A server that refuses what is not rightly signed."""
    yield from running(labs, trust, "identity.verify-inbound=reject")


@pytest.fixture
def reject(rejecting, net, abroad):
    """That server, a stranger and a phone."""
    return Border(rejecting, net, abroad)


@pytest.fixture
def border(server, trust, net, abroad):
    """Makes a server with other options, and what is around it."""
    return lambda *options, **more: Border(server(trust, *options, **more), net, abroad)
