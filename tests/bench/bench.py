"""make bench: figures of speed and memory, beside what the library alone does in the same run.

Machines are shared and noisy: compare ratios, not absolute numbers."""

import argparse
import os
import pathlib
import random
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parents[2]
VOUCH = os.environ.get("VOUCH", str(ROOT / "vouch"))
TOOLS = pathlib.Path(os.environ.get("BUILD", ROOT / "build")) / "bench"
PASSWORD = secrets.token_hex(8)
ROOMY = ["limits.connections-per-source=100000", "limits.handshakes=0", "limits.handshakes-per-source=0", "digest.guesses=0",
         "notify.interval=0", "limits.idle-timeout=3600", "log.level=warn"]


def figures(*command):
    """The "name value" lines of a tool."""
    done = subprocess.run(list(map(str, command)), capture_output=True, text=True, timeout=300)
    if done.returncode != 0:
        sys.exit(f"{command}: {done.stderr}{done.stdout}")
    return {name: float(value) for name, value in (line.split() for line in done.stdout.splitlines())}


def free_port():
    while True:
        port = random.randrange(20000, 32000, 4)
        try:
            for offset in range(3):
                with socket.create_server(("127.0.0.1", port + offset)):
                    pass
            return port
        except OSError:
            continue


class Server:
    """`vouch lab` on a directory; start() gives the seconds until its line "ready"."""

    def __init__(self, directory, *options):
        self.directory, self.options, self.port = pathlib.Path(directory), options, free_port()
        self.process = None

    def start(self):
        words = [word for option in (*ROOMY, *self.options) for word in ("-o", option)]
        begin = time.monotonic()
        self.process = subprocess.Popen([VOUCH, "lab", "--dir", self.directory, "--port", str(self.port), *words],
                                        stdout=subprocess.PIPE, text=True)
        line = self.process.stdout.readline()
        if not line.startswith("ready"):
            sys.exit("the server did not start")
        return time.monotonic() - begin

    def stop(self):
        self.process.send_signal(signal.SIGTERM)
        self.process.wait(30)

    def status(self, name):
        text = pathlib.Path(f"/proc/{self.process.pid}/status").read_text()
        return int(next(line.split()[1] for line in text.splitlines() if line.startswith(name + ":")))

    def wakeups(self):
        """Context switches of all threads so far."""
        total = 0
        for task in pathlib.Path(f"/proc/{self.process.pid}/task").iterdir():
            text = (task / "status").read_text()
            total += sum(int(line.split()[1]) for line in text.splitlines() if "ctxt_switches" in line)
        return total

    def cpu(self, thread=""):
        """Seconds so far of all threads, or of the loop's, the system's share included."""
        fields = pathlib.Path(f"/proc/{self.process.pid}/{thread}stat").read_text().rsplit(")", 1)[1].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def calls(self, mode, seconds, load, users):
        before = self.cpu()
        got = figures(TOOLS / "calls", mode, self.port, seconds, load, users, PASSWORD)
        got["cpu-us"] = 1e6 * (self.cpu() - before) / max(1, got["done"])
        return got

    def load(self, mode, count, seconds, tls=False):
        port = self.port + 1 if tls else self.port
        more = [self.directory / "ca.crt", PASSWORD] if tls else []
        return figures(TOOLS / "load", mode, port, count, seconds, *more)

    def hold(self, mode, count, tls=False):
        """Octets of resident memory for each connection or subscription that stays."""
        before = self.status("VmRSS")
        port = self.port + 1 if tls else self.port
        more = [self.directory / "ca.crt", PASSWORD] if tls else []
        holder = subprocess.Popen([TOOLS / "load", f"hold-{mode}", str(port), str(count), "0", *map(str, more)],
                                  stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        if not holder.stdout.readline().startswith("held"):
            sys.exit("hold failed")
        time.sleep(1)
        after = self.status("VmRSS")
        holder.stdin.close()
        holder.wait(60)
        return (after - before) * 1024 / count


def import_users(directory, count):
    table = pathlib.Path(directory) / "users.csv"
    table.write_text("".join(f"sip:u{number}@example.com,{PASSWORD}\n" for number in range(count)))
    table.chmod(0o600)
    subprocess.run([VOUCH, "user", "import", "-c", f"{directory}/vouch.conf", table], check=True, timeout=120)
    table.unlink()


def show(name, value, unit="", target=""):
    print(f"{name:<58} {value:>10} {unit:<6} {target}", flush=True)


def ratio(name, value, ceiling, target=""):
    show(name, f"{value:.0f}", "/s", f"{100 * value / ceiling:.0f} % of the library's {ceiling:.0f}/s {target}")


def bench_fetches(directory, seconds):
    for workers in (1, 2):
        server = Server(directory, f"server.workers={workers}")
        server.start()
        server.load("publish", 1, 0.2, tls=True)
        before = figures(TOOLS / "ceiling", "rsa", directory / "identity.key", workers, seconds / 2)["per-second"]
        loop = f"task/{server.process.pid}/"
        cpu = server.cpu(loop)
        got = server.load("fetch", 16, seconds)
        cpu = server.cpu(loop) - cpu
        after = figures(TOOLS / "ceiling", "rsa", directory / "identity.key", workers, seconds / 2)["per-second"]
        server.stop()
        ratio(f"signed fetches, {workers} worker(s)", got["per-second"], (before + after) / 2, "(wanted: 90 %)")
        show("  CPU of the loop for each, without the signature", f"{1e6 * cpu / got['per-second'] / seconds:.0f}", "us")
        show("  OPTIONS meanwhile, median", f"{got['options-p50-ms']:.2f}", "ms")
        show("  OPTIONS meanwhile, 99th percentile", f"{got['options-p99-ms']:.2f}", "ms", "(wanted: <= 5)")


def bench_publish(directory, seconds):
    server = Server(directory)
    server.start()
    one = server.load("publish", 1, seconds, tls=True)["per-second"]
    many = server.load("publish", 32, seconds, tls=True)["per-second"]
    server.stop()
    show("durable PUBLISHes, 1 client", f"{one:.0f}", "/s")
    show("durable PUBLISHes, 32 clients", f"{many:.0f}", "/s", f"{many / one:.1f} times: fsyncs are shared")


def bench_handshakes(directory, seconds):
    server = Server(directory, "tls.sessions=1000")
    server.start()
    for kind in ("full", "resumed"):
        ceiling = figures(TOOLS / "ceiling", "tls", directory / "tls.crt", directory / "tls.key",
                          directory / "ca.crt", seconds, kind)["per-second"]
        got = server.load(kind, 8, seconds, tls=True)["per-second"]
        ratio(f"TLS handshakes, {kind}, both sides on this machine", got, ceiling, "on one core")
    server.stop()


def bench_memory(directory):
    server = Server(directory)
    fresh = server.start()
    time.sleep(1)
    show("ready after start", f"{1000 * fresh:.0f}", "ms", "(wanted: <= 50)")
    show("resident memory, idle", f"{server.status('VmRSS') / 1024:.1f}", "MB", "(wanted: <= 8)")
    before = server.wakeups()
    time.sleep(10)
    show("wake-ups in 10 idle seconds", server.wakeups() - before, "", "(wanted: 0)")
    show("per idle TLS connection", f"{server.hold('connections', 500, tls=True) / 1000:.1f}", "kB",
         "(wanted: <= 45)")
    server.stop()
    server.start()
    show("per certificate subscription", f"{server.hold('subscriptions', 5000) / 1000:.2f}", "kB", "(wanted: <= 2)")
    server.stop()


def bench_parse():
    seeds = sorted((ROOT / "fuzz/seeds/msg").glob("rfc*"))
    got = figures(TOOLS / "parse", 1, *seeds)
    show(f"parsing, {got['messages']:.0f} examples of the RFCs, each", f"{got['ns-per-message']:.0f}", "ns")


def bench_calls(fresh_copy, seconds, users):
    names = {"register": "REGISTER with its challenge", "message": "MESSAGE relayed",
             "invite": "INVITE to BYE with Record-Route"}
    for mode, name in names.items():
        server = Server(fresh_copy())
        server.start()
        got = server.calls(mode, seconds, 100, users)
        show(f"{name}, UDP, CPU of the server", f"{got['cpu-us']:.0f}", "us", f"at {got['per-second']:.0f}/s")
        server.stop()
        for times in (1, 3, 10) if mode != "register" else ():
            server = Server(fresh_copy())
            server.start()
            over = server.calls(mode, seconds, f"@{times * got['per-second']:.0f}", users)
            show(f"  {times} times that many asked for: done", f"{100 * over['per-second'] / got['per-second']:.0f}", "%",
                 f"p50 {over['p50-ms']:.0f} ms, p99 {over['p99-ms']:.0f} ms")
            show("  resident memory then", f"{server.status('VmRSS') / 1024:.1f}", "MB")
            server.stop()


def bench_signed(fresh_copy, seconds, users):
    """Messages of users, each signed by the server, beside the library's signatures on as many threads."""
    for workers in (1, 2):
        directory = fresh_copy()
        server = Server(directory, f"server.workers={workers}")
        server.start()
        before = figures(TOOLS / "ceiling", "rsa", directory / "identity.key", workers, seconds / 2)["per-second"]
        loop = f"task/{server.process.pid}/"
        cpu = server.cpu(loop)
        got = server.calls("signed", seconds, 50, users)
        cpu = server.cpu(loop) - cpu
        after = figures(TOOLS / "ceiling", "rsa", directory / "identity.key", workers, seconds / 2)["per-second"]
        server.stop()
        ratio(f"signed MESSAGEs of users, {workers} worker(s)", got["per-second"], (before + after) / 2)
        show("  CPU of the loop for each, with its challenge", f"{1e6 * cpu / got['per-second'] / seconds:.0f}", "us",
             f"p50 {got['p50-ms']:.0f} ms, p99 {got['p99-ms']:.0f} ms")


def bench_one_connection(fresh_copy, users):
    """REGISTER of each of many users over the one TCP connection that all of them share, as behind an edge proxy."""
    cost = {}
    for count in (users // 100, users):
        server = Server(fresh_copy())
        server.start()
        tool = subprocess.Popen([TOOLS / "load", "register-all", str(server.port), str(count), str(users // count), "-",
                                 PASSWORD],
                                stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        tool.stdout.readline()
        before = server.cpu()
        tool.stdin.write("\n")
        tool.stdin.flush()
        if not tool.stdout.readline().startswith("registered"):
            sys.exit("REGISTER failed")
        cost[count] = 1e6 * (server.cpu() - before) / users
        tool.stdin.close()
        tool.wait(30)
        server.stop()
    show(f"REGISTER again, {users} users on one TCP connection", f"{cost[users]:.0f}", "us of CPU",
         f"with {users // 100} users {cost[users // 100]:.0f}")


def bench_registrations(directory, users):
    """Resident memory, once the answers to retransmissions are over."""
    server = Server(directory)
    server.start()
    before = server.status("VmRSS")
    got = server.calls("register", 10, f"@{users / 5:.0f}", users)
    full = server.status("VmRSS")
    show(f"memory of {users} registrations, meanwhile", f"{(full - before) / 1024:.1f}", "MB", f"{got['done']:.0f} REGISTERs")
    server.stop()
    server.start()
    show(f"memory of {users} registrations, after a restart", f"{(server.status('VmRSS') - before) / 1024:.1f}", "MB")
    server.stop()


def bench_start(directory, count):
    """Start with many stored credentials: each user publishes once."""
    server = Server(directory)
    server.start()
    server.load("publish-once", count, 0, tls=True)
    server.stop()
    took = server.start()
    server.stop()
    show(f"ready after start with {count} credentials", f"{1000 * took:.0f}", "ms", "(wanted: <= 500)")


def bench_size():
    with tempfile.TemporaryDirectory() as folder:
        stripped = pathlib.Path(folder) / "vouch"
        subprocess.run(["strip", "-o", stripped, VOUCH], check=True)
        show("stripped binary", f"{stripped.stat().st_size / 1000:.0f}", "kB", "(wanted: <= 500)")


def fresh(base, template):
    """A copy of the lab that nothing was done with."""
    ignore = shutil.ignore_patterns("control")
    return pathlib.Path(shutil.copytree(template, tempfile.mkdtemp(dir=base) + "/lab", ignore=ignore))


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--seconds", type=float, default=4, help="of each measurement")
    parser.add_argument("--credentials", type=int, default=10000)
    options = parser.parse_args()
    base = pathlib.Path(tempfile.mkdtemp(prefix="vouch-bench-"))
    try:
        template = base / "template"
        server = Server(template)
        server.start()
        server.stop()
        bench_size()
        bench_memory(fresh(base, template))
        bench_parse()
        import_users(template, options.credentials)
        bench_signed(lambda: fresh(base, template), options.seconds, options.credentials)
        bench_calls(lambda: fresh(base, template), options.seconds, options.credentials)
        bench_one_connection(lambda: fresh(base, template), options.credentials)
        bench_registrations(fresh(base, template), options.credentials)
        bench_fetches(fresh(base, template), options.seconds)
        bench_publish(fresh(base, template), options.seconds)
        bench_handshakes(fresh(base, template), options.seconds)
        bench_start(fresh(base, template), options.credentials)
    finally:
        shutil.rmtree(base)


main()
