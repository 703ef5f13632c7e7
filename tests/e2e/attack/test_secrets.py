"""Secrets leave no trace (G25): in memory, in temporaries of others (G27), in files of the wrong owner, in core files."""

import contextlib
import hashlib
import itertools
import os
import pathlib
import re
import resource
import shutil
import signal
import socket
import stat
import subprocess
import tempfile

import pytest
from peer import certs
from peer.lab import BINARY, Process, Server, domain_certificate, free_ports, until, vouch

NOBODY = 65534
MOST = 1 << 28  # octets of one mapping that a scan reads

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="acts as other users")


def memory(pid):
    """All that the process has in memory that can be read, mapping for mapping."""
    with open(f"/proc/{pid}/maps") as maps, open(f"/proc/{pid}/mem", "rb", 0) as octets:
        for line in maps:
            span, rights = line.split()[:2]
            low, high = (int(end, 16) for end in span.split("-"))
            if "r" in rights and "[v" not in line and high - low < MOST:
                with contextlib.suppress(OSError):
                    octets.seek(low)
                    yield octets.read(high - low)


def found(pid, needles):
    """How often each of the needles lies in the memory of the process."""
    counts = dict.fromkeys(needles, 0)
    for part in memory(pid):
        for name, needle in needles.items():
            counts[name] += part.count(needle)
    return counts


@pytest.fixture
def public():
    """A folder that everybody may search, with a copy of the program that everybody may run."""
    path = pathlib.Path(tempfile.mkdtemp(prefix="vouch-"))
    path.chmod(0o755)
    shutil.copy(BINARY, path / "vouch")
    (path / "vouch").chmod(0o755)
    yield path
    shutil.rmtree(path)


def as_user(public, user, *arguments, stdin=""):
    return subprocess.run([public / "vouch", *map(str, arguments)], input=stdin, capture_output=True, text=True, timeout=30,
                          user=user, group=user, extra_groups=[])


def give(path, owner=NOBODY):
    """The folder with all that is in it belongs to the owner from now on."""
    for one in (path, *path.rglob("*")):
        os.chown(one, owner, owner, follow_symlinks=False)


# --- memory ---

@pytest.mark.parametrize("transport", ["tls", "verbs"])
def test_memory_secrets(server, net, tmp_path, transport):
    """Neither a PUBLISH with a private key nor the NOTIFY that brings it back leaves a part of the key in the server."""
    other = server("notify.interval=0")
    user = other.user()
    certificate, key = certs.pair(user.aor)
    numbers = certs.rsa_key().private_numbers()
    if transport == "tls":
        agent = other.agent(net, user)
        assert agent.publish(certificate, key).code == 200
        assert agent.fetch_credential() == (certificate, key)
        agent.peer.close()
    else:
        account = other.directory / "alice.account"
        (tmp_path / "k.pem").write_bytes(certs.key_pem(certs.rsa_key()))
        (tmp_path / "k.pem").chmod(0o600)
        (tmp_path / "c.pem").write_bytes(certs.pem(certs.pair("sip:alice@example.com")[0]))
        for arguments in (("publish", "-a", account, "--cert", tmp_path / "c.pem", "--key", tmp_path / "k.pem"),
                          ("credential", "-a", account, "-o", tmp_path / "got")):
            done = vouch(*arguments)
            assert done.returncode == 0, done.stderr
    d, p, q = (number.to_bytes(size, "big") for number, size in
               ((numbers.d, 256), (numbers.p, 128), (numbers.q, 128)))
    needles = {"d, begin": d[:32], "d, middle": d[96:128], "d, end": d[-32:], "p": p[:32], "q": q[40:72],
               "d, little-endian": d[::-1][64:96], "p, little-endian": p[::-1][32:64]}
    control = {"realm": b"example.com"}

    def clean():
        return not any(found(other.process.child.pid, needles).values())

    until(clean, 5, "memory without the key")
    counts = found(other.process.child.pid, needles | control)
    assert counts.pop("realm") > 0, "the scan reads nothing"
    assert not any(counts.values()), counts


