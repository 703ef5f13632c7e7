"""`vouch lab`: what changes from one start on a folder to the next: address, port, password, certificates."""

import datetime
import re
import signal
import socket
import subprocess

import pytest
from cryptography import x509
from peer import certs
from peer import lab as program
from peer.sipclient import Agent, UdpPeer

DAY = 86400


@pytest.fixture
def lab_at(labs, tmp_path):
    """Runs `vouch lab` with options until it is ready; gives the process and its port."""
    running = []

    def run(*words, directory, port=None):
        port = port or program.free_ports()
        running.append(program.Process("lab", "--dir", directory, "--port", port, *words))
        process = running[-1]
        program.until(lambda: process.out or process.child.poll() is not None, 30, "the line ready")
        assert process.out and process.out[0].startswith("ready "), process.log
        return process, port

    yield run
    for process in running:
        process.kill()


def stop(process):
    process.signal(signal.SIGTERM)
    assert process.wait() == 0, process.log


def days_left(path):
    made = x509.load_pem_x509_certificate(path.read_bytes())
    return (certs.lifetime(made)[1] - datetime.datetime.now(datetime.timezone.utc)).days


def addresses(path):
    names = x509.load_pem_x509_certificate(path.read_bytes()).extensions.get_extension_for_class(
        x509.SubjectAlternativeName).value
    return {str(address) for address in names.get_values_for_type(x509.IPAddress)}


def test_another_address_is_reached_by_all_that_it_writes(labs, lab_at):
    """Listeners, account files, the URL in Identity-Info, and the names of the certificate for TLS."""
    directory = labs.directory()
    before = (directory / "identity.crt").read_bytes(), (directory / "tls.key").read_bytes()
    process, port = lab_at("--listen", "127.0.0.3", directory=directory)
    assert process.out == [f"ready sip=127.0.0.3:{port} tls=127.0.0.3:{port + 1} https=127.0.0.3:{port + 2} "
                           "domain=example.com\n"]
    assert addresses(directory / "tls.crt") == {"127.0.0.1", "127.0.0.3"}
    assert (directory / "tls.key").read_bytes() == before[1], "the key stays"
    for name in ("alice", "bob", "carol"):
        assert program.read_pairs(directory / f"{name}.account")["server"] == f"tls:127.0.0.3:{port + 1}"
    assert program.vouch("publish", "-a", directory / "bob.account", "--new").returncode == 0
    fetched = program.vouch("certificate", "-a", directory / "alice.account", "sip:bob@example.com", "-v")
    assert fetched.returncode == 0, fetched.stderr
    assert f"<https://127.0.0.3:{port + 2}/" in fetched.stderr
    judged = subprocess.run(["openssl", "verify", "-CAfile", directory / "ca.crt", directory / "tls.crt"],
                            capture_output=True, timeout=30)
    assert judged.returncode == 0
    stop(process)
    made = (directory / "tls.crt").read_bytes()
    stop(lab_at("--listen", "127.0.0.3", directory=directory)[0])
    assert (directory / "tls.crt").read_bytes() == made, "it names the address already"


@pytest.mark.parametrize("address", ["0.0.0.0", "::", "localhost", "127.0.0.1:5060", ""])
def test_an_address_that_nobody_can_reach(tmp_path, address):
    done = program.vouch("lab", "--dir", tmp_path / "lab", "--listen", address)
    assert done.returncode == 2 and f"--listen {address}: expected an address of this machine" in done.stderr
    assert not (tmp_path / "lab").exists()


def test_IPv6_stands_in_brackets(labs, lab_at):
    if not program.has_ipv6():
        pytest.skip("no IPv6 here")
    directory = labs.directory()
    process, port = lab_at("--listen", "::1", directory=directory)
    assert process.out[0].startswith(f"ready sip=[::1]:{port} ")
    assert program.read_pairs(directory / "bob.account")["server"] == f"tls:[::1]:{port + 1}"
    assert program.vouch("publish", "-a", directory / "bob.account", "--new").returncode == 0
    stop(process)


