"""The store under attack: names that want out (G26), modes and links (G27), kill -9 in a storm (G31), a failing disk
(G33), damaged files (G35)."""

import contextlib
import hashlib
import os
import random
import re
import shutil
import signal
import stat
import subprocess
import time

import pytest
from peer import certs, digest, multipart
from peer.lab import BINARY, User, until, vouch
from peer.phone import Dialog, Phone
from peer.sipclient import Agent, Net, certificate_of, credential_of, token

RECORD = re.compile(r"[0-9a-f]{64}\.rec")


def store_of(server):
    return server.directory / "store"


def records(server):
    return sorted(path for path in store_of(server).iterdir() if path.suffix == ".rec")


def record_of(server, user):
    """The file of a user, known by what is in it."""
    found, = [path for path in records(server) if f"aor: {user.aor}\n".encode() in path.read_bytes()]
    return found


def imported(server, names, folder):
    """Users with these names (as in their AORs), added in one go."""
    users = [User(name, token()) for name in names]
    listed = folder / "users.csv"
    listed.write_text("".join(f"{user.aor},{user.password}\n" for user in users))
    listed.chmod(0o600)
    added = server.admin("user", "import", listed)
    assert added.returncode == 0, added.stderr
    return users


# --- names, modes, links ---

NAMES = ("../../../../etc/passwd", "..", ".", "a/b", "/abs", "con", "aux", "nul.rec", "a%00b", "a%00c", "twin", "Twin", "TWIN",
         "%C0%AF..", "%FF%FE", "lock", "users", "control", "subscriptions", ".hidden", "x.rec.tmp", "*", "a%20b", "a%0Ab",
         "a%0D%0Aaor%3A%20sip%3Ab", "~root", "$HOME", "%25s%25n", "a%22b", "a%5Cb", "f" * 480, "e" * 479 + "g", "0" * 64 + ".rec")


def outside(server):
    """All files near the server, but those in its store."""
    around = server.directory.parent.parent
    return {path for path in around.rglob("*") if store_of(server) not in path.parents}


def test_G26_no_address_chooses_a_file(server, net, tmp_path):
    other = server("notify.interval=0")
    users = imported(other, NAMES, tmp_path)
    before = outside(other)
    pairs = {}
    for number, user in enumerate(users):
        owner = other.agent(net, user)
        pairs[user.aor] = certs.pair(user.aor, number % 2)
        assert owner.publish(*pairs[user.aor]).code == 200, user.aor
        owner.peer.close()
    assert len(records(other)) == len(NAMES)
    assert {path.name for path in store_of(other).iterdir() if not RECORD.fullmatch(path.name)} \
        == {"users", "users.lock", "master.check", "lock", "control", "identity", "subscriptions", "bindings",
            "replay.0", "replay.1"}
    watcher = other.agent(net, transport="tcp")
    for again in range(2):
        for user in users:
            assert watcher.fetch(user.aor) == pairs[user.aor][0], user.aor
        if not again:
            other.crash()
            other.start()
            watcher = other.agent(net, transport="tcp")
    assert outside(other) == before
    for path in (store_of(other), *store_of(other).iterdir()):
        assert stat.S_IMODE(path.lstat().st_mode) == (0o600 if path.is_file() else 0o700), path


@pytest.mark.parametrize("name, mode", [("store", 0o750), ("store", 0o701), ("master.key", 0o640), ("master.key", 0o604),
                                        ("tls.key", 0o644), ("identity.key", 0o660)])
def test_G27_what_others_can_read_is_refused(labs, name, mode):
    other = labs.server()
    (other.directory / name).chmod(mode)
    with pytest.raises(AssertionError, match=f"{mode:04o}"):
        other.start()


@pytest.mark.parametrize("name", ["users", "lock", "subscriptions", "control", "subscriptions.next", "0.tmp", "record",
                                  "record.tmp"])