@pytest.mark.parametrize("transport", ["udp", "tcp", "tls"])
def test_memory_of_what_was_refused(server, net, transport):
    """A phone that publishes its key in the clear is refused, and so is a body that nobody takes; neither stays in a buffer."""
    other = server()
    user = other.user()
    key, numbers = certs.pair(user.aor)[1], certs.rsa_key().private_numbers()
    agent = other.agent(net, user, transport)
    for method, uri in (("PUBLISH", user.aor), ("PUBLISH", "sip:nobody@example.com"), ("MESSAGE", user.aor),
                        ("FROBNICATE", "sip:example.com"), ("PUBLISH", user.aor)):
        asked = agent.new(method, uri, {"Event": "credential", "Content-Type": "application/pkcs8"}, key)
        assert agent.exchange(asked).code >= 400
    if transport != "udp":
        agent.peer.close()
    needles = {"p": numbers.p.to_bytes(128, "big")[:32], "q": numbers.q.to_bytes(128, "big")[40:72]}
    until(lambda: not any(found(other.process.child.pid, needles).values()),
          40 if transport == "udp" else 5, "memory without the key")


def test_memory_of_replaced_keys(server):
    """A key is replaced because it ends, or because somebody else may have it: a reload leaves none of the old ones."""
    other = server()
    needles = {}
    for number in (61, 62, 63):
        for name, of in (("identity", ["DNS:example.com"]), ("tls", ["sip:example.com", "DNS:example.com"])):
            key = certs.rsa_key(number * 2 + (name == "tls"))
            domain_certificate(other.directory, name, *of, key=key)
            needles[f"{name} {number}"] = key.private_numbers().p.to_bytes(128, "little")[32:64]
        assert (done := other.admin("reload")).returncode == 0, done.stderr
    old = {name: needle for name, needle in needles.items() if not name.endswith("63")}
    until(lambda: not any(found(other.process.child.pid, old).values()), 10, "memory without the replaced keys")
    assert all(found(other.process.child.pid, {name: needles[name] for name in ("identity 63", "tls 63")}).values())


def test_S_41_no_process_of_ours_can_be_read_by_its_user(labs, public):
    """No core file, and what is in /proc belongs to root: the server, and a verb that holds a private key."""
    other = labs.server().directory
    shutil.copytree(other, public / "lab", ignore=lambda *_: ["control"])
    give(public / "lab")
    port = free_ports()
    running = []

    def start(*arguments):
        running.append(subprocess.Popen([public / "vouch", *map(str, arguments)], stdin=subprocess.DEVNULL,
                                        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, user=NOBODY, group=NOBODY,
                                        extra_groups=[]))
        return running[-1]

    try:
        server = start("lab", "--dir", public / "lab", "--port", port, "-o", "log.level=warn")
        assert b"ready" in server.stdout.readline()
        watch = start("certificate", "-a", public / "lab" / "alice.account", "sip:bob@example.com", "--watch")
        watch.stdout.readline()
        for process in (server, watch):
            status = pathlib.Path(f"/proc/{process.pid}/status").read_text()
            assert f"Uid:\t{NOBODY}" in status and "NoNewPrivs:\t1" in status
            assert os.stat(f"/proc/{process.pid}/environ").st_uid == 0
            limits = pathlib.Path(f"/proc/{process.pid}/limits").read_text()
            assert re.search(r"Max core file size +0 +0 ", limits)
    finally:
        for process in running:
            process.kill()
            process.communicate()


@pytest.mark.parametrize("limit", [0, 8 << 20])
def test_G25_nothing_of_the_server_goes_to_swap(labs, public, limit):
    """Where the system lets it, as it lets root; else it says so, and works."""
    shutil.copytree(labs.server().directory, public / "lab", ignore=lambda *_: ["control"])
    give(public / "lab")
    for user, may in ((0, "all"), (NOBODY, "heap" if limit > 1 << 22 else "")):
        server = subprocess.Popen([public / "vouch", "lab", "--dir", public / "lab", "--port", str(free_ports()),
                                   "-o", "log.level=info"], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                                  preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_MEMLOCK, (limit, limit)),
                                  user=user, group=user, extra_groups=[])
        try:
            assert "ready" in server.stdout.readline()
            status = pathlib.Path(f"/proc/{server.pid}/status").read_text()
            heap = pathlib.Path(f"/proc/{server.pid}/smaps").read_text().partition("[heap]")[2].partition("VmFlags:")[2]
        finally:
            server.kill()
            log = server.communicate()[1]
        locked = int(re.search(r"VmLck:\s+(\d+) kB", status)[1])
        assert ("memory_not_locked" in log, "memory_partly_locked" in log) == (not may, may == "heap"), log
        assert (locked > 1000 if may == "all" else (locked > 0) == bool(may)), locked
        assert (" lo" in heap.partition("\n")[0]) == bool(may), heap[:100]


def heaps(pid):
    """Whether each part of the heap is locked: the kernel lists what was locked before and what came to it apart."""
    flags = re.findall(r"\[heap\]\n.*?VmFlags:([^\n]*)", pathlib.Path(f"/proc/{pid}/smaps").read_text(), re.DOTALL)
    return [" lo" in one for one in flags]


