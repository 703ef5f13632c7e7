"""The commands of an administrator: results, exit codes, output."""

import json
import re
import signal
import socket
import stat
import time

import pytest
from cryptography import x509
from peer import certs, digest
from peer import lab as program
from peer.sipclient import Agent, StreamPeer, certificate_of, tls_connect, tls_context

USAGE, LOCAL = 2, 3


def test_init_serve_check(net, tmp_path):
    """A real deployment from nothing: init, user add, check, serve."""
    directory, port = tmp_path / "site", program.free_ports()
    made = program.vouch("init", directory, "--domain", "example.org")
    assert made.returncode == 0, made.stderr
    conf = directory / "vouch.conf"
    assert stat.S_IMODE(directory.stat().st_mode) == 0o700
    for path in directory.rglob("*.key"):
        assert stat.S_IMODE(path.stat().st_mode) == 0o600, path
    assert program.vouch("check", "-c", conf).returncode == 0
    added = program.vouch("user", "add", "-c", conf, "sip:dave@example.org", stdin="davespassword\n")
    assert added.returncode == 0, added.stderr
    listen = [f"server.listen-{kind}=127.0.0.1:{port + offset}"
              for kind, offset in (("udp", 0), ("tcp", 0), ("tls", 1), ("https", 2))]
    process = program.Process("serve", "-c", conf, *[word for option in listen for word in ("-o", option)])
    try:
        program.until(lambda: program.accepts(port + 1) or process.child.poll() is not None, 10, "the server")
        sock = tls_connect(port + 1, tls_context(directory / "ca.crt"), "example.org")
        dave = Agent(StreamPeer(net, sock, "TLS"), "dave", "example.org", "davespassword")
        pair = certs.pair(dave.aor)
        assert dave.publish(*pair).code == 200
        assert dave.fetch_credential() == pair
        process.signal(signal.SIGTERM)
        assert process.wait() == 0
    finally:
        process.kill()


def test_init_keeps_a_master_key_that_is_there(tmp_path):
    """Without the configuration everything else was made anew, and what the store has could not be read any more."""
    folder = tmp_path / "domain"
    assert program.vouch("init", folder, "--domain", "example.com").returncode == 0
    key = (folder / "master.key").read_bytes()
    (folder / "vouch.conf").unlink()
    assert program.vouch("init", folder, "--domain", "example.com").returncode == 0
    assert (folder / "master.key").read_bytes() == key
    assert program.vouch("check", "-c", folder / "vouch.conf").returncode == 0


def test_init_does_not_overwrite(tmp_path):
    directory = tmp_path / "site"
    assert program.vouch("init", directory, "--domain", "example.org").returncode == 0
    before = {path: path.read_bytes() for path in directory.rglob("*") if path.is_file()}
    again = program.vouch("init", directory, "--domain", "example.net")
    assert again.returncode != 0 and "site" in again.stderr
    assert {path: path.read_bytes() for path in directory.rglob("*") if path.is_file()} == before


def test_lab_in_an_empty_directory(tmp_path):
    """One command from nothing; the keys differ from those of another lab."""
    server = program.Server(tmp_path / "new" / "lab")
    server.directory.parent.mkdir()
    server.start()
    try:
        assert server.listening() == [server.port, server.port + 1, server.port + 2]
        assert {"ca.crt", "ca", "vouch.conf", "alice.account", "bob.account", "carol.account"} <= \
            {path.name for path in server.directory.iterdir()}
    finally:
        server.stop()
    assert server.listening() == []


def test_lab_of_another_domain(net, tmp_path):
    port = program.free_ports()
    process = program.Process("lab", "--dir", tmp_path / "lab", "--port", port, "--domain", "voip.example")
    try:
        program.until(lambda: process.out or process.child.poll() is not None, 30, "the line ready")
        assert process.out == [f"ready sip=127.0.0.1:{port} tls=127.0.0.1:{port + 1} https=127.0.0.1:{port + 2} "
                               "domain=voip.example\n"]
        sock = tls_connect(port + 1, tls_context(tmp_path / "lab" / "ca.crt"), "voip.example")
        alice = Agent(StreamPeer(net, sock, "TLS"), "alice", "voip.example",
                      program.read_pairs(tmp_path / "lab" / "alice.account")["password"])
        assert alice.publish(certs.certificate(alice.aor)).code == 200
        process.signal(signal.SIGINT)
        assert process.wait() == 0
    finally:
        process.kill()