def test_G27_links_in_the_store_are_not_followed(labs, net, tmp_path, name):
    other = labs.server("notify.interval=0").start()
    user = other.user()
    pair, newer = certs.pair(user.aor), certs.pair(user.aor, 1)
    assert other.agent(net, user).publish(*pair).code == 200
    record = record_of(other, user)
    other.stop()
    path = store_of(other) / name.replace("record", record.name)
    victim = tmp_path / "victim"
    victim.write_bytes(path.read_bytes() if path.is_file() else b"precious\n")
    victim.chmod(0o600)
    content = victim.read_bytes()
    path.unlink(missing_ok=True)
    path.symlink_to(victim)
    with contextlib.suppress(AssertionError):
        other.start()
    if name in ("users", "lock", "subscriptions"):
        assert other.process is None, "it starts with a link"
    else:
        owner = other.agent(net, user)
        assert owner.fetch_credential() == ((b"", None) if name == "record" else pair)
        owner.subscribe(user.aor)
        assert owner.publish(*newer).code == 200
        assert other.agent(net, user).fetch_credential() == newer
        other.stop()
    assert victim.read_bytes() == content and stat.S_IMODE(victim.stat().st_mode) == 0o600


# --- kill -9 ---

class Client:
    """One user of the storm: what was acknowledged, and what is under way."""

    def __init__(self, server, number):
        self.user = server.user()
        self.bodies = [(b"", None), certs.pair(self.user.aor, number % 2), certs.pair(self.user.aor, 1 - number % 2)]
        self.state, self.asked, self.etags = 0, None, []

    def connect(self, server, net):
        self.agent = server.agent(net, self.user)
        self.challenge, self.count = self.agent.challenge(), 0

    def ask(self, choice):
        certificate, key = self.bodies[choice]
        headers = {"Event": "credential", "Expires": 3600 if certificate else 0}
        body = b""
        if certificate:
            headers["Content-Type"], body = multipart.credential(certificate, key)
        request = self.agent.new("PUBLISH", self.user.sips, headers, body)
        self.count += 1
        request = self.agent.authorize(request, self.challenge, nc=self.count)
        self.asked = choice, request
        with contextlib.suppress(OSError):
            self.agent.send(request)

    def listen(self):
        """Takes the answer, if it is here."""
        for message in self.agent.peer.inbox:
            if not self.asked or message.cseq[1] != "PUBLISH" or message.one("Call-ID") != self.asked[1].get("Call-ID"):
                continue
            if message.code == 401:
                # A revocation makes the nonces that were made before it stale.
                self.challenge, self.count, self.asked = self.agent.pick(message), 0, None
            else:
                assert message.code == 200, message.start
                self.state, self.asked = self.asked[0], None
                self.etags.append(message.etag)
        self.agent.peer.inbox.clear()


@pytest.mark.slow
def test_G31_nothing_acknowledged_is_lost_in_twenty_crashes(server):
    dice = random.Random(31)
    other = server("notify.interval=0")
    clients = [Client(other, number) for number in range(6)]
    acknowledged = 0
    for _ in range(20):
        net = Net()
        for client in clients:
            client.connect(other, net)
        end = time.monotonic() + dice.uniform(0.01, 0.15)
        while time.monotonic() < end:
            for client in clients:
                if not client.asked:
                    client.ask(dice.randrange(3))
            net.pump(0.002)
            for client in clients:
                client.listen()
        other.crash()
        net.idle(0.02)
        for client in clients:
            client.listen()
        net.close()
        other.start()
        net = Net()
        for client in clients:
            found = other.agent(net, client.user).fetch_credential()
            possible = [client.state] + ([client.asked[0]] if client.asked else [])
            assert found in [client.bodies[state] for state in possible], f"{client.user.aor} after {len(client.etags)}"
            client.state, client.asked = client.bodies.index(found), None
        net.close()
    etags = [etag for client in clients for etag in client.etags]
    assert len(etags) > 100 and len(set(etags)) == len(etags)


# --- a failing disk ---

def threads(server, niceness):
    """The threads of the process with this niceness, above the tests' own: the disk's has 0, as the first thread, and the
    others 5."""
    found, niceness = [], min(19, os.nice(0) + niceness)
    for task in os.listdir(f"/proc/{server.process.child.pid}/task"):
        with open(f"/proc/{server.process.child.pid}/task/{task}/stat", encoding="latin-1") as file:
            if int(file.read().rpartition(")")[2].split()[16]) == niceness and int(task) != server.process.child.pid:
                found.append(int(task))
    return found