@pytest.mark.parametrize("what", ["reload", "users", "publication"])
def test_G25_what_is_read_later_is_locked_as_well(labs, public, net, what):
    """Keys after the renewal of certificates, hashes of new users, keys that pass through: the heap grows with them."""
    shutil.copytree(labs.server().directory, public / "lab", ignore=lambda *_: ["control"])
    give(public / "lab")
    conf, limit, port = public / "lab/vouch.conf", 8 << 20, free_ports()
    server = subprocess.Popen([public / "vouch", "lab", "--dir", public / "lab", "--port", str(port)], stdout=subprocess.PIPE,
                              stderr=subprocess.DEVNULL, text=True, user=NOBODY, group=NOBODY, extra_groups=[],
                              preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_MEMLOCK, (limit, limit)))
    try:
        assert "ready" in server.stdout.readline()
        until(lambda: set(heaps(server.pid)) == {True}, 8, "the lock of what the heap grew by behind the start")
        csv = public / "users.csv"
        csv.write_text("".join(f"sip:u{n}@example.com,{n:032x},{n:064x}\n" for n in range(2000)))
        csv.chmod(0o600)
        if what == "reload":
            assert vouch("init", public / "lab", "--renew").returncode == 0
        if what != "publication":
            assert vouch("user", "import", csv, "-c", conf).returncode == 0
            assert what == "users" or vouch("reload", "-c", conf).returncode == 0
        else:  # many requests at once, which the heap has to grow for
            peers = [socket.create_connection(("127.0.0.1", port)) for _ in range(40)]
            for peer in peers:
                peer.sendall(b"MESSAGE sip:a@example.com SIP/2.0\r\nContent-Length: 60000\r\n\r\n" + bytes(59000))
        until(lambda: set(heaps(server.pid)) == {True}, 8, "the lock of all of the heap")
    finally:
        server.kill()
        server.communicate()


# --- files ---

def plant(path, inside=b""):
    """What somebody else left at the path, which he can read and write; the descriptor with which he goes on reading."""
    path.write_bytes(inside)
    path.chmod(0o666)
    os.chown(path, NOBODY, NOBODY)
    return path.open("rb")


def is_ours(path, owner=0):
    found = path.stat()
    return found.st_uid == owner and stat.S_IMODE(found.st_mode) == 0o600


@pytest.mark.parametrize("there", [True, False], ids=["in the folder", "beside it"])
@pytest.mark.parametrize("verb", ["init", "lab"])
def test_G27_what_root_makes_belongs_to_the_owner_of_the_folder(public, verb, there):
    """Folders as well as files, and the folder itself: or the server of that user could not open its store."""
    home, port = public / "home", free_ports()
    home.mkdir(mode=0o700)
    site = home / "site"
    if there:
        site.mkdir(mode=0o700)
    give(home)
    if verb == "init":
        assert vouch("init", site, "--domain", "example.com").returncode == 0
    else:
        server = Process("lab", "--dir", site, "--port", port)
        until(lambda: server.out, 20, "the ready line")
        server.signal(signal.SIGTERM)
        assert server.wait() == 0
    conf = site / "vouch.conf"
    assert vouch("user", "add", "sip:zoe@example.com", "-c", conf, stdin="secret of zoe\n").returncode == 0
    assert vouch("init", site, "--renew").returncode == 0
    assert vouch("user", "add", "yves", "-c", conf, "--account", site / "yves.account").returncode == 0
    of_root = [str(one) for one in home.rglob("*") if one.lstat().st_uid != NOBODY or one.lstat().st_gid != NOBODY]
    assert not of_root
    ports = [f"server.listen-{kind}=127.0.0.1:{port + n}" for n, kind in enumerate(("udp", "tls", "https"))]
    server = subprocess.Popen([public / "vouch", "serve", "-c", conf, "-o", f"server.listen-tcp=127.0.0.1:{port}",
                               *itertools.chain(*(("-o", one) for one in ports))],
                              stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, user=NOBODY, group=NOBODY, extra_groups=[])
    try:
        assert "ready" in server.stdout.readline()
    finally:
        server.kill()
        server.communicate()