def test_user_list_add_passwd_del(lab, net):
    user = lab.user()
    assert user.aor in lab.admin("user", "list").stdout.split()
    assert lab.admin("user", "add", user.aor, stdin="x12345678\n").returncode == 1
    assert lab.agent(net, user).revoke().code == 200
    assert lab.admin("user", "del", user.aor).returncode == 0
    assert user.aor not in lab.admin("user", "list").stdout.split()
    for verb, stdin in (("del", ""), ("passwd", "x12345678\n")):
        done = lab.admin("user", verb, user.aor, stdin=stdin)
        assert done.returncode == 1 and user.aor in done.stderr


@pytest.mark.parametrize("aor", ["d e", "@", "dave:secret", "sip:example.com", "dave@other.example", "sip:dave@other.example", "tel:+1", "sip:d e@example.com"])
def test_user_add_needs_an_address_of_the_domain(lab, aor):
    done = lab.admin("user", "add", aor, stdin="password1\n")
    assert done.returncode in (1, USAGE) and done.stderr.count("\n") == 1
    assert aor not in lab.admin("user", "list").stdout.split()


def test_user_verbs_say_what_they_did(server):
    """A bare name is a user of the domain; the number of users is that after the change."""
    other = server()
    before = len(other.admin("user", "list").stdout.split())
    for words, stdin, said in ((("add", "dora"), "one two three\n", f"sip:dora@example.com is a user now; {before + 1} users"),
                               (("passwd", "dora@example.com"), "four five\n",
                                f"sip:dora@example.com has another password now; {before + 1} users"),
                               (("del", "sip:dora@example.com"), "", f"sip:dora@example.com is no user any more; {before} users")):
        done = other.admin("user", *words, stdin=stdin)
        assert (done.returncode, done.stdout, done.stderr) == (0, said + "\n", "")


def test_user_add_of_a_bare_name_can_log_in(server, net):
    other = server()
    assert other.admin("user", "add", "bare.name", stdin="password of bare\n").returncode == 0
    assert other.agent(net, program.User("bare.name", "password of bare")).revoke().code == 200


def test_user_add_writes_an_account_file(labs, server, tmp_path):
    """Ready for use, private, and never over a file that is there."""
    conf = labs.directory() / "vouch.conf"
    port = program.free_ports()
    conf.write_text(re.sub(r"(listen-\w+) = 127.0.0.1:506(\d)",
                           lambda found: f"{found[1]} = 127.0.0.1:{port + int(found[2])}", conf.read_text()))
    account = tmp_path / "dora.account"
    added = program.vouch("user", "add", "dora", "-c", conf, "--account", account)
    assert added.returncode == 0 and str(account) in added.stdout
    assert stat.S_IMODE(account.stat().st_mode) == 0o600
    written = program.read_pairs(account)
    assert written["aor"] == "sip:dora@example.com" and written["server"] == f"tls:127.0.0.1:{port + 1}"
    assert len(written["password"]) >= 20 and written["password"] not in added.stdout
    server(directory=conf.parent, port=port)
    done = program.vouch("publish", "-a", account, "--new")
    assert done.returncode == 0, done.stderr
    assert program.vouch("revoke", "-a", account).returncode == 0

    before = account.read_bytes()
    again = program.vouch("user", "add", "doris", "-c", conf, "--account", account)
    assert again.returncode == LOCAL and "is there already" in again.stderr
    link = tmp_path / "link.account"
    link.symlink_to(tmp_path / "nowhere")
    linked = program.vouch("user", "add", "doris", "-c", conf, "--account", link)
    assert linked.returncode == LOCAL and not (tmp_path / "nowhere").exists()
    assert account.read_bytes() == before and "doris" not in program.vouch("user", "list", "-c", conf).stdout