@contextlib.contextmanager
def failing(thread, call, error, when):
    """A system call of one thread fails: from the when-th, every second ("1+2"), or once."""
    tracer = subprocess.Popen(["strace", "-p", str(thread), "-o", "/dev/null", "-e", f"trace={call}", "-e",
                               f"inject={call}:error={error}:when={when}"], stderr=subprocess.PIPE)
    try:
        line = tracer.stderr.readline()
        if b"attached" not in line:
            pytest.skip(f"strace: {line!r}")
        yield
    finally:
        tracer.send_signal(signal.SIGINT)
        tracer.wait(5)
        tracer.stderr.close()


@pytest.fixture(scope="module")
def disk(labs):
    started = labs.server("notify.interval=0").start()
    yield started
    started.stop()


# The disk's thread writes a record by: openat, write, fsync, close, renameat, fsync of the folder; then it writes to
# the eventfd of the loop, which must not fail: so of the writes only every other one.
@pytest.mark.skipif(not shutil.which("strace"), reason="no strace")
@pytest.mark.parametrize("error", ["ENOSPC", "EIO"])
@pytest.mark.parametrize("call, when", [("openat", "1"), ("openat", "1+"), ("write", "1"), ("write", "1+2"), ("fsync", "1"),
                                        ("fsync", "2"), ("fsync", "1+"), ("fsync", "2+2"), ("close", "1"),
                                        ("renameat,renameat2,rename", "1"), ("renameat,renameat2,rename", "1+")])
@pytest.mark.parametrize("fresh", [False, True], ids=["replace", "first"])
def test_G33_every_failure_of_the_disk_is_5xx(disk, net, call, when, error, fresh):
    """The old state is served, others are not disturbed, and when the disk is well again all is well, and stays so."""
    user = disk.user()
    owner, watcher = disk.agent(net, user), disk.agent(net, transport="tcp")
    old, newer, last = (certs.pair(user.aor, number % 2, cn=str(number)) for number in range(3))
    etag = "none"
    if fresh:
        old = b"", None
        assert disk.agent(net, other := disk.user()).publish(*certs.pair(other.aor)).code == 200
    else:
        etag = owner.publish(*old).etag
    subscription = watcher.subscribe(user.aor)
    device = owner.subscribe(event="credential")
    before = {path: path.read_bytes() for path in records(disk)}
    thread, = threads(disk, 0)
    with failing(thread, call, error, when):
        response = owner.publish(*newer)
        assert 500 <= response.code < 600, response.start
        assert owner.fetch_credential() == old
        assert watcher.fetch(user.aor) == old[0]
        assert owner.subscribe(event="credential", expires=0).notify.event[1].get("etag", "none") == etag
        if "+" in when and not fresh:
            assert 500 <= owner.publish(headers={"Expires": 0}).code < 600
            assert owner.fetch_credential() == old
    subscription.silent(0.05)
    device.silent(0)
    assert {path: path.read_bytes() for path in records(disk)} == before
    assert not list(store_of(disk).glob("*.tmp"))
    assert owner.publish(*last, headers=None if fresh else {"SIP-If-Match": etag}).code == 200
    assert certificate_of(subscription.next()) == last[0] and credential_of(device.next()) == last
    assert owner.revoke().code == 200
    assert certificate_of(subscription.next()) == b""
    assert owner.fetch_credential() == (b"", None)


@pytest.mark.skipif(not shutil.which("strace"), reason="no strace")
def test_G33_what_a_failing_disk_did_not_take_is_not_there_after_a_crash(server, net):
    other = server("notify.interval=0")
    user = other.user()
    owner = other.agent(net, user)
    old, newer = certs.pair(user.aor), certs.pair(user.aor, 1)
    assert owner.publish(*old).code == 200
    thread, = threads(other, 0)
    with failing(thread, "fsync", "EIO", "2"):
        assert owner.publish(*newer).code == 500
    other.crash()
    other.start()
    assert other.agent(net, user).fetch_credential() == old


# --- damaged files ---