@pytest.mark.parametrize("kind", ["hard link", "symbolic link", "pipe", "of another user"])
@pytest.mark.parametrize("name", ["users.lock", "lock", "bindings", "subscriptions", "replay.0"])
def test_G27_root_is_not_led_to_files_of_his_own(public, name, kind):
    """The user of the folder puts something in the place of a file that root opens there: it stays what it is, and whose it is."""
    site, target, port = public / "site", public / "of-root", free_ports()
    assert vouch("init", site, "--domain", "example.com").returncode == 0
    assert vouch("user", "add", "zoe", "-c", site / "vouch.conf", stdin="secret of zoe\n").returncode == 0
    give(site)
    target.write_text("root only\n")
    target.chmod(0o600)
    place = site / "store" / name
    place.unlink(missing_ok=True)
    if kind == "hard link":
        os.link(target, place)
    elif kind == "symbolic link":
        place.symlink_to(target)
    elif kind == "pipe":
        os.mkfifo(place)
    else:
        place.write_text("of another user\n")
        os.chown(place, 12345, 12345)
    if name == "users.lock":
        done = vouch("user", "add", "yves", "-c", site / "vouch.conf", stdin="secret of yves\n")
    else:
        listen = [f"server.listen-{one}=127.0.0.1:{port + n}" for n, one in enumerate(("udp", "tls", "https"))]
        done = vouch("serve", "-c", site / "vouch.conf", "-o", f"server.listen-tcp=127.0.0.1:{port}",
                     *itertools.chain(*(("-o", one) for one in listen)), timeout=20)
    assert done.returncode in (1, 3) and done.stderr.count("\n") >= 1, done
    assert target.read_text() == "root only\n" and (target.stat().st_uid, target.stat().st_gid) == (0, 0)


def test_tmp_not_excl(server, net, tmp_path):
    """A temporary that somebody made beforehand does not become the file with the key, wherever one is written."""
    other = server()
    account = other.directory / "bob.account"
    assert vouch("publish", "-a", account, "--new", timeout=60).returncode == 0
    folder = tmp_path / "open"
    folder.mkdir()
    folder.chmod(0o777)
    with plant(folder / "bob.key.tmp") as eyes:
        done = vouch("credential", "-a", account, "-o", folder / "bob")
        assert done.returncode == 0, done.stderr
        assert is_ours(folder / "bob.key") and b"PRIVATE KEY" in (folder / "bob.key").read_bytes()
        assert eyes.read() == b""


def test_temporaries_of_others_in_the_store(server, net):
    """The same where only a fault could have left them: users, a record, the journal's successor, the control file."""
    other = server("notify.interval=0")
    user = other.user()
    agent, newer = other.agent(net, user), certs.pair(user.aor, 1)
    assert agent.publish(*certs.pair(user.aor)).code == 200
    store = other.directory / "store"
    record, = store.glob("*.rec")
    names = ["users.tmp", f"{record.name}.tmp", "subscriptions.next", "bindings.next"]
    with contextlib.ExitStack() as stack:
        eyes = [stack.enter_context(plant(store / name)) for name in names]
        later = other.user()
        assert agent.publish(*newer).code == 200
        other.stop()
        other.start()
        assert other.agent(net, user).fetch_credential() == newer
        assert other.agent(net, later).publish(*certs.pair(later.aor)).code == 200
        assert [one.read() for one in eyes] == [b""] * len(eyes)
    assert all(is_ours(path) for path in store.iterdir() if path.is_file())


def reading(folder, name):
    """The verb that reads that secret of a lab."""
    if name == "alice.account":
        return "certificate", "-a", folder / name, "sip:bob@example.com"
    if name == "ca/ca.key":
        return "init", folder, "--renew"
    return ("user", "list", "-c", folder / "vouch.conf") if name == "store" else ("check", "-c", folder / "vouch.conf")


SECRETS = ["master.key", "tls.key", "identity.key", "alice.account", "ca/ca.key", "store"]


@pytest.mark.parametrize("name", SECRETS)
def test_G27_secrets_that_others_may_read_are_refused(labs, name):
    folder = labs.server().directory
    for mode in (0o640, 0o604, 0o602, 0o620):
        (folder / name).chmod(mode | 0o100 * (name == "store"))
        done = vouch(*reading(folder, name))
        assert done.returncode in (1, 3) and done.stderr.count("\n") == 1 and name in done.stderr, done
        assert "others" in done.stderr


@pytest.mark.parametrize("reader", [NOBODY, 0])
@pytest.mark.parametrize("name", SECRETS)
def test_G27_secrets_of_another_user_are_refused(labs, public, name, reader):
    """Whoever owns the file could read it, or have put it there. Only root works in a store of another user."""
    shutil.copytree(labs.server().directory, public / "lab", ignore=lambda *_: ["control"])
    path = public / "lab" / name
    give(public / "lab", reader)
    os.chown(path, 1, 1)
    done = as_user(public, reader, *reading(public / "lab", name))
    if (name, reader) == ("store", 0):
        assert done.returncode == 0
    else:
        assert done.returncode in (1, 3) and done.stderr.count("\n") == 1 and name in done.stderr, done.stderr
        assert "belongs to user 1" in done.stderr or (reader != 0 and "denied" in done.stderr)