def test_user_add_says_when_the_address_of_the_server_is_not_known(tmp_path):
    """init listens on all addresses; no device can connect to 0.0.0.0."""
    assert program.vouch("init", tmp_path / "site", "--domain", "example.org").returncode == 0
    conf, account = tmp_path / "site" / "vouch.conf", tmp_path / "a.account"
    assert program.vouch("user", "add", "a", "-c", conf, "--account", account).returncode == 0
    assert "server" not in [line.split(" ")[0] for line in account.read_text().splitlines()]
    assert program.read_pairs(account)["ca"] == str((tmp_path / "site" / "ca.crt").resolve())
    conf.write_text(conf.read_text().replace("[server]\n", "[server]\naddress = sip.example.org\n"))
    account.unlink()
    assert program.vouch("user", "add", "b", "-c", conf, "--account", account).returncode == 0
    assert program.read_pairs(account)["server"] == "tls:sip.example.org:5061"


def test_user_list_as_json(lab):
    plain, listed = lab.admin("user", "list"), json.loads(lab.admin("user", "list", "--json").stdout)
    assert [user["aor"] for user in listed["users"]] == plain.stdout.split()


@pytest.mark.parametrize("length, taken", [(254, True), (255, False), (4000, False)])
def test_a_long_password_is_not_cut(server, net, length, taken):
    """Cut to its first octets it would be another one than the user believes."""
    lab = server()
    done = lab.admin("user", "add", f"long{length}", stdin="p" * length + "\n")
    assert done.returncode == (0 if taken else LOCAL)
    if taken:
        assert lab.agent(net, program.User(f"long{length}", "p" * length)).revoke().code == 200
    else:
        assert "too long" in done.stderr and f"long{length}" not in lab.admin("user", "list").stdout


def test_user_without_password(lab):
    done = lab.admin("user", "add", "sip:nopassword@example.com", stdin="")
    assert done.returncode in (1, USAGE, LOCAL) and "password" in done.stderr
    assert "nopassword" not in lab.admin("user", "list").stdout


def test_user_import(server, net, tmp_path):
    other = server()
    secret = "imported,with comma"
    hashes = lambda name: [digest.HASHES[algorithm](f"{name}:{realm}:{secret}".encode()).hexdigest() for algorithm, realm in
                           (("MD5", "example.com"), ("SHA-256", "example.com"), ("SHA-256", "credential.example.com"))]
    lines = ["sip:plain1@example.com,password-one", "bare4,password-four", f"sip:hash2@example.com,{','.join(hashes('hash2')[:2])}",
             f"sip:hash3@example.com,{','.join(hashes('hash3'))}"]
    lines += [f"sip:many{number}@example.com,password{number}" for number in range(2000)]
    table = tmp_path / "users.csv"
    table.write_text("\n".join(["AOR,password", *lines]) + "\n")
    table.chmod(0o600)
    done = program.vouch("user", "import", "-c", other.conf, table)
    assert done.returncode == 0, done.stderr
    assert ": 2004 new, 0 with another password, 0 as before; " in done.stdout
    again = program.vouch("user", "import", "-c", other.conf, table)
    assert ": 0 new, 0 with another password, 2004 as before; " in again.stdout
    for name, password in (("plain1", "password-one"), ("hash2", secret), ("hash3", secret), ("many1999", "password1999")):
        agent = other.agent(net, program.User(name, password))
        for agent.algorithm in ("SHA-256", "MD5"):
            assert agent.call("REGISTER", "sip:example.com", {"To": f"<{agent.aor}>"}).code == 200
        # Without the third hash the user is known by the realm of the domain.
        asked = digest.challenges(agent.exchange(agent.new("PUBLISH", agent.sips, {"Event": "credential", "Expires": 0})))
        assert [c["realm"] for c in asked] == ["credential.example.com", "example.com"]
        for challenge in asked:
            request = agent.new("PUBLISH", agent.sips, {"Event": "credential", "Expires": 0})
            code = agent.exchange(agent.authorize(request, challenge)).code
            assert (code == 200) == ((challenge["realm"] == "example.com") == (name == "hash2")), (name, challenge)