def damage(dice, content):
    """One of the things that happen to files."""
    if not content or dice.random() < 0.15:
        return content + bytes(dice.randrange(256) for _ in range(dice.randrange(1, 9)))
    at = dice.randrange(len(content))
    kind = dice.randrange(4)
    if kind == 0:
        return content[:at]
    if kind == 1:
        size = min(512, len(content) - at)
        return content[:at] + bytes(size) + content[at + size:]
    changed = bytearray(content)
    for _ in range(1 if kind == 2 else 8):
        changed[dice.randrange(len(content))] ^= 1 << dice.randrange(8)
    return bytes(changed)


@pytest.mark.slow
def test_G35_damaged_records_are_set_aside_and_all_others_served(server, net, tmp_path):
    """200 wounds, ten at each start."""
    dice = random.Random(35)
    other = server("notify.interval=0")
    users = imported(other, [f"d{number}" for number in range(30)], tmp_path)
    pairs = {user.aor: certs.pair(user.aor, number % 2) for number, user in enumerate(users)}
    for user in users:
        owner = other.agent(net, user)
        assert owner.publish(*pairs[user.aor]).code == 200
        owner.peer.close()
    paths = {user.aor: record_of(other, user) for user in users}
    other.stop()
    whole = {path: path.read_bytes() for path in paths.values()}
    for _ in range(20):
        wounded = dice.sample(users, 10)
        for user in wounded:
            path = paths[user.aor]
            while (changed := damage(dice, whole[path])) == whole[path]:
                pass
            path.write_bytes(changed)
        if dice.random() < 0.5:
            # And two whole records under each other's names.
            one, two = dice.sample([user for user in users if user not in wounded], 2)
            paths[one.aor].write_bytes(whole[paths[two.aor]])
            paths[two.aor].write_bytes(whole[paths[one.aor]])
            wounded += [one, two]
        other.start()
        watcher = other.agent(net, transport="tcp")
        for user in users:
            expected = b"" if user in wounded else pairs[user.aor][0]
            assert watcher.fetch(user.aor) == expected, user.aor
            assert (f"event=quarantine file={paths[user.aor].name}" in other.process.log) == (user in wounded)
        assert other.agent(net, users[0]).fetch_credential() == ((b"", None) if users[0] in wounded else pairs[users[0].aor])
        for user in wounded:
            assert paths[user.aor].with_suffix(".rec.bad").exists()
        other.stop()
        for path, content in whole.items():
            path.with_suffix(".rec.bad").unlink(missing_ok=True)
            path.write_bytes(content)


def test_G35_damaged_users_are_not_taken(server, net, tmp_path):
    """Nobody knows whose lines they were, and who is missing would count as gone (T-48): the server does not start."""
    dice = random.Random(3636)
    other = server()
    users = imported(other, [f"d{number}" for number in range(20)], tmp_path)
    other.stop()
    path = store_of(other) / "users"
    whole = path.read_bytes()
    for _ in range(6):
        lines = whole.split(b"\n")
        for number in dice.sample(range(len(lines) - 1), 3):
            lines[number] = damage(dice, lines[number]).replace(b"\n", b"?")
        path.write_bytes(b"\n".join(lines))
        refused = vouch("serve", "-c", other.conf)
        assert refused.returncode == 1 and "the users cannot be read: the file has damaged lines" in refused.stderr
    path.write_bytes(whole)
    other.start()
    assert other.agent(net, users[0]).publish(headers={"Expires": 0}).code == 200


def test_G35_damaged_subscriptions_cost_what_is_damaged(server, net, tmp_path):
    dice = random.Random(3535)
    other = server("notify.interval=0")
    users = imported(other, [f"e{number}" for number in range(20)], tmp_path)
    watcher = other.agent(net, transport="udp")
    subscriptions = [watcher.subscribe(user.aor) for user in users]
    net.idle(0.1)
    other.stop()
    path = store_of(other) / "subscriptions"
    whole = path.read_bytes()
    for _ in range(6):
        path.write_bytes(damage(dice, whole))
        other.start()
        for user in dice.sample(users, 8):
            owner = other.agent(net, user)
            assert owner.publish(headers={"Expires": 0}).code == 200, user.aor
            owner.peer.close()
        other.stop()
        path.write_bytes(whole)
    assert len(subscriptions) == len(users)


