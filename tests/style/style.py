#!/usr/bin/env python3
"""Finds what our C++ must not hold and no compiler complains about.

Usage: tests/style/style.py [--root DIR]. Prints file:line and the reason for each finding; exit status 1 then.
"""

import argparse
import pathlib
import re
import sys

COLUMNS = 110


class Rule:
    """A pattern that code must not match, except in files whose path matches `allowed`."""

    def __init__(self, pattern, reason, allowed=None):
        self.pattern = re.compile(pattern)
        self.reason = reason
        self.allowed = re.compile(allowed) if allowed else None

    def applies_to(self, name):
        return not (self.allowed and self.allowed.match(name))


# Over code without comments and texts.
CODE_RULES = [
    Rule(r"\bdetached\b", "a detached coroutine loses its exceptions and its owner: use base::TaskGroup"),
    Rule(r"\bthis_thread::sleep_(for|until)\b|\b(u|nano)sleep\s*\(",
         "blocks the one thread: await base::Clock", allowed=r".*(_test\.cpp|_for_tests\.h)"),
    Rule(r"\b(system|steady|high_resolution)_clock::now\b|\bclock_gettime\s*\(|\bgettimeofday\s*\(",
         # The guard is a process after fork: system calls only, and no objects to be given.
         "time comes in as base::Clock",
         allowed=r"src/(base|cli)/|src/loadtester/guard\.cpp|.*(_test\.cpp|_for_tests\.h)"),
    Rule(r"(?<![\w.>])(secure_)?getenv\s*\(", "the environment is read by main and handed down",
         allowed=r"src/cli/|.*_test\.cpp"),
    Rule(r"\brandom_device\b", "chance comes in as base::Random", allowed=r"src/base/"),
    Rule(r"(?<![\w.>:])(std::)?s?rand\s*\(", "chance comes in as base::Random"),
]

# Over comments.
COMMENT_RULES = [
    Rule(r"\b(TODO|FIXME|XXX|HACK)\b", "finish it, or open an issue"),
    Rule(r"^//[^/!].*[;{}]\s*$", "code in a comment: delete it, git remembers"),
]

TEXTS = re.compile(
    r"""//[^\n]*|/\*.*?\*/|R"(?P<mark>[^()\s\\]*)\(.*?\)(?P=mark)"|"(?:[^"\\\n]|\\.)*"|(?<![0-9a-fA-F])'(?:[^'\\\n]|\\.)*'""",
    re.DOTALL)


def split(text):
    """The code with comments and texts blanked out, and the comments as (line, text)."""
    comments = []

    def blank(match):
        piece = match.group()
        if piece.startswith(("//", "/*")):
            comments.append((line_at(text, match.start()), piece))
            return re.sub(r"[^\n]", " ", piece)
        inner = re.sub(r"[^\n]", " ", piece[1:-1])
        return '"' + inner + '"' if piece.startswith(("R", '"')) else "'" + inner + "'"

    return TEXTS.sub(blank, text), comments


def without_texts(text):
    """The text with its literals emptied: those cannot be broken everywhere."""
    def empty(match):
        piece = match.group()
        return piece if piece.startswith("/") else '""' + "\n" * piece.count("\n")

    return TEXTS.sub(empty, text)


def line_at(text, offset):
    return text.count("\n", 0, offset) + 1


def closing(code, start, pair):
    """Where the bracket opened at `start` closes."""
    depth = 0
    for offset in range(start, len(code)):
        if code[offset] == pair[0]:
            depth += 1
        elif code[offset] == pair[1]:
            depth -= 1
            if depth == 0:
                return offset
    return len(code)


def heads_with_await(code):
    for head in re.finditer(r"\b(if|while|for|switch)\s*(?:constexpr\s*)?\(", code):
        end = closing(code, head.end() - 1, "()")
        if re.search(r"\bco_await\b", code[head.end():end]):
            yield head.start(), f"co_await in the head of {head.group(1)}: await into a name, then look"


def is_in_choice(statement, at):
    """Whether what is awaited at this offset is an operand of ?: and not only an argument that holds one."""
    if "?" in statement[:at]:
        return True
    depth = 0
    for character in statement[at:]:
        depth += (character in "([") - (character in ")]")
        if character == "?" and depth <= 0:
            return True
    return False


def statements_with_await(code):
    start = 0
    for end in re.finditer(r"[;{}]", code):
        statement = code[start:end.start()]
        awaits = [match.start() for match in re.finditer(r"\bco_await\b", statement)]
        if awaits and is_in_choice(statement, awaits[0]):
            yield start + awaits[0], "co_await inside ?: : await into a name first"
        if len(awaits) > 1:
            yield start + awaits[1], "two co_awaits in one statement: await one after the other"
        start = end.end()


def capturing_coroutines(code):
    for introducer in re.finditer(r"(?<![\w\])])\[([^\[\]]+)\]\s*(?=[({])", code):
        rest = introducer.end()
        if code[rest] == "(":
            rest = closing(code, rest, "()") + 1
        body = re.compile(r"[^{};]*\{").match(code, rest)
        if not body:
            continue
        end = closing(code, body.end() - 1, "{}")
        if re.search(r"\bco_(await|return|yield)\b", code[body.end():end]):
            yield introducer.start(), "a capturing lambda is a coroutine: its captures die first; use a function"


def check_text(name, text):
    """Yields (line, reason) for each finding in a file's text."""
    code, comments = split(text)
    for rule in CODE_RULES:
        if rule.applies_to(name):
            for match in rule.pattern.finditer(code):
                yield line_at(code, match.start()), rule.reason
    for search in (heads_with_await, statements_with_await, capturing_coroutines):
        for offset, reason in search(code):
            yield line_at(code, offset), reason
    for first, comment in comments:
        for number, line in enumerate(comment.splitlines(), first):
            for rule in COMMENT_RULES:
                if rule.pattern.search(line):
                    yield number, rule.reason
    for number, line in enumerate(without_texts(text).splitlines(), 1):
        if len(line) > COLUMNS:
            yield number, f"longer than {COLUMNS} columns"


def sources(root):
    for folder in ("src", "tests", "bench"):
        for path in sorted((root / folder).rglob("*")):
            if path.suffix in (".cpp", ".h", ".inc"):
                yield path


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--root", type=pathlib.Path, default=pathlib.Path(__file__).resolve().parents[2])
    root = parser.parse_args().root
    count = 0
    for path in sources(root):
        name = path.relative_to(root).as_posix()
        for line, reason in sorted(set(check_text(name, path.read_text(errors="replace")))):
            print(f"{name}:{line}: {reason}")
            count += 1
    if count:
        sys.exit(1)


if __name__ == "__main__":
    main()
