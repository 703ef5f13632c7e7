"""What the program says when it cannot start: one clear sentence on stderr, exit 1, nothing half-started."""

import re
import socket

import pytest
from peer import certs
from peer import lab as program


@pytest.fixture
def start():
    """Runs `vouch lab` or `vouch serve` that must fail; gives its one line on stderr."""
    processes = []

    def run(directory, *options, command="lab", codes=(1,)):
        port = program.free_ports()
        words = [word for option in options for word in ("-o", option)]
        if command == "lab":
            words = ["--dir", directory, "--port", port] + words
        else:
            words = ["-c", directory / "vouch.conf"] + words
        process = program.Process(command, *words)
        processes.append(process)
        assert process.wait(timeout=10) in codes
        assert process.out == []
        assert len(process.err) == 1, process.log
        assert not any(program.accepts(n) for n in range(port, port + 3))
        return process.log.strip()

    yield run
    for process in processes:
        process.kill()


BROKEN = {
    "no key and value": ("[server]\nnonsense", "expected"),
    "unknown section": ("[servers]\ndomain = x", "servers"),
    "unknown key": ("[notify]\nintervall = 5", "intervall"),
    "no number": ("[notify]\ninterval = soon", "soon"),
    "number out of range": ("[notify]\ninterval = -1", "-1"),
    "not one of the words": ("[credential]\nstyle = 4", "4"),
    "no switch": ("[tls]\nstatic-rsa = maybe", "maybe"),
    "no address": ("[server]\nlisten-udp = 127.0.0.1:99999", "99999"),
    "no transport": ("[route]\nexample.net = sctp:sip.example.net:5060", "sctp:sip.example.net:5060"),
    "no port": ("[route]\nexample.net = udp:127.0.0.1:5060, tcp:sip.example.net", "tls:sip.example.net:5061"),
    "no domain": ("[route]\nexample net = udp:127.0.0.1:5060", "example net"),
    "nine targets": ("[route]\na.test = " + ", ".join(["udp:h.test:5060"] * 9), "up to 8"),
    "unfinished section": ("\n[server", "expected"),
}


@pytest.mark.parametrize("name", BROKEN)
def test_malformed_configuration(labs, start, name):
    """The message has the file, the line and what is wrong or expected; `check` says the same."""
    text, shown = BROKEN[name]
    directory = labs.directory()
    conf = directory / "vouch.conf"
    old = conf.read_text().rstrip("\n")
    conf.write_text(f"{old}\n{text}\n")
    number = old.count("\n") + 3
    checked = program.vouch("check", "-c", conf)
    assert checked.returncode == 1
    for message in (checked.stdout + checked.stderr, start(directory, command="serve")):
        assert "vouch.conf" in message and shown in message
        assert re.search(rf"\b{number}\b", message), f"line {number} in {message!r}"


@pytest.mark.parametrize("option, shown", [
    ("notify.intervall=5", "intervall"), ("nonsense=1", "nonsense"), ("notify.interval=soon", "soon"),
    ("credential.style=4", "style"), ("server.domain=", "domain"),
])
def test_malformed_option(labs, start, option, shown):
    assert shown in start(labs.directory(), option, codes=(1, 2))


def test_missing_configuration(start, tmp_path):
    said = start(tmp_path, command="serve")
    assert "vouch.conf" in said and "No such file" in said


def test_routes_of_one_domain_are_one_list(labs):
    """In the order of the file; the domain in its one form; -o takes the place of all that."""
    conf = labs.directory() / "vouch.conf"
    conf.write_text(conf.read_text() + "\n[route]\nExample.NET. = tls:sip.example.net:5061, udp:[::1]:5060\n"
                    "2001:DB8:0::1 = tcp:127.0.0.1:5\nexample.net = tcp:192.0.2.1:5060\n")
    done = program.vouch("check", "-c", conf, "--dump")
    assert done.returncode == 0, done.stderr
    assert "\nexample.net = tls:sip.example.net:5061, udp:[::1]:5060, tcp:192.0.2.1:5060\n" in done.stdout
    assert "\n2001:db8::1 = tcp:127.0.0.1:5\n" in done.stdout
    conf.write_text(done.stdout)
    assert program.vouch("check", "-c", conf, "--dump").stdout == done.stdout


def test_a_name_server_needs_a_port(labs, start):
    directory = labs.directory()
    assert "server.dns" in start(directory, "server.dns=127.0.0.1:0", command="serve")


def test_check_accepts_the_lab(labs):
    done = program.vouch("check", "-c", labs.directory() / "vouch.conf")
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize("kind", [socket.SOCK_STREAM, socket.SOCK_DGRAM], ids=["tcp", "udp"])
def test_port_in_use(labs, start, kind):
    with socket.socket(socket.AF_INET, kind) as taken:
        taken.bind(("127.0.0.1", 0))
        if kind == socket.SOCK_STREAM:
            taken.listen(1)
        port = taken.getsockname()[1]
        key = "listen-tls" if kind == socket.SOCK_STREAM else "listen-udp"
        said = start(labs.directory(), f"server.{key}=127.0.0.1:{port}")
        assert str(port) in said and "in use" in said.lower()