@pytest.mark.parametrize("way", ["flipped", "torn", "gone", "empty line end"])
def test_a_damaged_list_of_users_is_not_taken_over(server, net, way):
    """At reload the old one stays: else the credentials of whoever is missing would be revoked (T-48)."""
    other = server("notify.interval=0")
    kept, hurt = other.user("aaa"), other.user("zzz")
    pair = certs.pair(hurt.aor)
    owner = other.agent(net, hurt)
    assert owner.publish(*pair).code == 200
    device = owner.subscribe(event="credential")
    path = store_of(other) / "users"
    whole = path.read_bytes()
    at = whole.index(b"sip:zzz@")
    if way == "gone":
        path.unlink()
    else:
        path.write_bytes({"flipped": whole[:at + 4] + b"y" + whole[at + 5:], "torn": whole[:-30],
                          "empty line end": whole.replace(b"\nsip:zzz", b" sip:zzz")}[way])
    done = other.admin("reload")
    assert done.returncode == 1 and "users" in done.stderr, done.stderr
    other.process.signal(signal.SIGHUP)
    device.silent(0.3)
    # Nor is it made final by the next command.
    for arguments in (("add", "sip:new@example.com"), ("passwd", kept.aor), ("del", kept.aor)):
        if way != "gone":
            refused = other.admin("user", *arguments, stdin="x\n")
            assert refused.returncode != 0 and "users" in refused.stderr, refused
    assert other.agent(net, hurt).fetch_credential() == pair
    path.write_bytes(whole)
    path.chmod(0o600)
    assert other.admin("reload").returncode == 0
    assert other.agent(net, kept).publish(headers={"Expires": 0}).code == 200
    assert other.admin("user", "del", hurt.aor).returncode == 0
    assert device.next().state[0] == "terminated"
    until(lambda: other.agent(net, transport="tcp").fetch(hurt.aor) == b"", 5, "the end of the credential")


def test_users_that_are_added_at_the_same_time_are_all_there(server, net):
    other = server()
    users = [User(f"p{number}", token()) for number in range(16)]
    adding = [subprocess.Popen([BINARY, "user", "add", "-c", other.conf, user.aor], stdin=subprocess.PIPE,
                               stderr=subprocess.PIPE, text=True) for user in users]
    for user, process in zip(users, adding):
        process.stdin.write(user.password + "\n")
        process.stdin.close()
    assert [(process.wait(30), process.stderr.read()) for process in adding] == [(0, "")] * len(users)
    for process in adding:
        process.stderr.close()
    listed = other.admin("user", "list").stdout.split()
    assert set(listed) >= {user.aor for user in users} and len(listed) == len(users) + 3
    for user in users[::5]:
        assert other.agent(net, user).publish(headers={"Expires": 0}).code == 200


def old_users(directory, users):
    """The file as versions before generations wrote it, and a configuration without credential.realm."""
    out = ["# AOR HA1-MD5 HA1-SHA-256 checksum; changed by \"vouch user\", not by hand"]
    for user in users:
        hashes = [digest.HASHES[name](f"{user.name}:example.com:{user.password}".encode()).hexdigest()
                  for name in ("MD5", "SHA-256")]
        line = " ".join([user.aor, *hashes])
        out.append(f"{line} {hashlib.sha256(line.encode()).hexdigest()[:16]}")
    (directory / "store" / "users").write_text("\n".join(out) + "\n")
    conf = directory / "vouch.conf"
    conf.write_text(conf.read_text().replace("[credential]\nrealm = credential.example.com\n", ""))


