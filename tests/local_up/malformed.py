#!/usr/bin/env python3
"""Throws truncated, oversized and malformed input at one listening port, and asks it a well-formed question
all the while: each must be answered.

Usage: malformed.py ADDRESS PORT SEED [HEADER...]

HEADERs (`Authorization: Bearer ...`) go with each request. Exit status 1, and a line for each question that was not
answered, if it does not go on serving.
"""

import contextlib
import random
import socket
import ssl
import struct
import sys
import threading
import time

ANSWER_WITHIN = 20  # seconds for a well-formed question; sanitizers on a busy machine are slow
LINGER = 0.2  # seconds that an attack waits for what its input leads to
THREADS = 4
ATTACKS_EACH = 20
HELD = 40  # connections with half a request that stay open all the time

EXEC = "/api/v1/namespaces/default/pods/x/exec?stdin=true&command=cat"
PORT_FORWARD = "/api/v1/namespaces/default/pods/x/portforward"
PATHS = ["/", "/version", "/metrics", "/api/v1/namespaces", "/apis/apps/v1/namespaces/default/deployments/x", "/gate/open",
         "/rollback/check", "/store", "/echo", "/ws/echo"]
METHODS = ["GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "HEAD", "CONNECT", "PRI", "get", "G T", "", "\0", "A" * 9000]
TYPES = ["application/json", "application/yaml", "application/json-patch+json", "application/apply-patch+yaml",
         "application/merge-patch+json", "application/strategic-merge-patch+json", "application/vnd.kubernetes.protobuf"]


class Port:
    """Where to, and how: over TLS if that is spoken there, and with which headers."""

    def __init__(self, address, port, headers):
        self.where = (address, port)
        self.headers = "".join(line + "\r\n" for line in headers)
        self.tls = ssl._create_unverified_context()
        try:
            self.connect().close()
        except (ssl.SSLError, ConnectionError):
            self.tls = None

    def connect(self, tls=True):
        plain = socket.create_connection(self.where, ANSWER_WITHIN)
        return self.tls.wrap_socket(plain) if self.tls and tls else plain

    def head(self, method, path, *lines):
        fields = "".join(line + "\r\n" for line in lines)
        return ("%s %s HTTP/1.1\r\nHost: x\r\n%s%s\r\n" % (method, path, self.headers, fields)).encode("latin-1")

    def ask(self):
        """A well-formed question by a client of its own; what is wrong with the answer, if anything."""
        try:
            with self.connect() as connection:
                connection.sendall(self.head("GET", "/", "Connection: close"))
                answer = connection.recv(12)
                return None if answer.startswith(b"HTTP/1.") else "answered by %r" % answer
        except OSError as error:
            return str(error)


# Each attack makes the bytes of one connection; `chance` is seeded.


def noise(port, chance):
    return chance.randbytes(chance.randint(1, 5000))


def truncated(port, chance):
    whole = port.head("POST", chance.choice(PATHS), "Content-Length: 9") + b'{"a": 1}\n'
    return whole[:chance.randrange(len(whole))]


def mutated(port, chance):
    whole = bytearray(port.head(chance.choice(METHODS), chance.choice(PATHS), "Content-Length: 9") + b'{"a": 1}\n')
    for _ in range(chance.randint(1, 6)):
        whole[chance.randrange(len(whole))] = chance.randrange(256)
    return bytes(whole)


def request_lines(port, chance):
    return chance.choice([
        b"\r\n" * 9000, b"GET\r\n\r\n", b"GET /\r\n\r\n", b"GET / HTTP/9.9\r\n\r\n", b"GET / HTTP/1.1\n\n", b"\0" * 4000,
        b"GET  /  HTTP/1.1\r\nHost: x\r\n\r\n", b"GET http://[::1 HTTP/1.1\r\n\r\n",
        b"GET http://a:99999/ HTTP/1.1\r\n\r\n", b"GET /%zz%00%ff/../../.. HTTP/1.1\r\nHost: x\r\n\r\n",
        b"GET /\xff\xfe\r HTTP/1.1\r\nHost: x\r\n\r\n", b"CONNECT x:1 HTTP/1.1\r\n\r\n",
        b"OPTIONS * HTTP/1.1\r\nHost: \r\n\r\n", b"GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n",
        b"GET /" + b"a" * 1_000_000 + b" HTTP/1.1\r\n\r\n", b"A" * 1_000_000,
    ])


def header_floods(port, chance):
    line = chance.choice([b"X: " + b"y" * 200_000, b"X" * 200_000 + b": y", b"X: y", b": y", b"X", b" X: y", b"X : y",
                          b"X: y\r\n folded", b"X: \0", b"Cookie: " + b"a=b; " * 50])
    return port.head("GET", "/")[:-2] + (line + b"\r\n") * chance.choice([1, 20, 5000 if len(line) < 1000 else 20])


def lengths(port, chance):
    wrong = ["-1", "+1", "0x10", "1 1", "1, 2", "", "9" * 30, "18446744073709551616", "9223372036854775807", "1e3", "NaN"]
    fields = ["Content-Length: " + chance.choice(wrong)]
    if chance.random() < 0.3:
        fields.append(chance.choice(["Content-Length: 2", "Transfer-Encoding: chunked", "Transfer-Encoding: x, gzip"]))
    return port.head("POST", chance.choice(PATHS), *fields) + b"{}" * chance.randint(0, 50)


def chunks(port, chance):
    bodies = [b"zz\r\n", b"-5\r\nhello\r\n", b"5\r\nhello world\r\n0\r\n\r\n", b"F" * 40 + b"\r\n", b"ffffffffffffffff\r\nx",
              b"7fffffffffffffff\r\nx", b"5;" + b"e" * 300_000, b"5\nhello\n0\n\n", b"0\r\n" + b"T: x\r\n" * 20_000,
              b"1\r\nx\r\n" * 20_000, b"100000\r\n" + b"x" * 1000, b"\r\n\r\n", b"0\r\n\0"]
    return port.head("POST", chance.choice(PATHS), "Transfer-Encoding: chunked") + chance.choice(bodies)


def huge_bodies(port, chance):
    size = chance.choice([4 << 20, 16 << 20])
    return port.head("POST", chance.choice(PATHS), "Content-Length: %d" % (chance.choice([1, 64]) * size)) + b"x" * size


def documents(port, chance):
    """Deep, circular or broken JSON and YAML."""
    depth = chance.choice([1000, 100_000])
    body = chance.choice([b"[" * depth, b'{"a":' * depth, b"- " * depth, b"[" * depth + b"]" * depth, b"&a [*a]",
                          b'{"a":"\\ud800"}', b"\xff\xfe{}", b"1e99999", b"a: &b [*b, *b]", b"!!binary x"])
    return port.head(chance.choice(["POST", "PUT", "PATCH"]), chance.choice(PATHS), "Content-Length: %d" % len(body),
                     "Content-Type: " + chance.choice(TYPES)) + body


def questions(port, chance):
    wrong = ["limit=-1", "limit=99999999999999999999", "continue=%ff%00x", "resourceVersion=x",
             "watch=true&resourceVersion=-7", "labelSelector=((((", "labelSelector=a%20in%20(", "fieldSelector=%3d%3d",
             "timeoutSeconds=1e400", "&&&===%", "%", "fieldManager=" + "x" * 5000, "query=" + "(" * 5000]
    return port.head("GET", chance.choice(PATHS) + "?" + chance.choice(wrong))


def pipelined(port, chance):
    return port.head("GET", chance.choice(PATHS)) * 300


def http2(port, chance):
    settings = b"\0\0\0\x04\0\0\0\0\0"
    frame = chance.randbytes(3) + bytes([chance.randrange(256)]) + chance.randbytes(500)
    upgrade = port.head("GET", "/", "Connection: Upgrade, HTTP2-Settings", "Upgrade: h2c", "HTTP2-Settings: AAMAAABk")
    return chance.choice([b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + settings + frame, upgrade + frame])


def upgraded(port, chance):
    """Upgrades to WebSocket or SPDY, followed by frames that are none, too long, or badly compressed."""
    head = port.head(chance.choice(["GET", "POST"]), chance.choice(PATHS + [EXEC, PORT_FORWARD]), "Connection: Upgrade",
                     "Upgrade: " + chance.choice(["websocket", "SPDY/3.1"]),
                     "Sec-WebSocket-Key: " + chance.choice(["dGhlIHNhbXBsZSBub25jZQ==", "x", ""]),
                     "Sec-WebSocket-Version: 13", "Sec-WebSocket-Protocol: v5.channel.k8s.io",
                     "X-Stream-Protocol-Version: v4.channel.k8s.io")
    frames = [b"\x81\xff" + b"\xff" * 8 + b"mask", b"\x81\x7f\x7f" + b"\xff" * 7, b"\x0f\x80",
              b"\x80\x03\0\x01\0\xff\xff\xff", b"\0\0\0\x01\0\xff\xff\xff" + b"x" * 5000,
              b"\x80\x03\0\x01\0\0\0\x0e" + struct.pack("!IIH", 1, 0, 0) + b"\x78\xbb\xff\xff"]
    return head + chance.choice(frames) + chance.randbytes(chance.randint(0, 300))


def hello(port, chance):
    """The beginning of a TLS handshake, right or wrong, cut off somewhere."""
    sent = ssl.MemoryBIO()
    with contextlib.suppress(ssl.SSLWantReadError):
        ssl._create_unverified_context().wrap_bio(ssl.MemoryBIO(), sent, server_hostname="x").do_handshake()
    octets = bytearray(sent.read())
    for _ in range(chance.randint(0, 4)):
        octets[chance.randrange(len(octets))] = chance.randrange(256)
    return bytes(octets[:chance.randint(1, len(octets))]) + chance.choice([b"", b"\x16\x03\x01\xff\xff", b"\x15\x03\x03\0\x02\x02\x28"])


ATTACKS = [noise, truncated, mutated, request_lines, header_floods, lengths, chunks, huge_bodies, documents, questions,
           pipelined, http2, upgraded, hello]


def attack(port, chance):
    """One connection with malformed input. What comes back, and whether it is closed, does not matter."""
    make = chance.choice(ATTACKS)
    tls = make is not hello and chance.random() < 0.8
    with contextlib.suppress(OSError), port.connect(tls) as connection:
        connection.settimeout(LINGER)
        with contextlib.suppress(OSError):
            connection.sendall(make(port, chance))
        end = chance.choice(["close", "half", "reset", "read"])
        if end == "half":
            connection.shutdown(socket.SHUT_WR)
        if end == "reset":
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        elif end != "close":
            connection.recv(65536)


def attack_often(port, chance):
    for _ in range(ATTACKS_EACH):
        attack(port, chance)


def hold(port, chance):
    """A client that sends half of a request and then waits (slowloris), or asks much and never reads."""
    connection = port.connect()
    connection.settimeout(LINGER)
    with contextlib.suppress(OSError):
        connection.sendall(chance.choice([b"GET", port.head("GET", "/")[:-2], pipelined(port, chance),
                                          port.head("POST", "/", "Content-Length: 100")]))
    return connection


def main(address, number, seed, *headers):
    port = Port(address, int(number), headers)
    held = [hold(port, random.Random("%s held %d" % (seed, i))) for i in range(HELD)]
    attackers = [threading.Thread(target=attack_often, args=(port, random.Random("%s %d" % (seed, i)))) for i in range(THREADS)]
    for thread in attackers:
        thread.start()
    slowest, complaints, asked = 0.0, [], 0
    while asked == 0 or any(thread.is_alive() for thread in attackers):
        begin = time.monotonic()
        wrong = port.ask()
        took = time.monotonic() - begin
        slowest = max(slowest, took)
        asked += 1
        if wrong:
            complaints.append("question %d, after %.1f s: %s" % (asked, took, wrong))
        time.sleep(0.05)
    for connection in held:
        connection.close()
    print("%s port %s: %d attacks, %d questions, the slowest answer after %.2f s" %
          (address, number, THREADS * ATTACKS_EACH, asked, slowest))
    print("\n".join(complaints))
    return 1 if complaints else 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
