"""A person at a terminal: the pass phrase that `vouch credential` asks for (UAK-13, T-25), and how to leave."""

import os
import pty
import signal
import termios

import pytest
from peer import certs
from peer import lab as program
from peer.sipclient import tag
from peer.stub import CredentialService, account

BOB = "sip:bob@example.com"
PHRASE = "a phrase of bob"
PROMPT = "phrase of the private key"


class Terminal(program.Process):
    """A verb whose standard input is a terminal of its own. `typed` is what the terminal showed of the typing."""

    def __init__(self, *arguments):
        self.master, self.slave = pty.openpty()
        self.before = termios.tcgetattr(self.slave)
        super().__init__(*arguments, stdin=self.slave)

    def drain(self, stream, lines):
        """Prompts have no line end: octet by octet, into the last line."""
        lines.append("")
        while octet := stream.read(1):
            lines[-1] += octet.decode("latin-1")
        super().drain(stream, lines)

    def asked(self, prompt=PROMPT):
        program.until(lambda: prompt in self.log, 10, "the prompt")
        program.until(lambda: not termios.tcgetattr(self.slave)[3] & termios.ECHO, 5, "a terminal without echo")

    def type(self, text):
        os.write(self.master, text.encode())

    def typed(self):
        """What came back on the terminal."""
        os.set_blocking(self.master, False)
        try:
            return os.read(self.master, 4096).decode()
        except BlockingIOError:
            return ""

    def restored(self):
        return termios.tcgetattr(self.slave) == self.before

    def close(self):
        self.kill()
        os.close(self.slave)
        os.close(self.master)


class Desk:
    """bob at his device, and a server that has his credential, its key encrypted."""

    def __init__(self, domain, stubs, directory):
        self.service = CredentialService(domain, certs.certificate(BOB), certs.pkcs8_encrypted(certs.rsa_key(), PHRASE))
        self.stub = stubs(self.service)
        self.prefix = directory / "own"
        self.account = account(directory / "bob.account", BOB, "his-password", f"tls:127.0.0.1:{self.stub.port}",
                               domain.ca)
        self.service.password = "his-password"
        self.terminals = []

    def sit_down(self, *words):
        self.terminals.append(Terminal("credential", "-a", self.account, "-o", self.prefix, *words))
        return self.terminals[-1]

    def has_files(self):
        return [self.prefix.with_suffix(suffix).exists() for suffix in (".crt", ".key")]

    def subscribes(self):
        """SUBSCRIBEs that began a dialog and had credentials."""
        return [r for r in self.stub.requests if r.all("Authorization") and tag(r.one("To")) is None]


@pytest.fixture
def desk(domain, stubs, tmp_path):
    made = Desk(domain, stubs, tmp_path)
    yield made
    for terminal in made.terminals:
        terminal.close()


def test_UAK_13_answer_then_ask_then_subscribe_again(desk):
    terminal = desk.sit_down()
    assert desk.stub.answer().code == 437, "before anybody was asked"
    terminal.asked()
    assert len(desk.subscribes()) == 1 and desk.has_files() == [False, False]
    terminal.type(PHRASE + "\n")
    assert desk.stub.answer().code == 200
    assert terminal.wait() == 0, terminal.log
    first, second = desk.subscribes()
    assert first.one("Call-ID") != second.one("Call-ID")
    assert desk.has_files() == [True, True]
    assert PHRASE not in terminal.typed() + terminal.log and terminal.restored()


def test_UAK_13_EVT_21_when_the_notify_came_before_the_200(desk):
    """A late 200 to the first SUBSCRIBE is not the end of the second."""
    def subscribe(connection, request):
        connection.send(desk.service.notify(connection, request))
        if desk.subscribes()[0] is request:
            late.append((connection, request))
        else:
            connection.accept_subscribe(request, 0)

    late = []
    desk.service.subscribe = subscribe
    terminal = desk.sit_down()
    assert desk.stub.answer().code == 437
    terminal.asked()
    late[0][0].accept_subscribe(late[0][1], 0)
    terminal.type(PHRASE + "\n")
    assert terminal.wait() == 0, terminal.log
    assert len(desk.subscribes()) == 2 and desk.has_files() == [True, True]


def test_UAK_13_wrong_phrase_ends(desk):
    terminal = desk.sit_down()
    assert desk.stub.answer().code == 437
    terminal.asked()
    terminal.type("wrong\n")
    assert desk.stub.answer().code == 437
    assert terminal.wait() == 3 and "phrase" in terminal.log.splitlines()[-1]
    assert desk.has_files() == [False, False] and terminal.restored()


def test_UAK_13_no_phrase_ends(desk):
    terminal = desk.sit_down()
    terminal.asked()
    terminal.type("\n")
    assert terminal.wait() == 3 and len(desk.subscribes()) == 1 and terminal.restored()