def test_user_import_of_a_file_that_others_may_read(server, tmp_path):
    """It has passwords in it."""
    other = server()
    before = other.admin("user", "list").stdout
    table = tmp_path / "users.csv"
    table.write_text("sip:good@example.com,password\n")
    for mode in (0o644, 0o602, 0o640):
        table.chmod(mode)
        done = program.vouch("user", "import", "-c", other.conf, table)
        assert done.returncode == 3 and "users.csv holds a secret but others may read it" in done.stderr
        assert other.admin("user", "list").stdout == before


def test_user_import_of_a_bad_file_changes_nothing(server, tmp_path):
    other = server()
    before = other.admin("user", "list").stdout
    table = tmp_path / "users.csv"
    table.write_text("sip:good@example.com,password\nsip:bad@other.example,password\n")
    table.chmod(0o600)
    done = program.vouch("user", "import", "-c", other.conf, table)
    assert done.returncode == 1 and "users.csv" in done.stderr and re.search(r"\b2\b", done.stderr)
    assert other.admin("user", "list").stdout == before


def test_reload_takes_a_changed_configuration(labs, server, net):
    other = server(directory=labs.directory())
    watcher = other.agent(net, transport="tcp")
    assert watcher.subscribe("sip:alice@example.com", expires=7200).response.expires == 7200
    old = other.conf.read_text()
    other.conf.write_text(old + "\n[certificate]\nmax-expires = 600\n")
    done = other.admin("reload")
    assert (done.returncode, done.stderr) == (0, "")
    assert watcher.subscribe("sip:alice@example.com", expires=7200).response.expires == 600
    other.conf.write_text(old + "\n[certificate]\nmax-expires = 900\n")
    other.process.signal(signal.SIGHUP)
    program.until(lambda: watcher.try_subscribe("sip:alice@example.com", expires=7200).expires == 900, 5, "the reload")


def test_reload_says_what_has_changed_and_what_needs_a_restart(labs, server):
    """Once a changed listener was answered "ok" and nothing came of it."""
    other = server(directory=labs.directory())
    old = other.conf.read_text()
    port = program.free_ports(1)
    other.conf.write_text(f"{old}\n[server]\nlisten-http = 127.0.0.1:{port}\n[limits]\nmessage = 8192\n"
                          "[certificate]\nmax-expires = 600\n[route]\nexample.net = udp:127.0.0.1:9\n")
    first, again = other.admin("reload"), other.admin("reload")
    assert (first.returncode, again.returncode) == (0, 0)
    restart = [f"needs a restart: server.listen-http = 127.0.0.1:{port} (runs with nothing)",
               "needs a restart: limits.message = 8192 (runs with 65536)"]
    changed = ["changed: certificate.default-expires = 600 (was 86400)", "changed: certificate.max-expires = 600 (was 604800)",
               "changed: route.DOMAIN = example.net = udp:127.0.0.1:9 (was nothing)"]
    said = lambda done: [line for line in done.stdout.splitlines() if ": " in line and "=" in line]
    assert sorted(said(first)) == sorted(restart + changed)
    assert said(again) == restart
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", port), 1)


def test_reload_keeps_the_old_state_when_the_new_one_is_wrong(labs, server, net):
    other = server(directory=labs.directory())
    watcher = other.agent(net, transport="tcp")
    subscription = watcher.subscribe("sip:alice@example.com")
    other.conf.write_text(other.conf.read_text() + "\n[certificate]\nmax-expires = 600\nnonsense = 1\n")
    done = other.admin("reload")
    assert done.returncode == 1 and "nonsense" in done.stderr and "vouch.conf" in done.stderr
    assert watcher.subscribe("sip:alice@example.com", expires=7200).response.expires == 7200
    other.process.signal(signal.SIGHUP)
    program.until(lambda: "nonsense" in other.process.log, 5, "a log line")
    assert subscription.refresh(7200).expires == 7200


