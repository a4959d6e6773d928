"""A machine without a network: this process, and all that it starts, leaves it for an empty namespace."""

import ctypes
import fcntl
import os
import socket
import struct

from .harness import equal, expect

CLONE_NEWUSER, CLONE_NEWNET = 0x10000000, 0x40000000
SIOCGIFFLAGS, SIOCSIFFLAGS, IFF_UP = 0x8913, 0x8914, 1
# What stands before a command that is to have not even this machine's own addresses.
NOWHERE = ["unshare", "--net"] if os.getuid() == 0 else ["unshare", "--map-root-user", "--net"]


def leave(loopback=True):
    """For good. What is left is the loopback interface, and with loopback it is up."""
    libc = ctypes.CDLL(None, use_errno=True)
    user, group = os.getuid(), os.getgid()
    done = libc.unshare(CLONE_NEWNET | (CLONE_NEWUSER if user else 0))
    expect(done == 0, f"no namespace of its own: {os.strerror(ctypes.get_errno())}")
    if user:
        for name, text in (("setgroups", "deny"), ("uid_map", f"{user} {user} 1"), ("gid_map", f"{group} {group} 1")):
            with open(f"/proc/self/{name}", "w", encoding="ascii") as file:
                file.write(text)
    if loopback:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as any_socket:
            flags = struct.unpack("16sh", fcntl.ioctl(any_socket, SIOCGIFFLAGS, struct.pack("16sh", b"lo", 0)))[1]
            fcntl.ioctl(any_socket, SIOCSIFFLAGS, struct.pack("16sh", b"lo", flags | IFF_UP))
    equal([name for _, name in socket.if_nameindex()], ["lo"], "interfaces")
