"""`vouch check` refuses what `vouch serve` refuses, in the same words, and says what can hardly be meant."""

import ctypes
import datetime
import json
import os
import re
import secrets
import subprocess

import pytest
from peer import certs
from peer import lab as program

DAY = 86400
DOMAIN = ("sip:example.com", "DNS:example.com")


def add(text):
    """More lines of the configuration."""
    def change(folder):
        conf = folder / "vouch.conf"
        conf.write_text(f"{conf.read_text()}\n{text}\n")
    return change


def replace(pattern, text):
    """Other lines of the configuration."""
    def change(folder):
        conf = folder / "vouch.conf"
        changed = re.sub(pattern, text, conf.read_text(), flags=re.M)
        assert changed != conf.read_text()
        conf.write_text(changed)
    return change


def owner(name):
    """The file is of a user who is not the one of the folder."""
    return lambda folder: os.chown(folder / name, 12345, 12345)


def mode(name, bits):
    return lambda folder: (folder / name).chmod(bits)


def damaged_users(folder):
    users = folder / "store" / "users"
    users.write_bytes(users.read_bytes().replace(b"sip:b", b"sip:x", 1))


def lost_users(folder):
    (folder / "store" / "users").unlink()
    (folder / "store" / "bindings").write_text("something")


def other_master(folder):
    (folder / "master.key").write_text(secrets.token_hex(32) + "\n")


def other_master_of_an_old_store(folder):
    other_master(folder)
    (folder / "store" / "master.check").unlink(missing_ok=True)


class Authorities:
    """A root that is in tls.ca, an authority below it, and a stranger."""

    def __init__(self, folder):
        self.folder = folder
        self.root = certs.load_pem_pair((folder / "ca.crt").read_bytes(), (folder / "ca" / "ca.key").read_bytes())
        self.stranger = certs.certificate(cn="stranger", ca=True, key=certs.ec_key())

    def middle(self, **options):
        key = certs.ec_key()
        return certs.certificate(cn="middle", ca=True, key=key, issuer=self.root, **options), key

    def show(self, issuer, *others):
        """tls.crt: the certificate of the domain and what stands behind it."""
        leaf = certs.certificate(*DOMAIN, key=certs.rsa_key(50), issuer=issuer, until=400 * DAY)
        (self.folder / "tls.crt").write_bytes(b"".join(map(certs.pem, (leaf, *others))))
        (self.folder / "tls.key").write_bytes(certs.key_pem(certs.rsa_key(50)))


def expired_authority(folder):
    a = Authorities(folder)
    middle = a.middle(since=-3 * DAY, until=-DAY)
    a.show(middle, middle[0])


def future_authority(folder):
    a = Authorities(folder)
    middle = a.middle(since=DAY)
    a.show(middle, middle[0])


def unrelated_authority(folder):
    a = Authorities(folder)
    middle = a.middle()
    a.show(middle, middle[0], a.stranger)


def unrelated_instead_of_the_right_one(folder):
    a = Authorities(folder)
    a.show(a.middle(), a.stranger)


def broken_authority(folder):
    a = Authorities(folder)
    a.show(a.root)
    with (folder / "tls.crt").open("ab") as shown:
        shown.write(certs.pem(a.root[0])[:-40])


def deep(folder):
    place = folder / ("d" * 60) / ("e" * 60)
    place.mkdir(parents=True)
    (folder / "store").rename(place / "store")
    replace("^store = .*", f"store = {place.relative_to(folder)}/store")(folder)