def test_control_socket_is_private(lab):
    sockets = [path for path in lab.directory.rglob("*") if path.is_socket()]
    assert len(sockets) == 1
    assert stat.S_IMODE(sockets[0].stat().st_mode) & 0o077 == 0
    with socket.socket(socket.AF_UNIX) as control:
        control.connect(str(sockets[0]))
        control.sendall(b"\0\xff" * 5000)
    assert lab.admin("status").returncode == 0


def test_status_tells_of_the_server_itself(labs, server):
    """Version, start, each listener with its real port, and the days that each certificate has left."""
    before = int(time.time())
    other = server("server.listen-http=127.0.0.1:0", directory=labs.directory())
    found = json.loads(other.admin("status", "--json").stdout)
    assert program.vouch("version").stdout.startswith(f"vouch {found['version']} ")
    assert before <= found["since"] <= time.time() and found["domain"] == "example.com"
    at = {one["kind"]: one["at"] for one in found["listeners"]}
    assert [one["kind"] for one in found["listeners"]] == ["udp", "tcp", "tls", "https", "http"]
    assert [at[kind] for kind in ("udp", "tcp", "tls", "https")] == \
        [f"127.0.0.1:{other.port + offset}" for offset in (0, 0, 1, 2)]
    assert program.accepts(int(at["http"].removeprefix("127.0.0.1:"))), "the port that the system chose"
    shown = {one["key"]: one for one in found["certificates"]}
    assert {key: one["file"] for key, one in shown.items()} == {
        "tls.certificate": "tls.crt", "identity.certificate": "identity.crt", "tls.ca": "ca.crt"}
    for one in shown.values():
        made = x509.load_pem_x509_certificate((other.directory / one["file"]).read_bytes())
        assert one["ends"] == certs.lifetime(made)[1].timestamp()
        assert abs(one["days"] - (one["ends"] - time.time()) / 86400) <= 1
    text = other.admin("status").stdout
    assert f"version {found['version']}\n" in text and f"  tls 127.0.0.1:{other.port + 1}\n" in text
    assert re.search(r"^  tls.certificate tls.crt ends \w+, \d\d \w+ \d+ [0-9:]+ GMT, in \d+ days$", text, re.M)


def test_status_has_the_certificates_of_the_last_reload(labs, server):
    """What lies on the disk is not what is shown to peers, until then; and a reload warns, too."""
    other = server(directory=labs.directory())
    ends = lambda: {one["key"]: one["ends"] for one in json.loads(other.admin("status", "--json").stdout)["certificates"]}
    before = ends()
    program.domain_certificate(other.directory, "tls", "sip:example.com", "DNS:example.com", until=7 * 86400 + 3600)
    assert ends() == before
    assert other.admin("reload").returncode == 0
    assert 7 * 86400 < ends().pop("tls.certificate") - time.time() <= 7 * 86400 + 3600
    assert ends() == before | {"tls.certificate": ends()["tls.certificate"]}
    assert "event=certificate_ends key=tls.certificate file=tls.crt days=7" in other.process.log


def test_an_account_file_made_while_a_lab_runs_names_its_port(server, tmp_path):
    """The ports of a lab are not those of its configuration."""
    other = server()
    account = tmp_path / "erin.account"
    assert other.admin("user", "add", "erin", "--account", account).returncode == 0
    assert program.read_pairs(account)["server"] == f"tls:127.0.0.1:{other.port + 1}"
    assert program.vouch("credential", "-a", account).returncode == 5


