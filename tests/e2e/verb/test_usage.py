"""How verbs are used: help, wrong arguments, completion, and output that nobody can read."""

import re
import shutil
import subprocess

import pytest
from peer import lab as program

USAGE, LOCAL = 2, 3
ROOT = program.ROOT


def uses():
    """The names of the verbs, as `vouch help` lists them; some have two words."""
    return sorted(set(re.findall(r"^  ([a-z]+(?: [a-z]+)?) {2,}", program.vouch("help").stdout, re.M)))


def options(verb):
    """What `vouch help VERB` says of options: the option, and what stands behind it."""
    return re.findall(r"^  (--?[a-z0-9-]+)(?:, --help| (\S+))?(?:  |$)", program.vouch("help", verb).stdout, re.M)


VERBS = uses()


def test_help_lists_the_verbs():
    asked = [program.vouch(*words) for words in (["help"], ["-h"], ["--help"], ["help", "help"], ["help", "--help"],
                                                     ["--help", "-h"])]
    assert {(done.returncode, done.stdout, done.stderr) for done in asked} == {(0, asked[0].stdout, "")}
    assert {"lab", "serve", "init", "check", "user add", "status", "reload", "publish", "credential", "certificate",
            "revoke", "verify", "sign"} <= set(VERBS)
    nothing = program.vouch()
    assert (nothing.returncode, nothing.stdout, nothing.stderr) == (USAGE, "", asked[0].stdout)


@pytest.mark.parametrize("verb", VERBS)
def test_help_of_a_verb(verb):
    """On stdout, exit 0, in lines for a terminal: each option, one example, and the manual page."""
    asked = [program.vouch("help", *verb.split()), program.vouch(*verb.split(), "--help"),
             program.vouch(*verb.split(), "-h")]
    assert {(done.returncode, done.stdout, done.stderr) for done in asked} == {(0, asked[0].stdout, "")}
    text = asked[0].stdout
    assert all(len(line) <= 80 for line in text.splitlines())
    assert text.startswith(f"vouch {verb}") and "vouch(8)" in text and "-h, --help" in text
    assert len(re.findall(rf"^Example: vouch {verb}", text, re.M)) == len(re.findall(rf"^vouch {verb}", text, re.M)) >= 1


@pytest.mark.parametrize("verb", VERBS)
def test_help_stands_behind_other_words(verb):
    """Whoever is in the middle of a command asks for help at its end."""
    option = options(verb)[0]
    done = program.vouch(*verb.split(), option[0], "X", "--help")
    assert (done.returncode, done.stderr) == (0, "") and done.stdout.startswith(f"vouch {verb}")


@pytest.mark.parametrize("verb", [verb for verb in VERBS if verb != "lab"])
def test_examples_are_right_usage(verb, tmp_path):
    """They fail in an empty folder, but for what they say and not for how."""
    for example in re.findall(r"^Example: vouch (.*)", program.vouch("help", verb).stdout, re.M):
        done = program.vouch(*example.split(), cwd=tmp_path)
        assert done.returncode != USAGE, done.stderr


def test_help_of_a_verb_of_two_words():
    every = program.vouch("user", "--help")
    assert every.returncode == 0 and every.stdout == program.vouch("help", "user").stdout
    for verb in ("user add", "user passwd", "user del", "user list", "user import"):
        assert program.vouch("help", *verb.split()).stdout in every.stdout


def test_version():
    asked = [program.vouch(word) for word in ("version", "--version")]
    assert asked[0].stdout == asked[1].stdout and re.match(r"vouch \S+ with \S", asked[0].stdout)
    assert [done.returncode for done in asked] == [0, 0]


WRONG = {
    "lab --port abc": "--port abc: expected a port from 1 to 65533",
    "lab --port 65534": "--port 65534: expected a port from 1 to 65533",
    "lab --port=0": "--port 0: expected a port from 1 to 65533",
    "lab here": '"here" is one word too many; expected nothing besides options',
    "serve": "-c FILE is missing",
    "serve -c": "-c: FILE is missing behind it",
    "serve -c -o": "-c: FILE is missing behind it",
    "init": "DIR is missing",
    "init site": "--domain DOMAIN is missing",
    "init site --domain example.com --renew": "--renew keeps the domain",
    "check -x": '-x: no option of "vouch check"',
    "check -c F --dump=all": '--dump: nothing may stand behind it, but "all" does',
    "user": "expected one of add, passwd, del, list, import",
    "user frob": "frob: expected one of add, passwd, del, list, import",
    "user add -c F": "AOR is missing",
    "revoke": "-a ACCOUNT is missing",
    "publish --bogus": '--bogus: no option of "vouch publish"',
    "publish --watch": '--watch: no option of "vouch publish"',
    "publish": "-a ACCOUNT is missing",
    "publish -a X": "--new or --cert FILE is missing",
    "publish -a X --cert F": "--key FILE is missing",
    "publish -a X --key F": "--cert FILE is missing",
    "publish -a X --new --cert F --key F": "expected the one or the other",
    "publish -a X --new --hash md5": "--hash md5: expected one of sha256, sha1",
    "publish -a X --cert F --cert-only --hash sha1": "--hash is for a certificate that --new makes",
    "publish -a X --new --pkcs8 aes-cbc": "--passphrase-file FILE with what: that is missing",
    "publish -a X --new --cert-only": "would lose the new private key",
    "certificate -a X": "AOR is missing",
    "certificate -a X bob": "bob is no address; expected sip:user@domain",
    "certificate -a X sip:a@b.c sip:d@e.f": '"sip:d@e.f" is one word too many; expected AOR besides options',
    "verify": "REQUEST is missing",
    "verify --at noon F": "--at noon: expected a time like 2026-06-01T12:00:00Z",
    "sign F": "--key FILE is missing",
    "sign --key K F": "--url URL is missing",
    "sign --key K --url ftp://x F": "--url: expected an http or https URL",
    "sign --string --signature F": "--string and --signature cannot both be printed",
}


