#!/usr/bin/env python3
"""No port of the embedded cluster, the controller, the load tester or the demo workload can be brought down by what
is sent to it: malformed.py attacks all of them at once, while it asks each of them well-formed questions.

Usage: bad_input_test.py SERIN [unittest arguments]
SEED chooses other attacks.
"""

import os
import pathlib
import subprocess
import sys
import tempfile
import unittest

from cluster import PATIENCE, Cluster, wait_for

SERIN = None
SEED = os.environ.get("SEED", "1")
HERE = pathlib.Path(__file__).resolve().parent
GUIDE = HERE.parent.parent / "deploy" / "guide"
LISTENING = "0A"  # in /proc/net/tcp


class Process:
    """A process; OSError if there is none of that number."""

    def __init__(self, pid):
        self.folder = pathlib.Path("/proc", str(pid))
        self.pid = pid
        fields = (self.folder / "stat").read_text().rpartition(")")[2].split()
        self.parent, self.started = int(fields[1]), int(fields[19])

    def identity(self):
        return self.pid, self.started  # numbers are used again

    def command(self):
        return (self.folder / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace").strip()

    def runs(self, program):
        try:
            return os.path.samefile(self.folder / "exe", program)
        except OSError:
            return False

    def shares(self, namespace):
        """Whether it is in the same namespace of this kind as this test."""
        return os.readlink(self.folder / "ns" / namespace) == os.readlink("/proc/self/ns/" + namespace)

    def open_files(self):
        return len(os.listdir(self.folder / "fd"))

    def listeners(self):
        """(address, port) of every socket that it listens on, in the network where it lives."""
        sockets = {os.readlink(entry) for entry in (self.folder / "fd").iterdir()}
        for line in (self.folder / "net" / "tcp").read_text().splitlines()[1:]:
            fields = line.split()
            if fields[3] == LISTENING and "socket:[%s]" % fields[9] in sockets:
                address, port = fields[1].split(":")
                yield socket_address(address), int(port, 16)


def socket_address(text):
    """The address that /proc/net/tcp writes as a number in this machine's order."""
    return ".".join(str(octet) for octet in int(text, 16).to_bytes(4, sys.byteorder))


def descendants(root):
    """The process and all below it."""
    everyone = []
    for entry in pathlib.Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                everyone.append(Process(int(entry.name)))
            except OSError:
                pass  # has ended
    family, found = {root}, []
    for process in sorted(everyone, key=Process.identity):
        if process.pid == root or process.parent in family:
            family.add(process.pid)
            found.append(process)
    return found


class BadInput(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.TemporaryDirectory(prefix="serin-bad-input-")
        self.cluster = Cluster(SERIN, pathlib.Path(self.folder.name) / "data")

    def tearDown(self):
        self.cluster.end()
        self.cluster.output.close()
        self.folder.cleanup()

    def kubectl(self, *words, input=None):
        done = self.cluster.kubectl(*words, input=input)
        self.assertEqual(done.returncode, 0, done.stderr)
        return done.stdout

    def canary_is(self, phase):
        return self.kubectl("-n", "test", "get", "canary", "podinfo", "-o", "jsonpath={.status.phase}") == phase

    def attack(self, process, address, port):
        token = (self.cluster.data / "credentials" / "token").read_text()
        command = [sys.executable, "-B", str(HERE / "malformed.py"), address, str(port), SEED, "Authorization: Bearer " + token]
        if not process.shares("net"):
            users = [] if process.shares("user") else ["-U", "--preserve-credentials"]
            command = ["nsenter", "-t", str(process.pid), *users, "-n", *command]
        return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)

    def test_ends_and_hinders_nothing(self):
        self.cluster.wait_ready()
        self.kubectl("create", "namespace", "test")
        for part in ("tester", "podinfo"):
            self.kubectl("apply", "-k", str(GUIDE / part))
        canary = (GUIDE / "podinfo-canary.yaml").read_text()
        self.kubectl("apply", "-f", "-", input=canary.replace("interval: 30s", "interval: 1s", 1))
        wait_for(lambda: self.canary_is("Initialized"), "the canary's bootstrap")
        wait_for(lambda: "Terminating" not in self.kubectl("-n", "test", "get", "pods"), "the end of the canary's pods")

        before = [process for process in descendants(self.cluster.process.pid) if process.runs(SERIN)]
        files = {process: process.open_files() for process in before}
        where = {}  # a listener that two processes hold is one
        for process in before:
            for listener in process.listeners():
                where[os.readlink(process.folder / "ns" / "net"), *listener] = process
        for port in (8080, 9797, 9898):  # the load tester; podinfo's metrics; podinfo, in its pod and by its Services
            self.assertIn(port, [known for _, _, known in where])
        attackers = [self.attack(process, address, port) for (_, address, port), process in where.items()]
        try:
            for attacker in attackers:
                said = attacker.communicate(timeout=4 * PATIENCE)[0]
                print(said.strip(), flush=True)
                self.assertEqual(attacker.returncode, 0, said)
        finally:
            for attacker in attackers:
                attacker.kill()
                attacker.communicate()

        alive = {process.identity() for process in descendants(self.cluster.process.pid)}
        for process in before:
            self.assertIn(process.identity(), alive)
            wait_for(lambda: process.open_files() <= files[process] + 10, "the end of the connections of " + process.command())
        self.assertTrue(self.canary_is("Initialized"))
        restarts = self.kubectl("get", "pods", "-A", "-o", "jsonpath={.items[*].status.containerStatuses[*].restartCount}")
        self.assertEqual(set(restarts.split()), {"0"})
        self.assertEqual(self.cluster.end(), 0, self.cluster.text())


if __name__ == "__main__":
    SERIN = sys.argv.pop(1)
    unittest.main(verbosity=2)
