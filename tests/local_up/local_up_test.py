#!/usr/bin/env python3
"""What `serin local up` promises as a program: it starts, says how to use it, ends, and leaves nothing behind.

Usage: local_up_test.py SERIN DENY_NAMESPACES [unittest arguments]
"""

import os
import pathlib
import re
import signal
import socket
import stat
import subprocess
import sys
import tempfile
import unittest

from cluster import PATIENCE, Cluster, processes_naming, wait_for

SERIN = None
DENY_NAMESPACES = None  # runs a program under a seccomp filter


NOBODY_LISTENS = """
apiVersion: v1
kind: Config
clusters: [{name: c, cluster: {server: "http://127.0.0.1:9"}}]
contexts: [{name: c, context: {cluster: c, user: u}}]
users: [{name: u, user: {}}]
current-context: c
"""


class LocalUp(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.TemporaryDirectory(prefix="serin-local-up-")
        self.data = pathlib.Path(self.folder.name) / "data"
        self.clusters = []

    def tearDown(self):
        for cluster in self.clusters:
            if cluster.process.poll() is None:
                cluster.end(signal.SIGKILL)
            cluster.output.close()
        self.folder.cleanup()

    def up(self, *flags, launcher=()):
        self.clusters.append(Cluster(SERIN, self.data, *flags, launcher=launcher))
        return self.clusters[-1]

    def refusal(self, *flags):
        """The last line of output of a start that must fail with 1."""
        cluster = self.up(*flags)
        self.assertEqual(cluster.process.wait(PATIENCE), 1, cluster.text())
        return cluster.text().strip().splitlines()[-1]

    def test_serves_says_where_and_ends_in_good_order(self):
        cluster = self.up().wait_ready()
        for part in ("node ", "API server ", "mesh ", "Prometheus ", "controller ", "logs "):
            self.assertIn("\n  " + part, cluster.text())
        self.assertIn("export KUBECONFIG=%s/kubeconfig" % self.data, cluster.text())
        crds = cluster.kubectl("get", "crds", "-o", "name")
        self.assertIn("canaries.flagger.app", crds.stdout, crds.stderr)
        self.assertIn("trafficsplits.split.smi-spec.io", crds.stdout)
        self.assertEqual(cluster.end(), 0)
        self.assertEqual(processes_naming(str(self.data)), [])

    def test_leaves_nothing_when_killed_and_keeps_its_objects(self):
        cluster = self.up().wait_ready()
        self.assertEqual(cluster.kubectl("create", "namespace", "kept").returncode, 0)
        children = subprocess.run(["ps", "-o", "pid=", "--ppid", str(cluster.process.pid)],
                                  capture_output=True, text=True).stdout.split()
        self.assertGreaterEqual(len(children), 3)  # node agent, Prometheus, controller
        cluster.end(signal.SIGKILL)
        wait_for(lambda: not processes_naming(str(self.data)), "the end of the children")
        for child in children:
            state = pathlib.Path("/proc", child, "stat")
            wait_for(lambda: not state.exists() or state.read_text().split()[2] == "Z", "the end of " + child)
        again = self.up("--no-controller").wait_ready()
        self.assertEqual(again.kubectl("get", "namespace", "kept").returncode, 0)
        self.assertNotIn("\n  controller ", again.text())
        self.assertEqual(again.end(signal.SIGINT), 0)

    def test_a_controller_that_cannot_start_ends(self):
        """Whoever runs it starts it again; one that stayed would look healthy."""
        kubeconfig = pathlib.Path(self.folder.name) / "kubeconfig"
        kubeconfig.write_text(NOBODY_LISTENS)
        ended = subprocess.run([SERIN, "controller", "-kubeconfig=%s" % kubeconfig, "-port=0"], capture_output=True, text=True,
                               timeout=PATIENCE)
        self.assertEqual(ended.returncode, 1, ended.stderr)
        self.assertIn("the API server does not answer", ended.stdout + ended.stderr)

    def test_keeps_its_folder_private(self):
        self.up("--no-controller").wait_ready()
        self.assertEqual(stat.S_IMODE(self.data.stat().st_mode), 0o700)
        self.assertEqual(stat.S_IMODE((self.data / "kubeconfig").stat().st_mode), 0o600)

    def test_lets_in_only_who_has_credentials(self):
        cluster = self.up("--no-controller").wait_ready()
        url = re.search(r"https://127\.0\.0\.1:\d+", cluster.text()).group()
        code = ["curl", "-sk", "-o", "/dev/null", "-w", "%{http_code}", url + "/api/v1/namespaces"]
        self.assertEqual(subprocess.run(code, capture_output=True, text=True).stdout, "401")
        token = (self.data / "credentials" / "token").read_text()
        with_token = code + ["-H", "Authorization: Bearer " + token]
        self.assertEqual(subprocess.run(with_token, capture_output=True, text=True).stdout, "200")

    def test_names_the_remedy(self):
        with socket.create_server(("127.0.0.1", 0)) as taken:
            port = taken.getsockname()[1]
            self.assertEqual(self.refusal("--port=%d" % port),
                             "serin: port %d of 127.0.0.1 is in use: choose another with --port" % port)
            self.assertEqual(self.refusal("--prometheus-port=%d" % port),
                             "serin: port %d of 127.0.0.1 is in use: choose another with --prometheus-port" % port)
        self.assertRegex(self.refusal("--images=/nowhere"), r"--images /nowhere: cannot be read")
        self.up("--no-controller").wait_ready()
        second = subprocess.run([SERIN, "local", "up", "--data", str(self.data), "--port=0"],
                                capture_output=True, text=True, timeout=PATIENCE)
        self.assertEqual(second.returncode, 1)
        self.assertRegex(second.stderr, "another process uses it")

    @unittest.skipUnless(os.geteuid() == 0, "only root can mark the hosts file")
    def test_calls_in_flight_are_answered_when_their_pods_end(self):
        """A canary is scaled down when its calls have been sent elsewhere; those that take long are under way
        still (scenario 12)."""
        cluster = self.up("--no-controller").wait_ready()
        proxy = re.search(r"mesh +(http://[0-9.:]+)", cluster.text()).group(1)
        made = cluster.kubectl("apply", "-f", "-", input=SLOW_SERVICE)
        self.assertEqual(made.returncode, 0, made.stderr)
        cluster.kubectl("rollout", "status", "deployment/slow", "--timeout=60s")
        calls = [subprocess.Popen(["curl", "-s", "-o", "/dev/null", "-w", "%{http_code}", "-x", proxy,
                                   "http://slow.default:9898/delay/8"], stdout=subprocess.PIPE, text=True)
                 for _ in range(4)]
        wait_for(lambda: cluster.kubectl("logs", "-l", "app=slow", "--tail=-1").stdout.count("/delay/8") >= 4,
                 "the calls' arrival at the pods")
        scaled = cluster.kubectl("scale", "deployment/slow", "--replicas=0")
        self.assertEqual(scaled.returncode, 0, scaled.stderr)
        wait_for(lambda: '"deletionTimestamp"' in cluster.kubectl("get", "pods", "-o", "json").stdout, "the pods' end")
        self.assertEqual([call.poll() for call in calls], [None] * 4, "the calls must outlive the order to end")
        self.assertEqual([call.communicate(timeout=PATIENCE)[0] for call in calls], ["200"] * 4)
        wait_for(lambda: "No resources" in cluster.kubectl("get", "pods").stderr, "the pods' end")

    def test_falls_back_where_namespaces_are_denied(self):
        namespace = "denied-%d" % os.getpid()
        name = "web.%s.svc.cluster.local" % namespace
        cluster = self.up("--no-controller", launcher=[DENY_NAMESPACES]).wait_ready()
        self.assertRegex(cluster.text(), r"\n  node +shared mode, pods use the host's network and files: "
                                         r"user namespaces are not available: Operation not permitted")
        created = cluster.kubectl("create", "namespace", namespace)
        self.assertEqual(created.returncode, 0, created.stderr)
        applied = cluster.kubectl("apply", "-n", namespace, "-f", "-", input=WEB)
        self.assertEqual(applied.returncode, 0, applied.stderr)
        ready = cluster.kubectl("-n", namespace, "wait", "pod/web", "--for=condition=Ready",
                                "--timeout=%ds" % PATIENCE)
        self.assertEqual(ready.returncode, 0, ready.stderr)

        pod_address = cluster.kubectl("-n", namespace, "get", "pod", "web", "-o", "jsonpath={.status.podIP}").stdout
        self.assertRegex(pod_address, r"^127\.44\.")
        service_address = wait_for(lambda: resolved(name), "an address of " + name)
        self.assertRegex(service_address, r"^127\.96\.")
        version = ["curl", "-s", "-m", "5", "--noproxy", "*", "http://%s:9898/version" % name]
        wait_for(lambda: '"6.0.0"' in subprocess.run(version, capture_output=True, text=True).stdout,
                 "an answer of %s on the host" % name)
        inside = cluster.kubectl("-n", namespace, "exec", "web", "--", *version)
        self.assertIn('"6.0.0"', inside.stdout, inside.stderr)

        self.assertEqual(cluster.end(), 0, cluster.text())
        self.assertIsNone(resolved(name))
        self.assertNotIn(namespace, pathlib.Path("/etc/hosts").read_text())
        self.assertEqual(processes_naming(str(self.data)), [])

    @unittest.skipUnless(os.geteuid() == 0, "only root can mark the hosts file")
    def test_leaves_no_process_when_killed_where_namespaces_are_denied(self):
        def marked():
            return "kubernetes.default.svc" in pathlib.Path("/etc/hosts").read_text()

        killed = self.up("--no-controller", launcher=[DENY_NAMESPACES]).wait_ready()
        wait_for(marked, "names in the hosts file")
        killed.end(signal.SIGKILL)
        wait_for(lambda: not processes_naming(str(self.data)), "the end of the children")
        again = self.up("--no-controller", launcher=[DENY_NAMESPACES]).wait_ready()
        self.assertEqual(again.end(), 0, again.text())
        self.assertFalse(marked())


SLOW_SERVICE = """
apiVersion: apps/v1
kind: Deployment
metadata: {name: slow}
spec:
  replicas: 2
  selector: {matchLabels: {app: slow}}
  template:
    metadata: {labels: {app: slow}}
    spec:
      terminationGracePeriodSeconds: 40
      containers:
      - name: podinfo
        image: ghcr.io/stefanprodan/podinfo:6.0.0
        command: [./podinfo, --port=9898, --level=debug, --server-shutdown-timeout=35s]
        readinessProbe: {httpGet: {path: /readyz, port: 9898}, periodSeconds: 1}
---
apiVersion: v1
kind: Service
metadata: {name: slow}
spec: {selector: {app: slow}, ports: [{port: 9898}]}
"""


def resolved(name):
    """The address that a name stands for on this machine, if any."""
    try:
        return socket.gethostbyname(name)
    except OSError:
        return None


WEB = """
apiVersion: v1
kind: Pod
metadata: {name: web, labels: {app: web}}
spec:
  containers:
    - name: web
      image: ghcr.io/stefanprodan/podinfo:6.0.0
      command: [./podinfo, --port=9898, --port-metrics=9797]
      readinessProbe: {httpGet: {path: /readyz, port: 9898}, periodSeconds: 1}
---
apiVersion: v1
kind: Service
metadata: {name: web}
spec: {selector: {app: web}, ports: [{port: 9898}]}
"""


if __name__ == "__main__":
    SERIN = sys.argv.pop(1)
    DENY_NAMESPACES = sys.argv.pop(1)
    unittest.main(verbosity=2)
