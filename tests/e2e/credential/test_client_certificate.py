"""The owner of a credential by his TLS client certificate, instead of the password or besides it (DIG-12)."""

import pytest
from peer import certs
from peer.lab import domain_certificate
from peer.sipclient import credential_of

CLIENT_AUTH, SERVER_AUTH = "1.3.6.1.5.5.7.3.2", "1.3.6.1.5.5.7.3.1"
PUBLISH = {"Event": "credential", "Expires": 0}


class Desk:
    """A server whose users have certificates of an authority of their own, and what they show."""

    def __init__(self, labs, server, net, mode):
        self.net, self.directory = net, labs.directory()
        self.authority = certs.authority(certs.rsa_key(91), cn="Authority of users")
        anchor = self.directory / "users-ca.crt"
        anchor.write_bytes(certs.pem(self.authority[0]))
        self.server = server(f"credential.client-certificate={mode}", f"credential.client-ca={anchor}",
                             directory=self.directory)
        self.alice, self.bob = self.server.lab_user("alice"), self.server.lab_user("bob")

    def shown(self, *names, issuer=None, **options):
        """(certificate, key) as files."""
        key = certs.rsa_key(92)
        stem = self.directory / f"shown{len(list(self.directory.iterdir()))}"
        options.setdefault("eku", [CLIENT_AUTH])
        der = certs.certificate(*names, key=key, issuer=issuer or self.authority, **options)
        stem.with_suffix(".crt").write_bytes(certs.pem(der))
        stem.with_suffix(".key").write_bytes(certs.key_pem(key))
        return stem.with_suffix(".crt"), stem.with_suffix(".key")

    def outcome(self, certificate, user, with_password, method="PUBLISH"):
        """The status of a request for the credential of that user on a connection with that certificate."""
        agent = self.server.agent(self.net, user)
        agent.peer.close()
        try:
            agent.peer = self.server.peer(self.net, "tls", certificate=certificate)
        except (OSError, AssertionError):
            return "no connection"
        request = agent.new(method, agent.sips, PUBLISH)
        try:
            return (agent.run(request)[1] if with_password else agent.exchange(request)).code
        except (OSError, AssertionError):
            return "no connection"


@pytest.fixture(params=["accept", "require"])
def desk(request, labs, server, net):
    made = Desk(labs, server, net, request.param)
    made.mode = request.param
    return made


def right(desk):
    return desk.shown(desk.alice.aor)


WRONG = {
    "of bob": lambda d: d.shown(d.bob.aor),
    "of a host": lambda d: d.shown("DNS:alice.example.com"),
    "of the domain": lambda d: d.shown("sip:example.com"),
    "in its common name": lambda d: d.shown(cn=d.alice.aor),
    "as e-mail": lambda d: d.shown("email:alice@example.com"),
    "with a longer name": lambda d: d.shown(d.alice.aor + ".example"),
    "for servers": lambda d: d.shown(d.alice.aor, eku=[SERVER_AUTH]),
    "of the domain's authority": lambda d: domain_certificate(d.directory, "stolen", d.alice.aor),
    "none": lambda d: None,
}
REFUSED = {
    "expired": lambda d: d.shown(d.alice.aor, since=-7200, until=-3600),
    "not valid yet": lambda d: d.shown(d.alice.aor, since=3600),
    "of nobody": lambda d: d.shown(d.alice.aor, issuer=certs.authority(certs.rsa_key(93), cn="Authority of users")),
}


def test_DIG_12_the_right_certificate(desk):
    for shown in (right(desk), desk.shown("sips:alice@EXAMPLE.com", "DNS:x.example"), desk.shown(desk.alice.aor, eku=())):
        for method in ("PUBLISH", "SUBSCRIBE"):
            assert desk.outcome(shown, desk.alice, False, method) == (200 if desk.mode == "accept" else 401)
            assert desk.outcome(shown, desk.alice, True, method) == 200
            # It opens nothing of others, not even with their password where it is needed besides.
            assert desk.outcome(shown, desk.bob, False, method) == (403 if desk.mode == "require" else 401)
            assert desk.outcome(shown, desk.bob, True, method) == (403 if desk.mode == "require" else 200)


@pytest.mark.parametrize("kind", list(WRONG) + list(REFUSED))
def test_DIG_12_other_certificates(desk, kind):
    shown = (WRONG.get(kind) or REFUSED[kind])(desk)
    without, with_password = (desk.outcome(shown, desk.alice, password) for password in (False, True))
    if kind in REFUSED and without == "no connection":
        assert with_password == without
    else:
        assert (without, with_password) == ((403, 403) if desk.mode == "require" else (401, 200))


