#!/usr/bin/env python3
"""What may happen in a rollout to processes that really run: their users must not notice.

Usage: rollout_test.py SERIN [unittest arguments]
"""

import collections
import http.client
import json
import pathlib
import re
import sys
import tempfile
import threading
import unittest

from cluster import Cluster, wait_for

SERIN = None
GUIDE = pathlib.Path(__file__).resolve().parent.parent.parent / "deploy" / "guide"
CANARY = """
apiVersion: flagger.app/v1beta1
kind: Canary
metadata: {name: podinfo, namespace: test}
spec:
  targetRef: {apiVersion: apps/v1, kind: Deployment, name: podinfo}
  service: {port: 9898}
  analysis:
    interval: 1s
    threshold: 5
    maxWeight: 50
    stepWeight: 50
    webhooks:
    - {name: gate, type: confirm-promotion, url: "http://flagger-loadtester.test/gate/check"}
"""


class Users:
    """Asks a Service without pause until it is told to stop, each time on a connection of its own."""

    def __init__(self, proxy, url):
        self.proxy, self.url = proxy, url
        self.answers = collections.Counter()  # by version, or by what went wrong
        self.stopping = threading.Event()
        self.threads = [threading.Thread(target=self.run) for _ in range(4)]

    def __enter__(self):
        for thread in self.threads:
            thread.start()
        return self

    def __exit__(self, *_):
        self.stopping.set()
        for thread in self.threads:
            thread.join()

    def run(self):
        while not self.stopping.is_set():
            self.answers[self.ask()] += 1

    def ask(self):
        connection = http.client.HTTPConnection(self.proxy, timeout=30)
        try:
            connection.request("GET", self.url)
            answer = connection.getresponse()
            body = answer.read()
            return json.loads(body)["version"] if answer.status == 200 else answer.status
        except (OSError, http.client.HTTPException) as error:
            return repr(error)
        finally:
            connection.close()


class Rollout(unittest.TestCase):
    """On one cluster, one release after another."""

    @classmethod
    def setUpClass(cls):
        cls.folder = tempfile.TemporaryDirectory(prefix="serin-rollout-")
        cls.cluster = Cluster(SERIN, pathlib.Path(cls.folder.name) / "data").wait_ready()
        cls.proxy = re.search(r"mesh +http://([0-9.:]+)", cls.cluster.text()).group(1)
        cls.kubectl("create", "namespace", "test")
        for part in ("tester", "podinfo"):
            cls.kubectl("apply", "-k", str(GUIDE / part))
        cls.kubectl("apply", "-f", "-", input=CANARY)
        wait_for(lambda: cls.canary("{.status.phase}") == "Initialized", "the bootstrap")

    @classmethod
    def tearDownClass(cls):
        cls.cluster.end()
        cls.cluster.output.close()
        cls.folder.cleanup()

    @classmethod
    def kubectl(cls, *words, input=None):
        done = cls.cluster.kubectl(*words, input=input)
        assert done.returncode == 0, done.stderr
        return done.stdout

    @classmethod
    def canary(cls, template):
        return cls.kubectl("-n", "test", "get", "canary", "podinfo", "-o", "jsonpath=" + template)

    def release(self, version):
        """Until it waits at the gate, with half of the traffic."""
        wait_for(lambda: self.turn_gate("close"), "the gate to close")
        self.kubectl("-n", "test", "set", "image", "deployment/podinfo",
                     "podinfod=ghcr.io/stefanprodan/podinfo:" + version)
        self.wait_at_gate()

    def wait_at_gate(self):
        wait_for(lambda: self.canary("{.status.phase}{.status.canaryWeight}") == "WaitingPromotion50", "the gate")

    def events(self, text):
        """How often the canary has said this."""
        listed = json.loads(self.kubectl("-n", "test", "get", "events", "-o", "json"))["items"]
        return sum(event.get("count") or 1 for event in listed if text in event["message"])

    def pods(self, label):
        return set(self.kubectl("-n", "test", "get", "pods", "-l", "app=" + label, "-o", "name").split())

    def ready(self, deployment):
        return self.kubectl("-n", "test", "get", "deployment", deployment, "-o", "jsonpath={.status.readyReplicas}")

    def turn_gate(self, verb):
        """Whether the load tester has taken it in."""
        connection = http.client.HTTPConnection(self.proxy, timeout=30)
        connection.request("POST", "http://flagger-loadtester.test/gate/" + verb, '{"name": "podinfo", "namespace": "test"}')
        status = connection.getresponse().status
        connection.close()
        return status == 202

    def test_canary_pods_that_go_take_no_request_with_them(self):
        with Users(self.proxy, "http://podinfo.test:9898/") as users:
            wait_for(lambda: users.answers, "the primary's answers")
            stable = set(users.answers)
            self.release("6.0.1")
            wait_for(lambda: users.answers["6.0.1"] > 50, "the canary's answers")
            away = "no ready pods, routing all traffic to primary"
            before = self.events(away)
            self.kubectl("-n", "test", "delete", "pods", "-l", "app=podinfo", "--wait=false")
            wait_for(lambda: self.events(away) > before, "the way back to the primary")
            self.wait_at_gate()  # its pods are back, and the run has started over
            seen = users.answers["6.0.1"]
            wait_for(lambda: users.answers["6.0.1"] > seen + 50, "the canary's answers again")
        self.assertEqual(set(users.answers), stable | {"6.0.1"}, users.answers)

    def test_a_gate_stays_closed_when_the_load_tester_is_restarted(self):
        self.release("6.0.2")
        before = self.pods("flagger-loadtester")
        self.kubectl("-n", "test", "delete", "pods", "-l", "app=flagger-loadtester")
        wait_for(lambda: self.ready("flagger-loadtester") == "1" and not self.pods("flagger-loadtester") & before,
                 "another load tester")
        asked = self.events("waiting for promotion approval gate")
        wait_for(lambda: self.turn_gate("open"), "the gate to open")
        self.assertGreaterEqual(asked, 1)
        wait_for(lambda: self.canary("{.status.phase}") == "Succeeded", "the promotion")
        image = self.kubectl("-n", "test", "get", "deployment", "podinfo-primary",
                             "-o", "jsonpath={.spec.template.spec.containers[0].image}")
        self.assertTrue(image.endswith(":6.0.2"), image)


if __name__ == "__main__":
    SERIN = sys.argv.pop(1)
    unittest.main(verbosity=2)