@pytest.mark.parametrize("new", [True, False], ids=["a new folder", "an old folder"])
def test_one_password_for_all(labs, lab_at, tmp_path, new):
    """For scripts, which then need no account file. Users who are gone do not come back."""
    directory = tmp_path / "lab" if new else labs.directory()
    if not new:
        assert program.vouch("user", "del", "carol", "-c", directory / "vouch.conf").returncode == 0
    stop(lab_at("--password", "of all", directory=directory)[0])
    first = (directory / "store" / "users").read_bytes()
    process, port = lab_at("--password", "of all", directory=directory)
    assert (directory / "store" / "users").read_bytes() == first, "who has it keeps registrations and subscriptions"
    for name in ("alice", "bob"):
        assert program.read_pairs(directory / f"{name}.account")["password"] == "of all"
        assert program.vouch("credential", "-a", directory / f"{name}.account").returncode == 5
    listed = program.vouch("user", "list", "-c", directory / "vouch.conf").stdout
    assert ("carol" in listed) == new
    stop(process)
    process, port = lab_at("--password", "another", directory=directory)
    assert program.vouch("credential", "-a", directory / "alice.account").returncode == 5
    stop(process)


@pytest.mark.parametrize("password", ["", " x", "x ", "x\ny", "x" * 255])
def test_a_password_that_no_account_file_can_have(tmp_path, password):
    done = program.vouch("lab", "--dir", tmp_path / "lab", "--password", password)
    assert done.returncode == 2 and "--password: expected" in done.stderr and not (tmp_path / "lab").exists()


def test_account_files_of_added_users_follow_the_port(labs, lab_at):
    directory = labs.directory()
    account = directory / "dora.account"
    assert program.vouch("user", "add", "dora", "-c", directory / "vouch.conf", "--account", account).returncode == 0
    foreign = directory / "elsewhere.account"
    foreign.write_text("aor = sip:dora@example.org\nserver = tls:sip.example.org:5061\n")
    foreign.chmod(0o600)
    before = foreign.read_bytes(), program.read_pairs(account)["password"]
    process, port = lab_at("--password", "of the three", directory=directory)
    assert program.read_pairs(account)["server"] == f"tls:127.0.0.1:{port + 1}"
    assert (foreign.read_bytes(), program.read_pairs(account)["password"]) == before
    assert program.vouch("credential", "-a", account).returncode == 5
    stop(process)


def short(directory, section, days, *names):
    """Gives the lab a certificate of its CA that ends in so many days."""
    names = names or ("sip:example.com", "DNS:example.com", "DNS:localhost", "IP:127.0.0.1")
    return program.domain_certificate(directory, section, *names, since=-3 * DAY, until=days * DAY + 3600,
                                      key=certs.rsa_key(50 if section == "tls" else 51))


@pytest.mark.parametrize("section", ["tls", "identity"])
@pytest.mark.parametrize("days, renewed", [(31, False), (29, True), (-1, True)])
def test_certificates_that_end_soon_are_made_anew(labs, lab_at, section, days, renewed):
    directory = labs.directory()
    paths = short(directory, section, days)
    keys = {path: path.read_bytes() for path in directory.glob("*.key")}
    process, _ = lab_at(directory=directory)
    assert (days_left(paths[0]) > 800) == renewed
    assert {path: path.read_bytes() for path in directory.glob("*.key")} == keys
    assert program.vouch("publish", "-a", directory / "bob.account", "--new").returncode == 0
    fetched = program.vouch("certificate", "-a", directory / "alice.account", "sip:bob@example.com")
    assert fetched.returncode == 0, fetched.stderr
    stop(process)


def test_a_CA_that_ends_soon_is_made_anew(labs, lab_at):
    directory = labs.directory()
    key = certs.ec_key()
    (directory / "ca.crt").write_bytes(certs.pem(certs.certificate(cn="old", ca=True, key=key, until=20 * DAY)))
    (directory / "ca" / "ca.key").write_bytes(certs.key_pem(key))
    for section in ("tls", "identity"):
        short(directory, section, 20)
    process, _ = lab_at(directory=directory)
    assert all(days_left(directory / f"{name}.crt") > 800 for name in ("ca", "tls", "identity"))
    assert program.vouch("publish", "-a", directory / "bob.account", "--new").returncode == 0
    stop(process)