@pytest.mark.parametrize("line", WRONG)
def test_wrong_arguments(line):
    """One line says which argument is wrong, what is expected, and where more is said."""
    done = program.vouch(*line.split())
    assert (done.returncode, done.stdout) == (USAGE, "")
    assert WRONG[line] in done.stderr and done.stderr.count("\n") == 1
    hint = re.search(r'; see "vouch ([a-z ]+) --help"\n$', done.stderr)
    assert hint and program.vouch(*hint[1].split(), "--help").returncode == 0


@pytest.mark.parametrize("verb", ["frobnicate", "--frobnicate", "help frobnicate", "add"])
def test_no_such_verb(verb):
    done = program.vouch(*verb.split())
    assert (done.returncode, done.stdout) == (USAGE, "")
    assert f'no verb "{verb.split()[-1]}"' in done.stderr and "vouch help" in done.stderr


def test_an_option_that_may_be_given_again_has_an_end():
    done = program.vouch("lab", *["-o", "log.level=warn"] * 65)
    assert done.returncode == USAGE and "-o log.level=warn: it may be given 64 times" in done.stderr


@pytest.mark.parametrize("words", [["-c", "{}"], ["-c{}"], ["--", "-c"]], ids=" ".join)
def test_spellings_of_an_option(labs, words):
    """A value stands behind its letter, with or without a blank; behind -- there are words only."""
    done = program.vouch("check", *[word.format(labs.template.conf) for word in words])
    assert done.returncode == (USAGE if "--" in words else 0), done.stderr


def test_words_and_options_in_any_order(labs):
    conf = labs.directory() / "vouch.conf"
    for number, words in enumerate((["-c", conf, "{}"], ["{}", "-c", conf], [f"-c{conf}", "--", "{}"])):
        aor = f"sip:order{number}@example.com"
        done = program.vouch("user", "add", *[str(word).format(aor) for word in words], stdin="x12345678\n")
        assert done.returncode == 0, done.stderr
        assert aor in program.vouch("user", "list", "-c", conf).stdout.split()


def test_what_a_person_typed_does_not_steer_the_terminal():
    done = program.vouch("certificate", "-a", "X", "\033[2Jbob\n")
    assert done.returncode == USAGE and "\033" not in done.stderr and done.stderr.count("\n") == 1


FULL = [["help"], ["version"], ["publish", "--help"], ["check"], ["check", "--dump"], ["user", "list"], ["status"],
        ["status", "--json"], ["reload"]]


@pytest.mark.parametrize("words", FULL, ids=" ".join)
def test_output_that_cannot_be_written(lab, words):
    """A script must not take half an answer for a whole one."""
    words = words if words[0] in ("help", "version") or "--help" in words else [*words, "-c", lab.conf]
    with open("/dev/full", "w") as full:
        done = subprocess.run([program.BINARY, *map(str, words)], stdout=full, stderr=subprocess.PIPE, text=True,
                              timeout=30)
    assert done.returncode == LOCAL
    assert "standard output cannot be written" in done.stderr and done.stderr.count("\n") == 1


def test_a_lab_that_cannot_say_that_it_is_ready(labs):
    """Who waits for the line would wait forever."""
    with open("/dev/full", "w") as full:
        done = subprocess.run([program.BINARY, "lab", "--dir", labs.directory(), "--port", str(program.free_ports())],
                              stdout=full, stderr=subprocess.PIPE, text=True, timeout=30)
    assert done.returncode == LOCAL and "standard output cannot be written" in done.stderr


def bash(*words):
    """What bash offers for the last of the words."""
    script = """. "$1"; shift; COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); program=$1
                _vouch "$program" "${COMP_WORDS[COMP_CWORD]}" "${COMP_WORDS[COMP_CWORD-1]}"; printf '%s\n' "${COMPREPLY[@]}" """
    return subprocess.run(["bash", "-c", script, "-", ROOT / "sip/dist/vouch.bash", program.BINARY, *words],
                          capture_output=True, text=True, check=True).stdout.split()


def zsh(*words):
    """What zsh offers; which of it fits the word is decided by compadd."""
    script = """compadd() { shift; print -rl -- "$@" }; _files() { }; completion=$1; shift; words=("$@"); CURRENT=$#
                . $completion"""
    done = subprocess.run(["zsh", "-f", "-c", script, "-", ROOT / "sip/dist/_vouch", program.BINARY, *words],
                          capture_output=True, text=True, check=True)
    return [word for word in done.stdout.split() if word.startswith(words[-1])]


@pytest.mark.slow
@pytest.mark.parametrize("shell", [bash, zsh], ids=lambda shell: shell.__name__)
def test_completion_offers_what_help_tells(shell):
    if not shutil.which(shell.__name__):
        pytest.skip(f"no {shell.__name__} here")
    assert set(shell("")) == {verb.split()[0] for verb in VERBS} | {"help", "version"}
    assert shell("publ") == ["publish"] and shell("help", "publ") == ["publish"]
    assert set(shell("user", "")) == {verb.split()[1] for verb in VERBS if verb.startswith("user ")}
    for verb in VERBS:
        told = options(verb)
        assert set(shell(*verb.split(), "-")) == {option for option, _ in told} | {"--help"}
        for option, value in told:
            assert set(shell(*verb.split(), option, "")) == set(value.split("|") if "|" in value else [])