def test_status_says_who_watches_what(server, net):
    other = server()
    user = other.user()
    owner, watcher = other.agent(net, user), other.agent(net, transport="tcp")
    watcher.subscribe(user.aor, expires=600)
    owner.publish(*certs.pair(user.aor))
    owner.subscribe(event="credential", expires=900)
    assert "subscriptions" not in json.loads(other.admin("status", "--json").stdout)
    found = json.loads(other.admin("status", "--json", "--subscriptions").stdout)["subscriptions"]
    found = {one["package"]: one for one in found}
    assert set(found) == {"certificate", "credential"}
    for package, agent, seconds in (("certificate", watcher, 600), ("credential", owner, 900)):
        one = found[package]
        assert one["aor"] == user.aor and f":{agent.user}@" in one["watcher"]
        assert one["peer"] == "%s:%d" % agent.peer.sock.getsockname()[:2]
        assert seconds - 60 < one["expires_in"] <= seconds
    text = other.admin("status", "--subscriptions").stdout
    assert re.search(rf"^  certificate  {user.aor}  .*{watcher.aor}.*  127.0.0.1:\d+  \d+ s$", text, re.M)
    watcher.subscribe("sip:carol@example.com", expires=0)
    assert len(json.loads(other.admin("status", "--json", "--subscriptions").stdout)["subscriptions"]) == 2


def test_credential_create(server, net):
    """For a user who has none: the owner fetches it, watchers are told, and what is there is never replaced."""
    other = server()
    user = other.user()
    owner, watcher = other.agent(net, user), other.agent(net, transport="tcp")
    watching = watcher.subscribe(user.aor)
    made = other.admin("credential", "create", user.name)
    assert (made.returncode, made.stderr) == (0, "") and "vouch credential" in made.stdout
    certificate, key = owner.fetch_credential()
    assert certs.sip_uris(certificate) == [user.aor]
    assert certs.same_key(certs.load_key(key), x509.load_der_x509_certificate(certificate))
    assert certificate_of(watching.next()) == certificate
    again = other.admin("credential", "create", user.aor)
    assert again.returncode == 1 and "has a certificate" in again.stderr
    assert owner.fetch_credential() == (certificate, key)
    assert other.admin("revoke", user.aor).returncode == 0
    assert other.admin("credential", "create", user.aor).returncode == 0
    assert owner.fetch_credential()[0] != certificate
    nobody = other.admin("credential", "create", "dave")
    assert nobody.returncode == 1 and "there is no such user" in nobody.stderr


@pytest.mark.parametrize("style", ["1", "2"])
def test_credential_create_needs_a_style_that_allows_it(server, net, style):
    other = server(f"credential.style={style}")
    refused = other.admin("credential", "create", "bob")
    assert refused.returncode == 1 and "credential.style" in refused.stderr
    bob = other.lab_user("bob")
    assert other.agent(net, bob).fetch_credential() == (b"", None)


def test_json_of_every_verb_of_an_administrator(server, tmp_path):
    """One object a line on stdout; what was refused stays a sentence on stderr."""
    other = server()
    table = tmp_path / "users.csv"
    table.write_text("dave,a password\n")
    table.chmod(0o600)
    for words, stdin, said in ((("user", "add", "zoe"), "a password\n", "sip:zoe@example.com is a user now; 4 users"),
                               (("user", "passwd", "zoe"), "another one\n", "sip:zoe@example.com has another password now; 4 users"),
                               (("user", "import", table), "", f"{table}: 1 new, 0 with another password, 0 as before; 5 users"),
                               (("credential", "create", "zoe"), "", None), (("revoke", "zoe"), "", None), (("reload",), "", None),
                               (("user", "del", "zoe"), "", "sip:zoe@example.com is no user any more; 4 users")):
        done = program.vouch(*words, "-c", other.conf, "--json", stdin=stdin)
        assert done.returncode == 0 and done.stderr == "" and done.stdout.count("\n") == 1, done
        found = json.loads(done.stdout)
        assert found.keys() == {"event", "said"} and " ".join(map(str, words)).startswith(found["event"]) and found["said"]
        assert said is None or found["said"] == said
    refused = program.vouch("user", "del", "zoe", "-c", other.conf, "--json")
    assert refused.returncode == 1 and refused.stdout == "" and "there is no user sip:zoe@example.com" in refused.stderr
