#!/usr/bin/env python3
"""dev/check-layers finds what it must, on small trees made for it."""

import pathlib
import subprocess
import tempfile
import unittest

CHECK = pathlib.Path(__file__).resolve().parents[2] / "dev" / "check-layers"


def complaints(files):
    """What dev/check-layers prints for a tree with these files."""
    with tempfile.TemporaryDirectory() as folder:
        for name, text in files.items():
            path = pathlib.Path(folder) / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
        (pathlib.Path(folder) / "src").mkdir(exist_ok=True)
        run = subprocess.run([CHECK, "--root", folder], capture_output=True, text=True, check=False)
        assert (run.returncode != 0) == bool(run.stdout), run
        return run.stdout


class CheckLayers(unittest.TestCase):
    def test_down_is_allowed(self):
        self.assertEqual(complaints({
            "src/controller/a.cpp": '#include "canary/spec.h"\n#include "base/json.h"\n#include <vector>\n',
            "src/local/node/b.cpp": '#include "kube/api.h"\n#include "local/node/c.h"\n',
            "src/http/parser.cpp": "#include <boost/beast/http/basic_parser.hpp>\n",
        }), "")

    def test_up_and_sideways_are_not(self):
        found = complaints({
            "src/base/a.h": '#pragma once\n#include "http/client.h"\n',
            "src/local/node/b.cpp": '#include "controller/controller.h"\n',
            "src/hooks/c.cpp": '#include "notify/notify.h"\n',
        })
        self.assertIn("src/base/a.h:2: base must not include http/client.h", found)
        self.assertIn("src/local/node/b.cpp:1: local/node must not include controller/controller.h", found)
        self.assertIn("src/hooks/c.cpp:1: hooks must not include notify/notify.h", found)

    def test_tests_may_use_what_they_say(self):
        files = {
            "src/http/CMakeLists.txt": "serin_layer(http DEPENDS base TEST_DEPENDS kube)\n",
            "src/http/a_test.cpp": '#include "kube/api.h"\n',
        }
        self.assertEqual(complaints(files), "")
        self.assertIn("a.cpp:1", complaints({**files, "src/http/a.cpp": '#include "kube/api.h"\n'}))

    def test_cmake_says_the_same(self):
        found = complaints({"src/base/CMakeLists.txt": "serin_layer(base DEPENDS kube LIBRARIES x)\n"})
        self.assertIn("src/base/CMakeLists.txt: base must not depend on kube", found)

    def test_slow_headers_stay_where_they_are(self):
        found = complaints({
            "src/http/a.h": "#include <boost/beast/core.hpp>\n",
            "src/kube/b.cpp": "#include <boost/asio/ssl.hpp>\n",
        })
        self.assertIn("src/http/a.h:1", found)
        self.assertIn("src/kube/b.cpp:1", found)

    def test_the_core_is_pure(self):
        found = complaints({"src/canary/a.cpp": '#include "base/task.h"\n#include <thread>\n#include "base/json.h"\n'})
        self.assertIn("src/canary/a.cpp:1", found)
        self.assertIn("src/canary/a.cpp:2", found)
        self.assertNotIn("a.cpp:3", found)

    def test_unknown_folders_are_named(self):
        self.assertIn("src/other/a.cpp: this folder is no layer", complaints({"src/other/a.cpp": ""}))


if __name__ == "__main__":
    unittest.main()
