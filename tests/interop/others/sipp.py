"""Runs SIPp with scenarios of our own. A scenario is a list of steps; SIPp is the judge: any unexpected message, time
out or missing answer makes it end with another code than 0."""

import csv
import shutil
import subprocess

import pytest
from peer.lab import bindable, free_ports

available = pytest.mark.skipif(shutil.which("sipp") is None, reason="SIPp is not installed (sip-tester)")

HEAD = """Via: SIP/2.0/[transport] [local_ip]:[local_port];branch=[branch]
Max-Forwards: 70
Call-ID: [call_id]
Contact: <sip:x@[local_ip]:[local_port];transport=[transport]>
"""
ECHO = """[last_Via:]
[last_From:]
[last_To:]{tag}
[last_Call-ID:]
[last_CSeq:]
[last_Record-Route:]
Contact: <sip:x@[local_ip]:[local_port];transport=[transport]>
Content-Length: 0

"""


def send(text, **attributes):
    options = "".join(f' {name}="{value}"' for name, value in attributes.items())
    return f"<send{options}><![CDATA[\n{text}\n]]></send>"


def request(method, uri, user, to, cseq, extra="", tag="", **attributes):
    text = (f"{method} {uri} SIP/2.0\n{HEAD}From: <{user}>;tag=[pid]f[call_number]\nTo: <{to}>{tag}\n"
            f"CSeq: {cseq} {method}\n{extra}Content-Length: 0\n\n")
    return send(text, **attributes)


def reply(code, phrase, tag=";tag=[pid]t[call_number]", **attributes):
    return send(f"SIP/2.0 {code} {phrase}\n" + ECHO.format(tag=tag), **attributes)


def recv(**attributes):
    options = "".join(f' {name}="{value}"' for name, value in attributes.items())
    return f"<recv{options}/>"


class Sipp:
    """One SIPp with its scenario, on a port of its own."""

    def __init__(self, directory, name, steps, server, *arguments, transport="u1", users=None, port=None):
        self.port = port or free_ports(4)
        self.log = directory / f"{name}.log"
        path = directory / f"{name}.xml"
        path.write_text(f'<?xml version="1.0" encoding="ISO-8859-1" ?>\n<scenario name="{name}">\n'
                        + "\n".join(steps) + "\n</scenario>\n")
        command = ["sipp", f"127.0.0.1:{server}", "-sf", path, "-i", "127.0.0.1", "-p", self.port, "-t", transport,
                   "-nostdin", "-max_socket", 500, "-trace_err", "-error_file", self.log, "-timeout", "60s", "-timeout_error",
                   *arguments]
        if users:
            table = directory / f"{name}.csv"
            with open(table, "w", newline="") as out:
                out.write("SEQUENTIAL\n")
                csv.writer(out, delimiter=";", lineterminator="\n").writerows(users)
            command += ["-inf", table]
        self.child = subprocess.Popen([str(word) for word in command], stdin=subprocess.DEVNULL,
                                      stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, cwd=directory)

    def finish(self, timeout=70):
        """It must end by itself, content."""
        try:
            _, errors = self.child.communicate(timeout=timeout)
        finally:
            self.stop()
        said = self.log.read_text(errors="replace") if self.log.exists() else ""
        assert self.child.returncode == 0, f"SIPp ended with {self.child.returncode}: {errors.decode()}\n{said[-3000:]}"

    def stop(self):
        if self.child.poll() is None:
            self.child.kill()
            self.child.wait(5)


def listening(sipp):
    """Has it taken its port?"""
    import socket
    return not bindable(sipp.port, socket.SOCK_DGRAM) or not bindable(sipp.port, socket.SOCK_STREAM)