class Changing(Desk):
    """A desk whose rules are in the configuration, so that a reload may change them."""

    def __init__(self, labs, server, net):
        super().__init__(labs, server, net, "accept")
        self.server.stop()
        self.server.options = ["notify.interval=0"]
        self.before = self.server.conf.read_text()
        self.rule("accept")
        self.server.start()

    def rule(self, mode, anchor="users-ca.crt"):
        ca = f"client-ca = {self.directory / anchor}\n" if mode != "off" else ""
        self.server.conf.write_text(self.before.replace("[credential]\n", f"[credential]\nclient-certificate = {mode}\n{ca}"))

    def change(self, how):
        if how == "another authority":
            other = certs.authority(certs.rsa_key(93), cn="Authority of users")
            (self.directory / "other-ca.crt").write_bytes(certs.pem(other[0]))
            self.rule("accept", "other-ca.crt")
        elif how in ("off", "accept", "require"):
            self.rule(how)
        elif how == "password":
            assert self.server.admin("user", "passwd", self.alice.aor, stdin="another\n").returncode == 0
        assert self.server.admin("reload").returncode == 0

    def watching(self, proof, until=3600):
        """alice's device, and her subscription proven so."""
        shown = self.shown(self.alice.aor, until=until) if proof != "password" else None
        agent = self.server.agent(self.net, self.alice)
        agent.peer = self.server.peer(self.net, "tls", certificate=shown)
        if proof == "certificate":
            agent.password = None
        return agent.subscribe(event="credential")


@pytest.mark.parametrize("proof", ["certificate", "password", "both"])
@pytest.mark.parametrize("how", ["accept", "off", "another authority", "require", "password"])
def test_G24_DIG_12_a_proof_that_has_lost_its_worth(labs, server, net, proof, how):
    """After a reload who is not the owner any more gets no new key, and is told so at once."""
    desk = Changing(labs, server, net)
    # With a certificate that is accepted nobody is asked for the password, so "both" is known by the certificate, too.
    held = desk.watching(proof)
    desk.change(how)
    stays = {"accept": True, "off": proof == "password", "another authority": proof == "password", "require": False,
             "password": False}[how]
    if not stays:
        ended = held.next()
        assert ended.state == ("terminated", {"reason": "deactivated"}) and not ended.body
    desk.rule("accept")
    if how != "password":
        assert desk.server.admin("reload").returncode == 0
    device = desk.server.agent(net, desk.server.lab_user("alice"))
    device.password = "another" if how == "password" else device.password
    pair = certs.pair(desk.alice.aor)
    assert device.publish(*pair).code == 200
    if stays:
        assert credential_of(held.next()) == pair
    else:
        held.silent(0.5)


def test_G24_a_certificate_that_ends_takes_its_subscription_with_it(labs, server, net):
    """Nobody reloads anything then: it is looked at when a key is about to leave."""
    desk = Changing(labs, server, net)
    held = desk.watching("certificate", until=3)
    net.idle(4.5)  # a certificate is good for all of its last second
    device = desk.server.agent(net, desk.alice)
    assert device.publish(*certs.pair(desk.alice.aor)).code == 200
    ended = held.next()
    assert ended.state == ("terminated", {"reason": "deactivated"}) and not ended.body


def test_G24_CRD_34_a_proxy_is_not_trusted_any_more(server, net):
    """credential.direct is switched on while a subscription lives that a proxy has passed on."""
    other = server("notify.interval=0")
    before = other.conf.read_text()
    other.stop()
    other.conf.write_text(before.replace("[credential]\n", "[credential]\ndirect = off\n"))
    other.start()
    user = other.user()
    owner, relay = other.agent(net, user), other.agent(net, user)
    relay.peer.behind_proxy, passed = True, {"Record-Route": "<sip:192.0.2.1;lr>"}
    held, own = relay.subscribe(event="credential", headers=passed), owner.subscribe(event="credential")
    other.conf.write_text(before)
    assert other.admin("reload").returncode == 0
    ended = held.next()
    assert ended.state == ("terminated", {"reason": "deactivated"}) and not ended.body
    pair = certs.pair(user.aor)
    assert owner.publish(*pair).code == 200
    assert credential_of(own.next()) == pair
    held.silent(0.3)


def test_DIG_12_off_by_default(labs, server, net):
    """A certificate of an authority that all trust, with the user's name, is no password."""
    desk = Desk(labs, server, net, "off")
    shown = WRONG["of the domain's authority"](desk)
    assert [desk.outcome(shown, desk.alice, password) for password in (False, True)] == [401, 200]
    assert desk.outcome(right(desk), desk.alice, True) == "no connection"


def test_DIG_12_a_certificate_of_who_is_no_user(labs, server, net):
    desk = Desk(labs, server, net, "accept")
    nobody = desk.server.lab_user("carol")
    shown = desk.shown(nobody.aor)
    assert desk.outcome(shown, nobody, False) == 200
    assert desk.server.admin("user", "del", nobody.aor).returncode == 0
    assert desk.outcome(shown, nobody, False) == 401


@pytest.mark.parametrize("options, missing", [
    (["tls.client-certificate=off"], "tls.client-certificate"), (["credential.client-ca="], "credential.client-ca"),
    (["credential.client-ca=nosuch.crt"], "nosuch.crt")])
def test_check_says_what_is_missing(labs, server, options, missing):
    directory = labs.directory()
    conf = directory / "vouch.conf"
    given = dict(option.split("=", 1) for option in ["credential.client-ca=ca.crt", *options])
    sections = {}
    for name, value in {"credential.client-certificate": "accept", **given}.items():
        sections.setdefault(name.split(".")[0], []).append(f"{name.split('.', 1)[1]} = {value}")
    conf.write_text(conf.read_text() + "".join(f"[{name}]\n" + "\n".join(lines) + "\n" for name, lines in sections.items()))
    done = labs.server(directory=directory).admin("check")
    assert done.returncode == 1 and missing in done.stderr, done.stderr
