"""`serin local up` as a process, and its user's kubectl: for the tests of this folder."""

import os
import pathlib
import signal
import subprocess
import time

PATIENCE = 60  # seconds; sanitizers on a busy machine are slow


def wait_for(condition, what):
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline:
        value = condition()
        if value:
            return value
        time.sleep(0.05)
    raise AssertionError("waited in vain for " + what)


def processes_naming(text):
    """The processes alive whose command line or environment names this text."""
    found = []
    for entry in pathlib.Path("/proc").iterdir():
        if not entry.name.isdigit() or int(entry.name) == os.getpid():
            continue
        try:
            command = (entry / "cmdline").read_bytes()
        except OSError:
            continue
        if text.encode() in command:
            found.append(entry.name + " " + command.replace(b"\0", b" ").decode(errors="replace"))
    return found


class Cluster:
    """`serin local up` with its objects in the folder `data`; `launcher` is a command that runs it."""

    def __init__(self, serin, data, *flags, launcher=()):
        self.data = pathlib.Path(data)
        self.output = open(self.data.parent / "output", "w+")
        command = [*launcher, serin, "local", "up", "--data", str(data), "--port=0", "--prometheus-port=0", *flags]
        self.process = subprocess.Popen(command, stdout=self.output, stderr=subprocess.STDOUT)

    def text(self):
        return (self.data.parent / "output").read_text()

    def wait_ready(self):
        def ready():
            if self.process.poll() is not None:
                raise AssertionError("it ended: " + self.text())
            return "\nReady" in self.text()
        wait_for(ready, "readiness")
        return self

    def kubectl(self, *words, input=None):
        environment = dict(os.environ, KUBECONFIG=str(self.data / "kubeconfig"))
        return subprocess.run(["kubectl", *words], env=environment, input=input, capture_output=True, text=True,
                              timeout=2 * PATIENCE)

    def end(self, number=signal.SIGTERM):
        self.process.send_signal(number)
        self.process.wait(PATIENCE)
        return self.process.returncode
