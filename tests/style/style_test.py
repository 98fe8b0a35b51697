#!/usr/bin/env python3
"""The style rules find what they must and leave the rest alone."""

import unittest

import style

BANNED = [
    ("co_spawn(executor, f(), asio::detached);", "detached"),
    ("std::this_thread::sleep_for(1s);", "blocks the one thread"),
    ("const auto now = std::chrono::system_clock::now();", "base::Clock"),
    ("const auto now = std::chrono::steady_clock::now();", "base::Clock"),
    ('const char* home = std::getenv("HOME");', "environment"),
    ("std::random_device seed;", "base::Random"),
    ("int dice = rand() % 6;", "base::Random"),
    ("int dice = std::rand();", "base::Random"),
    ("if (co_await ready()) go();", "head of if"),
    ("while (auto piece = co_await read()) use(piece);", "head of while"),
    ("for (auto& x : co_await list()) use(x);", "head of for"),
    ("switch (co_await kind()) {}", "head of switch"),
    ("if (const auto x = f((1), 2);\n    co_await ready(x)) go();", "head of if"),
    ("const int x = good ? co_await a() : 0;", "?:"),
    ("const int x = co_await good() ? 1 : 0;", "?:"),
    ("use(co_await a(), co_await b());", "two co_awaits"),
    ("spawn([this] { co_await run(); });", "capturing lambda"),
    ("const auto f = [&x](int n) -> Task<int> {\n  co_return n + x;\n};", "capturing lambda"),
    ("// TODO: later", "finish it"),
    ("int x;  // FIXME", "finish it"),
    ("/* XXX\n */", "finish it"),
    ("// old_call(x);", "code in a comment"),
    ("  // if (x) {", "code in a comment"),
    ("int x = " + "1" * style.COLUMNS + ";", "columns"),
]

ALLOWED = [
    "co_await std::move(task);\nif (done) go();",
    "const bool ready = co_await check();\nwhile (ready) { co_await step(); }",
    "for (;;) { co_await step(); }",
    "const int x = co_await f(good ? 1 : 0);",
    'call("' + "x" * style.COLUMNS + '");',
    "spawn([] { return run(); });",
    "spawn([] -> Task<void> { co_return; });",
    "const auto f = [&x] { return x; };\nco_await g();",
    "int a[3];\nTask<void> f() { co_return; }",
    "x = values[i];\nconst auto y = values[i] ? 1 : 2;",
    'log("co_await detached TODO rand() system_clock::now()");',
    "// A sentence; it ends with a full stop.",
    "/// Example: `f(x);`",
    '#include <x>  // the one thing we need; see "y"',
    "mkstemp(name_XXXXXX);",
    "operand(1); object.rand(2); strand();",
    "const int big = 1'000'000; const char c = 'x';",
    "char* p = R\"(if (co_await x) // TODO)\";",
    "int x = 1;  // sorted, as the API gives them",
]


class Style(unittest.TestCase):
    def test_banned(self):
        for text, reason in BANNED:
            found = [entry[1] for entry in style.check_text("src/kube/a.cpp", text)]
            self.assertTrue(any(reason in entry for entry in found), f"{text!r}: {found}")

    def test_allowed(self):
        for text in ALLOWED:
            self.assertEqual(list(style.check_text("src/kube/a.cpp", text)), [], text)

    def test_some_folders_may(self):
        self.assertEqual(list(style.check_text("src/base/task.cpp", "steady_clock::now();")), [])
        self.assertEqual(list(style.check_text("src/cli/main.cpp", "getenv(name);")), [])

    def test_lines_are_right(self):
        found = list(style.check_text("src/kube/a.cpp", '/* a\n b */ auto s = R"(\n)";\nint x = rand();\n'))
        self.assertEqual([line for line, _ in found], [4])


if __name__ == "__main__":
    unittest.main()