def test_UAK_13_a_phrase_file_comes_first(desk, tmp_path):
    """A person is asked when the phrase at hand does not fit, and not when it does."""
    file = tmp_path / "phrase"
    file.write_text("an old phrase\n")
    file.chmod(0o600)
    terminal = desk.sit_down("--passphrase-file", file)
    terminal.asked()
    terminal.type(PHRASE + "\n")
    assert terminal.wait() == 0
    file.write_text(PHRASE + "\n")
    terminal = desk.sit_down("--passphrase-file", file)
    assert terminal.wait() == 0 and PROMPT not in terminal.log


def test_UAK_13_watch_goes_on_after_the_prompt(desk):
    terminal = desk.sit_down("--watch")
    terminal.asked()
    terminal.type(PHRASE + "\n")
    program.until(lambda: desk.has_files() == [True, True], 10, "the files")
    assert terminal.child.poll() is None
    terminal.signal(signal.SIGTERM)
    assert terminal.wait() == 0


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM], ids=str)
def test_UAK_13_a_signal_leaves_the_prompt(desk, number):
    """... and the terminal as it was."""
    terminal = desk.sit_down()
    terminal.asked()
    terminal.signal(number)
    assert terminal.wait() == 3
    assert terminal.restored() and desk.has_files() == [False, False] and len(desk.subscribes()) == 1


def test_prompt_of_the_administrator_leaves_the_terminal_as_it_was(lab):
    for number in (signal.SIGINT, signal.SIGTERM):
        terminal = Terminal("user", "add", "-c", lab.conf, "sip:nobody.there@example.com")
        try:
            program.until(lambda: "assword" in terminal.log, 10, "the prompt")
            program.until(lambda: not termios.tcgetattr(terminal.slave)[3] & termios.ECHO, 5, "no echo")
            terminal.signal(number)
            assert terminal.wait() == -number
            assert terminal.restored()
        finally:
            terminal.close()
    assert "nobody.there" not in lab.admin("user", "list").stdout


def asked_for_a_password(lab, *answers):
    """What `vouch user add` ends with on a terminal, and what it showed."""
    terminal = Terminal("user", "add", "twice", "-c", lab.conf)
    try:
        for prompt, answer in zip(("Password: ", "The same again: "), answers):
            program.until(lambda: prompt in terminal.log, 20, prompt)
            program.until(lambda: not termios.tcgetattr(terminal.slave)[3] & termios.ECHO, 5, "no echo")
            terminal.type(answer + "\n")
        code = terminal.wait()
        assert terminal.restored() and not any(answer in terminal.typed() + terminal.log for answer in answers)
        return code, terminal.log + "".join(terminal.out)
    finally:
        terminal.close()


def test_a_password_is_typed_twice(server):
    """Nobody sees what is typed, and a slip would lock the user out."""
    lab = server()
    code, said = asked_for_a_password(lab, "first secret", "other secret")
    assert code == 3 and "the two passwords differ" in said
    assert "sip:twice@" not in lab.admin("user", "list").stdout
    code, said = asked_for_a_password(lab, "first secret", "first secret")
    assert code == 0 and "sip:twice@example.com is a user now" in said
    assert "sip:twice@" in lab.admin("user", "list").stdout


@pytest.mark.parametrize("words", [("user", "add"), ("user", "passwd")], ids=" ".join)
def test_who_sits_at_a_prompt_keeps_nobody_from_changes(labs, words):
    """The users are locked when the password is there, and read again: what others have changed meanwhile stays."""
    directory = labs.directory()
    conf = directory / "vouch.conf"

    def users():
        return program.vouch("user", "list", "-c", conf).stdout.split()

    name = "zoe" if "add" in words else "bob"
    terminal = Terminal(*words, name, "-c", conf)
    try:
        terminal.asked("Password: ")
        for change, more in (("add", {"stdin": "secret of eve\n"}), ("del", {})):
            done = program.vouch("user", change, "eve" if change == "add" else "carol", "-c", conf, **more)
            assert done.returncode == 0 and done.stderr == "", done
        terminal.type("a new secret\n")
        terminal.asked("The same again: ")
        assert sorted(users()) == [f"sip:{one}@example.com" for one in ("alice", "bob", "eve")]
        terminal.type("a new secret\n")
        assert terminal.wait() == 0, terminal.log
        assert sorted(users()) == sorted({f"sip:{one}@example.com" for one in ("alice", "bob", "eve", name)})
    finally:
        terminal.close()


def test_a_user_that_another_has_made_meanwhile_is_refused(labs):
    conf = labs.directory() / "vouch.conf"
    terminal = Terminal("user", "add", "zoe", "-c", conf)
    try:
        terminal.asked("Password: ")
        assert program.vouch("user", "add", "zoe", "-c", conf, stdin="the first secret\n").returncode == 0
        for prompt in ("Password: ", "The same again: "):
            terminal.asked(prompt)
            terminal.type("the second secret\n")
        assert terminal.wait() == 1 and "sip:zoe@example.com is there already" in terminal.log
    finally:
        terminal.close()