# What is done to a lab that is fine, and what both say of it.
REFUSED = {
    "an address of another machine": (replace("^listen-udp = .*", "listen-udp = 192.0.2.99:5060"),
                                      "server.listen-udp = 192.0.2.99:5060: that is no address of this machine"),
    "an IPv6 address of another machine": (replace("^listen-tcp = .*", "listen-tcp = [2001:db8::99]:5060"),
                                           "server.listen-tcp = [2001:db8::99]:5060: that is no address of this machine"),
    "a link-local address": (replace("^listen-udp = .*", "listen-udp = [fe80::1]:5060"),
                             "server.listen-udp = [fe80::1]:5060: that is no address of this machine"),
    "a multicast address": (replace("^listen-udp = .*", "listen-udp = 224.0.0.1:5060"),
                            "server.listen-udp = 224.0.0.1:5060: that is no address of this machine"),
    "a mapped address": (replace("^listen-tcp = .*", "listen-tcp = [::ffff:127.0.0.1]:5060"), "that is no address of this machine"),
    "a store too deep": (deep, "is too long for its control socket, which may have 107 octets"),
    "a port twice": (replace("^listen-tls = .*", "listen-tls = 127.0.0.1:5060"),
                     "server.listen-tls = 127.0.0.1:5060 is a place that server.listen-tcp = 127.0.0.1:5060 has"),
    "a port twice in one list": (replace("^listen-udp = .*", "listen-udp = 127.0.0.1:5060, 127.0.0.2:5060, 0.0.0.0:5060"),
                                 "server.listen-udp = 0.0.0.0:5060 is a place that server.listen-udp = 127.0.0.1:5060 has"),
    "a port twice, for the web": (add("[server]\nlisten-http = 127.0.0.1:5062"),
                                  "server.listen-http = 127.0.0.1:5062 is a place that server.listen-https"),
    "a store that is not there": (replace("^store = .*", "store = sotre"), "is not there: is server.store right?"),
    "a store that all may enter": (mode("store", 0o755), "is open to others (mode 0755)"),
    "a store that all may write": (mode("store", 0o777), "is open to others (mode 0777)"),
    "a damaged line in the users": (damaged_users, "the users cannot be read: the file has damaged lines"),
    "users that are gone": (lost_users, "the file users is missing, but the store has records of users"),
    "the master key of another store": (other_master, "master.key does not belong to this store"),
    "the master key of another old store": (other_master_of_an_old_store, "master.key does not belong to this store"),
    "TLS without a certificate": (replace("^(certificate|key) = tls.*\n", ""),
                                  "server.listen-tls needs tls.certificate and tls.key"),
    "https without a certificate": (lambda folder: (replace("^listen-tls = .*\n", "")(folder),
                                                    replace("^(certificate|key) = tls.*\n", "")(folder)),
                                    "server.listen-https needs tls.certificate and tls.key"),
    "no listener": (replace("^listen-.*\n", ""), "no SIP can come in: none of server.listen-udp, listen-tcp and listen-tls"),
    "no listener but the web": (replace("^listen-(udp|tcp|tls) = .*\n", ""), "no SIP can come in"),
    "no web": (replace("^listen-https = .*\n", ""), "nobody can fetch the certificate that signs"),
    "a URL that is none": (add("[identity]\nurl = foo"), "identity.url = foo; expected an http or https URL"),
    "a URL of another kind": (add("[identity]\nurl = ftp://example.com"), "identity.url = ftp://example.com; expected"),
    "less than the most": (add("[registrar]\nmin-expires = 200\nmax-expires = 100"),
                           "registrar.min-expires = 200 is more than registrar.max-expires = 100"),
    "more than the most": (add("[registrar]\ndefault-expires = 7201"),
                           "registrar.default-expires = 7201 is more than registrar.max-expires = 7200"),
    "less than the least": (add("[certificate]\ndefault-expires = 59"),
                            "certificate.default-expires = 59 is less than certificate.min-expires = 60"),
    "credentials for longer than the most": (add("[credential]\ndefault-expires = 600\nmax-expires = 500"),
                                             "credential.default-expires = 600 is more than credential.max-expires = 500"),
    "a key twice": (add("[server]\ndomain = example.org"), "server.domain is set in line 3 already; expected it once"),
    "a domain with a scheme": (replace("^domain = .*", "domain = sip:example.org"),
                               "server.domain = sip:example.org; expected a name alone"),
    "a domain with a port": (replace("^domain = .*", "domain = example.org:5060"), "expected a name alone"),
    "a domain with a dot behind": (replace("^domain = .*", "domain = example.org."), "expected a name alone"),
    "a domain with an empty label": (replace("^domain = .*", "domain = example..org"), "expected a name alone"),
    "a domain like an address": (replace("^domain = .*", "domain = 256.1.1.1"), "expected a name alone"),
    "no domain": (replace("^domain = .*\n", ""), "server.domain is not set"),
    "an authority that has expired": (expired_authority, "tls.certificate: tls.crt: certificate 2 in it has expired on "),
    "an authority of tomorrow": (future_authority, "certificate 2 in it is not valid yet; is the clock right?"),
    "an unrelated authority": (unrelated_authority, "certificate 3 in it has signed none of the others"),
    "an unrelated authority alone": (unrelated_instead_of_the_right_one, "certificate 2 in it has signed none of the others"),
    "half an authority": (broken_authority, "behind the first certificate stands one that cannot be read"),
    "a configuration for all": (mode("vouch.conf", 0o666), "vouch.conf can be changed by others (mode 0666)"),
    "a configuration for a group": (mode("vouch.conf", 0o620), "vouch.conf can be changed by others (mode 0620)"),
    "a key for all": (mode("tls.key", 0o622), "tls.key can be changed by others (mode 0622)"),
    "a key that others read": (mode("identity.key", 0o644), "identity.key holds a secret but others may read it"),
    "a master key for all": (mode("master.key", 0o602), "master.key can be changed by others (mode 0602)"),
    "a CA for all": (mode("ca.crt", 0o666), "ca.crt can be changed by others (mode 0666)"),
    "a configuration of another user": (owner("vouch.conf"), "vouch.conf belongs to user 12345, who can change it"),
    "a CA of another user": (owner("ca.crt"), "ca.crt belongs to user 12345, who can change it"),
    "a certificate of another user": (owner("identity.crt"), "identity.crt belongs to user 12345, who can change it"),
    "a key of another user": (owner("tls.key"), "tls.key belongs to user 12345, who can change it"),
    "a folder for all": (mode(".", 0o777), "lies in a folder in which everybody can put another in its place (mode 0777)"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_check_refuses_what_serve_refuses(labs, name):
    """In the same words, as one sentence; the log may name lines of a file before it."""
    change, expected = REFUSED[name]
    folder = labs.directory()
    change(folder)
    said = {}
    for verb in ("check", "serve"):
        done = program.vouch(verb, "-c", folder / "vouch.conf")
        assert (done.returncode, done.stdout) == (1, ""), done
        said[verb] = done.stderr.splitlines()[-1].removeprefix(f"vouch {verb}: ")
    assert said["check"] == said["serve"] and expected in said["check"]
    listed = program.vouch("check", "--json", "-c", folder / "vouch.conf")
    assert listed.returncode == 1
    found = json.loads(listed.stdout)
    assert found["errors"] == [said["check"]] and found["fine"] is False


def started(folder, *options):
    """The log of a server on free ports, once it is ready."""
    port = program.free_ports()
    listen = [f"server.listen-{kind}=127.0.0.1:{port + offset}"
              for kind, offset in (("udp", 0), ("tcp", 0), ("tls", 1), ("https", 2))]
    process = program.Process("serve", "-c", folder / "vouch.conf",
                              *[word for option in (*listen, *options) for word in ("-o", option)])
    try:
        program.until(lambda: process.out or process.child.poll() is not None, 30, "the line ready")
    finally:
        process.kill()
    assert process.out, process.log
    return process.log


def checked(folder):
    """What check says: the lines on stderr, and the JSON object."""
    conf = folder / "vouch.conf"
    done, listed = program.vouch("check", "-c", conf), program.vouch("check", "-c", conf, "--json")
    assert done.returncode == listed.returncode and listed.stderr == ""
    found = json.loads(listed.stdout)
    lines = [f"vouch check: {text}" for text in found["errors"]]
    lines += [f"vouch check: warning: {text}" for text in found["warnings"]]
    assert sorted(done.stderr.splitlines()) == sorted(lines)
    assert found["fine"] == (done.returncode == 0) == ("is fine" in done.stdout) and found["file"] == str(conf)
    return done, found


def test_a_lab_is_fine(labs):
    done, found = checked(labs.directory())
    assert (done.returncode, done.stderr) == (0, "") and done.stdout.endswith("vouch.conf is fine\n")
    assert found["errors"] == found["warnings"] == []


def test_a_whole_chain_is_fine(labs):
    folder = labs.directory()
    a = Authorities(folder)
    middle = a.middle(until=400 * DAY)
    for others in ([middle[0]], [middle[0], a.root[0]]):
        a.show(middle, *others)
        done, found = checked(folder)
        assert (done.returncode, found["warnings"]) == (0, []), found


def test_a_missing_authority(labs):
    """A server cannot know all CAs of its peers, so it starts; but it is hardly meant, and check fails."""
    folder = labs.directory()
    a = Authorities(folder)
    a.show(a.middle())
    done, found = checked(folder)
    assert done.returncode == 1 and len(found["errors"]) == 1
    assert "tls.crt leads to no CA of tls.ca or of the system" in found["errors"][0]
    assert "event=certificate_leads_nowhere file=tls.crt" in started(folder)


def test_a_certificate_that_nobody_signed(labs):
    folder = labs.directory()
    (folder / "tls.crt").write_bytes(certs.pem(certs.certificate(*DOMAIN, key=certs.rsa_key(50), until=400 * DAY)))
    (folder / "tls.key").write_bytes(certs.key_pem(certs.rsa_key(50)))
    done, found = checked(folder)
    assert done.returncode == 0 and "is signed by itself" in found["warnings"][0]


def test_no_users_yet(tmp_path):
    assert program.vouch("init", tmp_path / "site", "--domain", "example.org").returncode == 0
    done, found = checked(tmp_path / "site")
    assert done.returncode == 0 and found["warnings"] == ['there are no users; "vouch user add" makes them']
    assert done.stdout.endswith("is fine, but for 1 warning\n")
    assert "event=no_users" in started(tmp_path / "site")


def unable():
    """In the child: it has no right to low ports (PR_CAPBSET_DROP, CAP_NET_BIND_SERVICE), not even as root."""
    assert os.geteuid() != 0 or ctypes.CDLL(None).prctl(24, 10, 0, 0, 0) == 0


def test_a_port_that_is_not_for_this_user(labs):
    """What `vouch init` makes has the port 443, which a server of an ordinary user does not get."""
    conf = labs.directory() / "vouch.conf"
    done = program.vouch("check", "-c", conf, preexec_fn=unable)
    assert (done.returncode, done.stderr) == (0, "")
    for key in ("listen-udp", "listen-tcp", "listen-tls", "listen-https"):
        conf.write_text(re.sub(f"(?m)^{key} = .*", f"{key} = 127.0.0.1:443", conf.read_text()))
        assert program.vouch("check", "-c", conf).stderr == ""
        done = program.vouch("check", "-c", conf, preexec_fn=unable)
        assert done.returncode == 0 and f"warning: server.{key} = 127.0.0.1:443: ports below 1024 need a right" in done.stderr
        refused = program.vouch("serve", "-c", conf, preexec_fn=unable)
        assert refused.returncode == 1 and refused.stderr.endswith(done.stderr.partition("443: ")[2])
        assert f"server.{key}: cannot listen on 127.0.0.1:443: Permission denied; ports below 1024" in refused.stderr
        conf.write_text(re.sub(f"(?m)^{key} = .*", f"{key} = 127.0.0.1:{program.free_ports(1)}", conf.read_text()))


def test_a_store_on_a_file_system_that_is_read_only(labs):
    folder = labs.directory()
    store, conf = folder / "store", folder / "vouch.conf"
    said = []
    for verb in ("check", "serve"):
        script = f"mount --bind {store} {store} && mount -o remount,bind,ro {store} && exec {program.BINARY} {verb} -c {conf}"
        done = subprocess.run(["unshare", "-m", "sh", "-c", script], capture_output=True, text=True, timeout=30)
        if "vouch " not in done.stderr:
            pytest.skip(f"no file system can be mounted here: {done.stderr}")
        assert done.returncode == 1
        said.append(done.stderr.partition(": ")[2])
    assert said[0] == said[1] and "cannot be locked: Read-only file system" in said[0]


def test_a_store_is_not_made_where_nobody_meant_it(labs):
    """Once a misspelt store was made, and the server was ready without any user."""
    folder = labs.directory()
    replace("^store = .*", "store = sotre")(folder)
    for words in (["check"], ["serve"], ["user", "list"], ["user", "add", "x"]):
        done = program.vouch(*words, "-c", folder / "vouch.conf", stdin="password\n")
        assert done.returncode in (1, 3) and "is not there: is server.store right?" in done.stderr
    assert not (folder / "sotre").exists()


def test_a_shorter_maximum_shortens_what_was_not_set(labs):
    """Who sets max-expires alone need not know the other two."""
    folder = labs.directory()
    add("[registrar]\nmax-expires = 600\n[certificate]\nmax-expires = 30")(folder)
    done = program.vouch("check", "--dump", "-c", folder / "vouch.conf")
    assert done.returncode == 0, done.stderr
    values = {}
    for line in done.stdout.splitlines():
        if line.startswith("["):
            section = line
        elif " = " in line and not line.startswith("#"):
            values[section, line.split(" = ")[0]] = line.split(" = ")[1]
    assert values["[registrar]", "default-expires"] == "600" and values["[registrar]", "min-expires"] == "60"
    assert values["[certificate]", "default-expires"] == values["[certificate]", "min-expires"] == "30"


def test_check_changes_nothing(labs, lab):
    """Not even the check value of the master key, and a running server does not notice."""
    folder = labs.directory()
    (folder / "store" / "master.check").unlink()
    before = {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    assert program.vouch("check", "-c", folder / "vouch.conf").returncode == 0
    assert {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()} == before
    assert lab.admin("check").returncode == 0 and lab.admin("status").returncode == 0


# --- certificates that end ---

def ending(folder, section, days):
    program.domain_certificate(folder, section, *DOMAIN, since=-400 * DAY, until=days * DAY + 3600,
                               key=certs.rsa_key(50 if section == "tls" else 51))


@pytest.mark.parametrize("section", ["tls", "identity"])
@pytest.mark.parametrize("days, shown", [(30, None), (29, "ends in 29 days"), (1, "ends in 1 day,"), (0, "ends today")])
def test_a_certificate_that_ends_soon(labs, section, days, shown):
    folder = labs.directory()
    ending(folder, section, days)
    done, found = checked(folder)
    assert done.returncode == 0
    assert len(found["warnings"]) == (shown is not None)
    if shown:
        until = datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(days=days, hours=1)
        assert f"{section}.certificate: {section}.crt {shown}" in found["warnings"][0]
        assert until.strftime("%d %b %Y") in found["warnings"][0] and "--renew" in found["warnings"][0]
    logged = f"event=certificate_ends key={section}.certificate file={section}.crt days={days}"
    assert (logged in started(folder)) == (shown is not None)


def test_an_authority_that_ends_before_the_certificate(labs):
    """The chain is as good as its first link that breaks."""
    folder = labs.directory()
    a = Authorities(folder)
    middle = a.middle(until=5 * DAY + 3600)
    a.show(middle, middle[0])
    assert "tls.certificate: tls.crt ends in 5 days" in checked(folder)[1]["warnings"][0]


def test_a_CA_that_ends_soon(labs):
    """Only if it has signed one of ours: those of others are not ours to renew."""
    folder = labs.directory()
    root = certs.ec_key()
    other = certs.certificate(cn="somebody else", ca=True, key=certs.ec_key(), until=3 * DAY)
    own = certs.certificate(cn="own", ca=True, key=root, until=9 * DAY + 3600)
    (folder / "ca" / "ca.key").write_bytes(certs.key_pem(root))
    (folder / "ca.crt").write_bytes(certs.pem(own))
    for section in ("tls", "identity"):
        ending(folder, section, 100)
    (folder / "ca.crt").write_bytes(certs.pem(other) + certs.pem(own))
    found = checked(folder)[1]
    assert len(found["warnings"]) == 1 and "tls.ca: ca.crt ends in 9 days" in found["warnings"][0]