def test_certificates_that_the_lab_did_not_make_are_left_alone(labs, lab_at):
    directory = labs.directory()
    paths = short(directory, "tls", 29, "sip:example.com", "DNS:example.com")
    before = paths[0].read_bytes()
    process, _ = lab_at(directory=directory)
    assert paths[0].read_bytes() == before
    stop(process)


def test_without_the_key_of_the_CA_the_old_certificates_go_on(labs, lab_at):
    directory = labs.directory()
    paths = short(directory, "tls", 29)
    before = paths[0].read_bytes()
    (directory / "ca" / "ca.key").unlink()
    process, _ = lab_at(directory=directory)
    assert paths[0].read_bytes() == before
    assert "the certificates are not made anew" in process.log and "ca/ca.key is not there" in process.log
    stop(process)


def test_a_second_start_changes_nothing_of_a_running_lab(labs, lab_at):
    directory = labs.directory()
    lab_at(directory=directory)
    watched = [path for path in directory.rglob("*") if path.is_file()]
    before = {path: path.read_bytes() for path in watched}
    second = program.vouch("lab", "--dir", directory, "--port", program.free_ports(), "--listen", "127.0.0.4",
                           "--password", "another")
    assert second.returncode == 1 and "is held by another running vouch" in second.stderr
    assert {path: path.read_bytes() for path in watched} == before


@pytest.mark.parametrize("offset", [0, 1, 2])
def test_a_taken_port_says_what_to_type(labs, lab_at, offset):
    """What it says is tried: it must be right."""
    port = program.free_ports()
    with socket.socket() as taken:
        taken.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        taken.bind(("127.0.0.1", port + offset))
        taken.listen(1)
        done = program.vouch("lab", "--dir", labs.directory(), "--port", port)
    assert done.returncode == 1 and f"127.0.0.1:{port + offset}" in done.stderr and done.stderr.count("\n") == 1
    typed = re.search(r'type "vouch lab --port (\d+)"', done.stderr)
    other = int(typed[1])
    assert not other <= port + offset <= other + 2 and 0 < other < 65534


def test_make_lab_passes_options():
    """Also when the tests themselves were started by make, which says more then."""
    done = subprocess.run(["make", "-n", "--no-print-directory", "lab", "LAB=--port 15060 --domain voip.example"],
                          cwd=program.ROOT, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0
    assert re.search(r"vouch lab --port 15060 --domain voip.example$", done.stdout, re.M)


def test_a_domain_that_is_an_address(labs, lab_at, tmp_path, net):
    """What door stations call it. Its certificates name the address as an address, and everything works by it."""
    directory = tmp_path / "lab"
    _, port = lab_at("--domain", "127.0.0.1", directory=directory)
    for name in ("tls.crt", "identity.crt"):
        names = x509.load_pem_x509_certificate((directory / name).read_bytes()).extensions.get_extension_for_class(
            x509.SubjectAlternativeName).value
        assert names.get_values_for_type(x509.UniformResourceIdentifier) == ["sip:127.0.0.1"]
        assert [str(one) for one in names.get_values_for_type(x509.IPAddress)] == ["127.0.0.1"]
        assert names.get_values_for_type(x509.DNSName) == (["localhost"] if name == "tls.crt" else [])
    password = program.read_pairs(directory / "bob.account")["password"]
    bob = Agent(UdpPeer(net, ("127.0.0.1", port)), "bob", "127.0.0.1", password)
    made = bob.new("REGISTER", "sip:127.0.0.1", {"To": f"<{bob.aor}>", "Contact": f"<sip:bob@{bob.peer.address}>"})
    assert bob.run(made)[1].code == 200
    done = program.vouch("publish", "-a", directory / "bob.account", "--new", timeout=60)
    assert done.returncode == 0, done.stderr
    done = program.vouch("certificate", "-a", directory / "alice.account", "sip:bob@127.0.0.1", "-o", tmp_path / "bob.crt")
    assert done.returncode == 0 and "vouched-by   127.0.0.1" in done.stdout, done.stderr