def points_at(said, key, path):
    """True when the sentence names the file, or the section and key that chose it."""
    return path.name in said or all(word in said.lower() for word in key.split("."))


@pytest.mark.parametrize("key", ["tls.key", "tls.certificate", "tls.ca", "identity.key", "identity.certificate"])
@pytest.mark.parametrize("fault", ["missing", "garbage", "empty"])
def test_unreadable_key_or_certificate(labs, start, key, fault):
    directory = labs.directory()
    path = directory / "broken.pem"
    if fault != "missing":
        path.write_text("-----BEGIN NOTHING-----\n" if fault == "garbage" else "")
        path.chmod(0o600)
    assert points_at(start(directory, f"{key}={path}"), key, path)


@pytest.mark.parametrize("section", ["tls", "identity"])
def test_key_of_another_certificate(labs, start, section):
    directory = labs.directory()
    certificate, _ = program.domain_certificate(directory, "one", "sip:example.com", "DNS:example.com")
    _, key = program.domain_certificate(directory, "two", "sip:example.com", key=certs.rsa_key(51))
    said = start(directory, f"{section}.certificate={certificate}", f"{section}.key={key}")
    assert points_at(said, f"{section}.key", key) and "certificate" in said


@pytest.mark.parametrize("section", ["tls", "identity"])
@pytest.mark.parametrize("fault, options", [
    ("expired", {"since": -7200, "until": -3600}),
    ("not yet valid", {"since": 3600}),
    ("other domain", {}),
    ("no RSA key", {}),
])
def test_TLS_13_unfit_domain_certificate(labs, start, section, fault, options):
    directory = labs.directory()
    name = "other.example" if fault == "other domain" else "example.com"
    key = certs.ec_key() if fault == "no RSA key" else certs.rsa_key(50)
    paths = program.domain_certificate(directory, "unfit", f"sip:{name}", f"DNS:{name}", key=key, **options)
    said = start(directory, f"{section}.certificate={paths[0]}", f"{section}.key={paths[1]}")
    assert points_at(said, f"{section}.certificate", paths[0])
    assert {"expired": "expire", "not yet valid": "valid", "other domain": "example.com", "no RSA key": "RSA"}[fault] \
        in said


def test_TLS_13_small_tls_key(labs, start):
    directory = labs.directory()
    paths = program.domain_certificate(directory, "small", "sip:example.com", key=certs.rsa_key(0, 1024))
    said = start(directory, f"tls.certificate={paths[0]}", f"tls.key={paths[1]}")
    assert points_at(said, "tls.certificate", paths[0]) and "2048" in said


def test_TLS_13_one_key_for_tls_and_identity(labs, start):
    directory = labs.directory()
    paths = program.domain_certificate(directory, "same", "sip:example.com", "DNS:example.com")
    said = start(directory, *(f"{section}.{kind}={path}" for section in ("tls", "identity")
                              for kind, path in zip(("certificate", "key"), paths)))
    assert "identity" in said and "tls" in said and "key" in said


def test_AUT_01_no_identity_key(labs, start):
    said = start(labs.directory(), "identity.key=")
    assert "identity" in said and "key" in said


def test_store_of_another_process(start, server, net):
    first = server()
    said = start(first.directory)
    assert "store" in said and "another" in said
    assert first.agent(net, transport="tcp").options().code == 200


def test_store_that_cannot_be_made(labs, start):
    directory = labs.directory()
    obstacle = directory / "obstacle"
    obstacle.write_text("")
    said = start(directory, f"server.store={obstacle}")
    assert "obstacle" in said
    said = start(directory, f"server.store={obstacle}/store")
    assert "obstacle" in said


def test_commands_for_a_server_that_does_not_run(labs):
    conf = labs.directory() / "vouch.conf"
    for words in (["status"], ["reload"], ["revoke", "sip:bob@example.com"]):
        done = program.vouch(*words, "-c", conf)
        assert done.returncode in (1, 3) and done.stdout == ""
        assert done.stderr.count("\n") == 1 and "run" in done.stderr


def test_a_second_start_leaves_a_running_lab_alone(labs):
    """Its account files had the port of the second one then, and the verbs did not find the server."""
    first = labs.server().start()
    try:
        before = {path.name: path.read_bytes() for path in first.directory.glob("*.account")}
        second = program.vouch("lab", "--dir", first.directory, "--port", program.free_ports())
        assert second.returncode == 1 and "is held by another running vouch" in second.stderr
        assert before == {path.name: path.read_bytes() for path in first.directory.glob("*.account")} and len(before) == 3
    finally:
        first.stop()


def test_a_lab_is_of_its_domain(labs):
    directory = labs.directory()
    done = program.vouch("lab", "--dir", directory, "--port", program.free_ports(), "--domain", "example.org")
    assert done.returncode == 1 and done.stderr.count("\n") == 1
    assert "a lab of example.com" in done.stderr and "--dir" in done.stderr
