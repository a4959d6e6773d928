"""The validator's process, and a played signer on the other end of its channel."""

import itertools
import os
import queue
import signal
import socket
import struct
import subprocess
import threading

from .harness import Failure, expect

ERROR, VALIDATE, VALIDATED, DELIVER, DELIVERED = 1, 128, 129, 130, 131
DNS_TXT, DNS_CNAME, HTTP = 2, 4, 8
ALLOWS, FORBIDS, UNKNOWN = 1, 2, 3
MAIL, WEBHOOK = 1, 2


def field(value):
    data = value.encode() if isinstance(value, str) else value
    return struct.pack("!I", len(data)) + data


class Reader:
    def __init__(self, data):
        self.data, self.at = data, 0

    def take(self, size):
        expect(self.at + size <= len(self.data), "an answer is cut short")
        self.at += size
        return self.data[self.at - size:self.at]

    def u8(self):
        return self.take(1)[0]

    def u32(self):
        return struct.unpack("!I", self.take(4))[0]

    def text(self):
        return self.take(self.u32()).decode()


def read_validated(data):
    r = Reader(data)
    seen = {"shown": r.u8(), "attempts": []}
    for _ in range(r.u32()):
        seen["attempts"].append({"method": r.u8(), "code": r.text(), "text": r.text()})
    seen.update(caa=r.u8(), caa_text=r.text(), caa_methods=r.u8())
    expect(r.at == len(data), "an answer has bytes behind its end")
    return seen


def read_delivered(data):
    r = Reader(data)
    result = {"good": bool(r.u8()), "final": bool(r.u8()), "text": r.text()}
    expect(r.at == len(data), "an answer has bytes behind its end")
    return result


class Validator:
    """`chanceryd --role validator` on a state directory that exists."""

    def __init__(self, env, state, name="validator", mail_password=None):
        self.env, self.name, self.ids = env, name, itertools.count(1)
        self.socket, theirs = socket.socketpair()
        given = {"CHANCERY_CHANNEL": theirs.fileno()}
        if mail_password is not None:
            password = os.memfd_create("password")
            os.write(password, mail_password.encode())
            os.lseek(password, 0, os.SEEK_SET)
            given["CHANCERY_MAIL_PASSWORD"] = password
        self.process = env.start(name, env.program("chanceryd"), "--config", "chancery.conf", "--role", "validator",
                                 env=env.environment(**given), cwd=state, pass_fds=tuple(given.values()))
        theirs.close()
        if mail_password is not None:
            os.close(given["CHANCERY_MAIL_PASSWORD"])
        self.waiting, self.lock = {}, threading.Lock()
        threading.Thread(target=self.read, daemon=True).start()

    # ---- the channel ----

    def read(self):
        data = b""
        while True:
            try:
                more = self.socket.recv(65536)
            except OSError:
                more = b""
            if not more:
                break
            data += more
            while len(data) >= 4 and len(data) >= 4 + struct.unpack("!I", data[:4])[0]:
                length = struct.unpack("!I", data[:4])[0]
                kind, identifier = struct.unpack("!HQ", data[4:14])
                self.answered(identifier, (kind, data[14:4 + length]))
                data = data[4 + length:]
        with self.lock:
            for waiting in self.waiting.values():
                waiting.put(None)

    def answered(self, identifier, answer):
        with self.lock:
            waiting = self.waiting.pop(identifier, None)
        if waiting:
            waiting.put(answer)

    def send(self, kind, payload):
        """Asks; the answer comes from the queue that is returned: (type, payload), None where the channel closed."""
        answer, identifier = queue.Queue(), next(self.ids)
        with self.lock:
            self.waiting[identifier] = answer
        self.socket.sendall(struct.pack("!IHQ", 10 + len(payload), kind, identifier) + payload)
        return answer

    def ask(self, kind, payload, wanted, limit=40):
        answer = self.send(kind, payload).get(timeout=limit)
        if answer is None:
            raise Failure("the validator closed its channel")
        expect(answer[0] == wanted, f"answer of type {answer[0]}, expected {wanted}: {answer[1][:300]!r}")
        return answer[1]

    # ---- questions ----

    @staticmethod
    def question(name, methods=0, value="", parents=False, caa=False, identity="", account=""):
        return (field(name) + bytes([methods, parents]) + field(value) + bytes([caa]) + field(identity)
                + field(account))

    def validate(self, name, methods=0, value="", **more):
        return read_validated(self.ask(VALIDATE, self.question(name, methods, value, **more), VALIDATED))

    def attempt(self, name, method, value, **more):
        """One method: its code and text."""
        seen = self.validate(name, method, value, **more)
        expect(len(seen["attempts"]) == 1 and seen["attempts"][0]["method"] == method, f"{seen}")
        code = seen["attempts"][0]["code"]
        expect((seen["shown"] == method) == (code == "ok"), f"shown and code differ: {seen}")
        return code, seen["attempts"][0]["text"]

    def deliver(self, kind, to, subject, body, identifier="d-1", signature=""):
        payload = (bytes([kind]) + field(to) + field(subject) + field(body) + field(signature) + field(identifier))
        return read_delivered(self.ask(DELIVER, payload, DELIVERED))

    # ---- life ----

    def stop(self, limit=5):
        """Closes the channel; the exit status."""
        self.socket.shutdown(socket.SHUT_RDWR)
        try:
            return self.process.wait(limit)
        except subprocess.TimeoutExpired:
            self.process.send_signal(signal.SIGKILL)
            raise Failure(f"the validator did not leave within {limit} s of its channel's end") from None