def test_a_store_of_an_older_version_goes_on(labs, server, net):
    """Its users keep their passwords, with the realm of the domain, and their hashes are sealed at once."""
    directory = labs.directory()
    alice, bob = User("alice", token()), User("bob", token())
    old_users(directory, [alice, bob])
    other = server(directory=directory)
    pair = certs.pair(alice.aor)
    agent = other.agent(net, alice)
    assert agent.challenge()["realm"] == "example.com"
    assert agent.publish(*pair).code == 200
    text = (store_of(other) / "users").read_text()
    assert not re.search(r"\b[0-9a-f]{32,}\b", text) and text.count("sip:") == 2, text
    other.stop()
    # Now the realm is set: alice is known by the old one until she has a new password.
    conf = other.conf
    conf.write_text(conf.read_text() + "[credential]\nrealm = credential.example.com\n")
    other.start()
    assert other.process.log.count("event=old_realm") == 1
    asked = digest.challenges(agent_for(other, net, alice))
    assert [c["realm"] for c in asked] == ["credential.example.com", "example.com"]
    done = vouch("credential", "-a", account_of(other, alice), "-o", other.directory / "out")
    assert done.returncode == 0, done.stderr
    for user in (alice, bob):
        assert other.admin("user", "passwd", user.aor, stdin="another\n").returncode == 0
    alice = User("alice", "another")
    assert [c["realm"] for c in digest.challenges(agent_for(other, net, alice))] == ["credential.example.com"]
    assert other.agent(net, alice).fetch_credential() == pair


def agent_for(other, net, user):
    """The 401 to a PUBLISH."""
    agent = other.agent(net, user)
    return agent.exchange(agent.new("PUBLISH", agent.sips, {"Event": "credential", "Expires": 0}))


def account_of(other, user):
    path = other.directory / f"{user.name}.account"
    path.write_text(f"aor = {user.aor}\npassword = {user.password}\nserver = tls:127.0.0.1:{other.port + 1}\n"
                    f"ca = {other.ca}\n")
    path.chmod(0o600)
    return path


# --- who is gone is gone (T-48, G48) ---

CHANGES = {"nothing": [], "del": ["del"], "del and add": ["del", "add"], "passwd": ["passwd"], "import of the same": ["same"],
           "import of another": ["other"], "del, import": ["del", "other"]}
RUNNING = ["running", "stopped", "killed"]


def change(other, user, steps, folder):
    """Does it, and gives the user as he is then, or None."""
    for step in steps:
        if step in ("same", "other"):
            user = User(user.name, user.password if step == "same" else token())
            table = folder / "again.csv"
            table.write_text(f"{user.aor},{user.password}\n")
            table.chmod(0o600)
            done = other.admin("user", "import", table)
        else:
            password = token() if step in ("add", "passwd") else ""
            done = other.admin("user", step, user.aor, stdin=password + "\n")
            user = User(user.name, password or user.password)
        assert done.returncode == 0, done.stderr
    return None if steps == ["del"] else user


@pytest.mark.parametrize("when", RUNNING)
@pytest.mark.parametrize("what", CHANGES)
def test_G48_who_is_gone_is_gone(labs, server, net, tmp_path, what, when):
    """Each kind of record of a user, for each way of going, with and without the server: what is there of him afterwards.
    The oracle: a credential belongs to the account, all else to the password."""
    other = server("notify.interval=0", directory=labs.directory())
    old, peer = other.user(), other.user()
    pair = certs.pair(old.aor)
    owner, watcher = other.agent(net, old), other.agent(net, transport="tcp")
    assert owner.publish(*pair).code == 200
    own, watched = owner.subscribe(event="credential"), watcher.subscribe(old.aor)
    phone, bob = Phone(other.peer(net, "udp"), old).register(), Phone(other.peer(net, "udp"), peer).register()
    sent, came = phone.ask(phone.agent.new("INVITE", bob.aor, {"Contact": phone.contact}), bob)
    bob.answer(came, 200, "OK", [("Contact", bob.contact)])
    dialog = Dialog.of_caller(phone, sent, phone.told(sent, 200))
    challenge = owner.challenge()
    if when == "running":
        new = change(other, old, CHANGES[what], tmp_path)
    else:
        other.stop() if when == "stopped" else other.crash()
        new = change(other, old, CHANGES[what], tmp_path)
        other.start()
    account = what in ("nothing", "passwd", "import of the same", "import of another")
    secret = what in ("nothing", "import of the same")
    # The certificate, to strangers.
    fresh = other.agent(net, transport="tcp")
    assert certificate_of(fresh.subscribe(old.aor).notify) == (pair[0] if account else b"")
    # The private key, to whoever is that user now.
    if new:
        assert other.agent(net, new).fetch_credential() == (pair if account else (b"", None))
    # The certificate's watcher of before, and the owner's own subscription.
    if when == "running" and not account:
        assert certificate_of(watched.next()) == b""
    if when == "running" and not secret:
        assert own.next().state[0] == "terminated"
    # The nonce.
    if when == "running" and new:
        attempt = owner.authorize(owner.new("PUBLISH", old.sips, {"Event": "credential", "Expires": 0, "SIP-If-Match": "x"}),
                                  challenge, password=new.password, nc=7)
        assert owner.exchange(attempt).code == (412 if secret else 401)
    # The registration: a stranger's request comes to the phone, or not.
    stranger = Agent(other.peer(net, "tcp"), "eve", "example.org")
    message = stranger.new("MESSAGE", old.aor)
    stranger.send(message)
    reached = net.wait(lambda: phone.find(message, lambda m: m.method) or next(
        (m for m in stranger.peer.inbox if m.code and m.one("Call-ID") == message.get("Call-ID")), None), 5, "either")
    assert bool(reached.method) == secret, reached.start
    # The dialog: a request in it without credentials.
    info = dialog.new("INFO")
    phone.send(info)
    answer = net.wait(lambda: bob.find(info, lambda m: m.method) or phone.find(info, lambda m: m.code), 5, "either")
    assert bool(answer.method) == secret, answer.start