def test_G27_root_is_no_stranger_to_the_store_of_the_server(labs, public):
    """`vouch user` as root, in the store of a server that runs as another user, leaves nothing that he cannot open."""
    shutil.copytree(labs.server().directory, public / "lab", ignore=lambda *_: ["control"])
    folder = public / "lab"
    give(folder)
    for arguments in (("user", "add", "sip:dora@example.com"), ("user", "passwd", "sip:alice@example.com"),
                      ("user", "del", "sip:carol@example.com")):
        done = vouch(*arguments, "-c", folder / "vouch.conf", stdin="one-password-of-hers\n")
        assert done.returncode == 0, done.stderr
    assert vouch("init", folder, "--renew").returncode == 0
    assert {path.stat().st_uid for path in (folder, *folder.rglob("*"))} == {NOBODY}
    listed = as_user(public, NOBODY, "user", "list", "-c", folder / "vouch.conf")
    assert listed.returncode == 0 and "dora" in listed.stdout and "carol" not in listed.stdout


# --- the key of the CA ---

def certificate_in(path):
    return hashlib.sha256(path.read_bytes()).hexdigest()


def judged(folder, name):
    return subprocess.run(["openssl", "verify", "-CAfile", folder / "ca.crt", folder / name], capture_output=True, text=True,
                          timeout=30)


@pytest.mark.parametrize("made_by", ["init", "lab"])
def test_init_renew(net, tmp_path, made_by):
    """The key of the CA is apart, and `init --renew` makes certificates with it that a running server takes at reload."""
    other = Server(tmp_path / "lab", ["log.level=info"])
    if made_by == "init":
        done = vouch("init", other.directory, "--domain", other.domain)
        assert done.returncode == 0 and f"{other.directory}/ca" in done.stdout
    other.start()
    folder = other.directory
    try:
        assert is_ours(folder / "ca" / "ca.key") and stat.S_IMODE((folder / "ca").stat().st_mode) == 0o700
        before = {path: path.read_bytes() for path in folder.glob("*.*") if path.is_file()}
        done = vouch("init", folder, "--renew")
        assert done.returncode == 0 and "reload" in done.stdout, done.stderr
        changed = {path.name for path, octets in before.items() if path.read_bytes() != octets}
        assert changed == {"tls.crt", "identity.crt"}
        assert all(judged(folder, name).returncode == 0 for name in changed)
        assert other.admin("reload").returncode == 0
        shutil.move(folder / "ca", tmp_path / "away")
        peer = other.peer(net)
        shown = peer.sock.getpeercert(binary_form=True)
        assert certs.pem(shown).strip() == (folder / "tls.crt").read_bytes().strip()
        peer.close()
        certificates = {path: path.read_bytes() for path in folder.glob("*.crt")}
        shutil.copy(tmp_path / "away" / "ca.key", folder / "ca.key")
        done = vouch("init", folder, "--renew")
        assert done.returncode == 1 and "older versions" in done.stderr and f"{folder}/ca," in done.stderr
        (folder / "ca.key").unlink()
        done = vouch("init", folder, "--renew")
        assert done.returncode == 1 and "ca/ca.key is not there" in done.stderr
        assert {path: path.read_bytes() for path in folder.glob("*.crt")} == certificates
    finally:
        other.stop()


def test_init_renew_with_another_key(tmp_path):
    """The key of another CA would make certificates that nobody can check: nothing is written."""
    for name in ("one", "two"):
        assert vouch("init", tmp_path / name, "--domain", "example.org").returncode == 0
    shutil.copy(tmp_path / "two" / "ca" / "ca.key", tmp_path / "one" / "ca" / "ca.key")
    before = certificate_in(tmp_path / "one" / "tls.crt")
    done = vouch("init", tmp_path / "one", "--renew")
    assert done.returncode == 1 and "does not belong to ca.crt" in done.stderr
    assert certificate_in(tmp_path / "one" / "tls.crt") == before
    for arguments in (("init", tmp_path / "one"), ("init", tmp_path / "one", "--renew", "--domain", "example.org"),
                      ("serve", "--renew", "-c", tmp_path / "one" / "vouch.conf")):
        assert vouch(*arguments).returncode == 2