@pytest.mark.parametrize("transport", ["udp", "tcp", "tls"])
def test_token_outlives_user(labs, server, net, transport):
    """repro-token-outlives-user: in a call that was let through nothing is challenged. When its user is gone his next
    request is, at once and after a restart, and so is that of whoever has learnt token, tags and Call-ID."""
    other = server("identity.sign=off", directory=labs.directory())
    alice, bob = Phone(other.peer(net, transport), other.user()).register(), Phone(other.peer(net, "udp"), other.user()).register()
    sent, came = alice.ask(alice.agent.new("INVITE", bob.aor, {"Contact": alice.contact}), bob)
    bob.answer(came, 200, "OK", [("Contact", bob.contact)])
    dialog = Dialog.of_caller(alice, sent, alice.told(sent, 200))

    def passes():
        made = dialog.new("INFO")
        alice.send(made)
        got = net.wait(lambda: bob.find(made, lambda m: m.method) or alice.find(made, lambda m: m.code), 5, "either")
        if got.method:
            bob.answer(got, 200)
            alice.told(made, 200)
        else:
            assert got.code in (403, 407), got.start
        return bool(got.method)

    assert passes()
    assert other.admin("user", "del", alice.aor).returncode == 0
    assert not passes()
    other.stop()
    other.start()
    if transport == "udp":
        assert not passes()


@pytest.mark.skipif(not shutil.which("strace"), reason="strace makes the disk slow")
@pytest.mark.parametrize("again", [False, True], ids=["del", "del and add"])
def test_parked_publish(labs, net, again):
    """repro-parked-publish: a PUBLISH waits behind another one for a slow disk, and its user is deleted meanwhile. It is not
    stored for nobody, nor for the next user of that name."""
    other = labs.server("notify.interval=0")
    other.start()
    user = other.user()
    pair = certs.pair(user.aor)
    try:
        owner = other.agent(net, user)
        challenge = owner.challenge()
        slow = subprocess.Popen(["strace", "-f", "-qq", "-o", "/dev/null", "-e", "trace=fsync,fdatasync",
                                 "-e", "inject=fsync,fdatasync:delay_enter=700000", "-p", str(other.process.child.pid)])
        time.sleep(0.5)
        sent = []
        for number in (1, 2, 3):
            request = owner.new("PUBLISH", user.sips, {"Event": "credential", "Content-Type": "application/pkix-cert"}, pair[0])
            sent.append(owner.authorize(request, challenge, nc=number))
            owner.send(sent[-1])
        time.sleep(0.2)
        assert other.admin("user", "del", user.aor).returncode == 0
        if again:
            assert other.admin("user", "add", user.aor, stdin="the next one's\n").returncode == 0
        codes = [owner.final(one, 20).code for one in sent]
        assert codes[0] == 200 and all(code in (401, 403, 404) for code in codes[1:]), codes
        slow.terminate()
        slow.wait(10)
        time.sleep(1)
        if again:
            assert certificate_of(other.agent(net, transport="tcp").subscribe(user.aor).notify) == b""
        assert user.aor not in other.admin("status").stdout.split("credentials\n")[1].split("contacts")[0]
    finally:
        slow.kill()
        other.stop()


@pytest.mark.parametrize("way", ["del", "del, stopped", "line lost", "all lines lost"])
def test_G48_the_record_of_who_is_gone_is_set_aside(labs, server, net, way):
    """Not erased: a mistake of the administrator can be undone by hand."""
    other = server("notify.interval=0", directory=labs.directory())
    user = other.user()
    pair = certs.pair(user.aor)
    other.agent(net, user).publish(*pair)
    watch = other.agent(net, transport="tcp").subscribe(user.aor)
    path, users = record_of(other, user), store_of(other) / "users"
    octets, before = path.read_bytes(), users.read_text()
    if way == "del, stopped":
        other.stop()
    if way.startswith("del"):
        assert other.admin("user", "del", user.aor).returncode == 0
    else:
        kept = [line for line in before.splitlines(True) if user.aor not in line and way == "line lost"]
        users.write_text("".join(kept))
        assert other.admin("reload").returncode == 0
    if way == "del, stopped":
        other.start()
    else:
        assert not watch.next().body
    gone, = store_of(other).glob("*.gone")
    assert gone.read_bytes() == octets and not path.exists()
    assert f"event=set_aside aor={user.aor}" in other.process.log
    if way.startswith("del"):
        return
    other.stop()
    gone.rename(path)
    users.write_text(before)
    other.start()
    assert other.agent(net, user).fetch_credential() == pair


@pytest.mark.parametrize("verb", ["start", "check", "add", "import"])
def test_G48_a_lost_list_of_users_is_no_empty_one(labs, server, net, tmp_path, verb):
    """Nothing is touched while it is missing; put back, all is as before."""
    other = server(directory=labs.directory())
    user = other.user()
    pair = certs.pair(user.aor)
    other.agent(net, user).publish(*pair)
    other.stop()
    path = store_of(other) / "users"
    kept = path.read_bytes()
    path.unlink()
    before = {one.name: one.read_bytes() for one in store_of(other).iterdir()}
    table = tmp_path / "some.csv"
    table.write_text("sip:dora@example.com,password\n")
    table.chmod(0o600)
    done = {"start": lambda: vouch("serve", "-c", other.conf), "check": lambda: other.admin("check"),
            "add": lambda: other.admin("user", "add", "sip:dora@example.com", stdin="password\n"),
            "import": lambda: other.admin("user", "import", table)}[verb]()
    assert done.returncode == 1 and "users is missing" in done.stderr, done.stderr
    assert {one.name: one.read_bytes() for one in store_of(other).iterdir()} == before
    path.write_bytes(kept)
    other.start()
    assert other.agent(net, user).fetch_credential() == pair


@pytest.mark.parametrize("checked, records", [(True, True), (False, True), (False, False)],
                         ids=["", "store of before", "users only"])
@pytest.mark.parametrize("verb", ["start", "check", "add"])
def test_G48_another_master_key_touches_nothing(labs, server, net, verb, checked, records):
    """Nor does it make itself the one that belongs to the store."""
    other = server(directory=labs.directory())
    user = other.user()
    pair = certs.pair(user.aor)
    if records:
        other.agent(net, user).publish(*pair)
    other.stop()
    key = other.directory / "master.key"
    right = key.read_text()
    key.write_text("0" * 63 + "1\n")
    if not checked:
        (store_of(other) / "master.check").unlink()
    before = {one.name: one.read_bytes() for one in store_of(other).iterdir()}
    done = {"start": lambda: vouch("serve", "-c", other.conf), "check": lambda: other.admin("check"),
            "add": lambda: other.admin("user", "add", "sip:dora@example.com", stdin="password\n")}[verb]()
    assert done.returncode == 1 and "master.key does not belong to this store" in done.stderr, done.stderr
    assert {one.name: one.read_bytes() for one in store_of(other).iterdir()} == before
    key.write_text(right)
    other.start()
    assert other.agent(net, user).fetch_credential() == (pair if records else (b"", None))
