"""DER, written byte by byte: also what no honest tool would write."""

import base64


def length(n):
    if n < 128:
        return bytes([n])
    octets = n.to_bytes((n.bit_length() + 7) // 8, "big")
    return bytes([0x80 | len(octets)]) + octets


def tlv(tag, *parts):
    body = b"".join(parts)
    return bytes([tag]) + length(len(body)) + body


def sequence(*parts):
    return tlv(0x30, *parts)


def set_of(*parts):
    return tlv(0x31, *parts)


def integer(n):
    return tlv(0x02, n.to_bytes(n.bit_length() // 8 + 1, "big", signed=n < 0))


def octets(data):
    return tlv(0x04, data)


def bits(data, unused=0):
    return tlv(0x03, bytes([unused]), data)


def null():
    return b"\x05\x00"


def boolean(value):
    return tlv(0x01, b"\xff" if value else b"\x00")


def utf8(text):
    return tlv(0x0C, text.encode() if isinstance(text, str) else text)


def oid(dotted):
    first, second, *rest = map(int, dotted.split("."))
    body = b""
    for number in [first * 40 + second, *rest]:
        septets = [number & 0x7F]
        while number := number >> 7:
            septets.append(0x80 | number & 0x7F)
        body += bytes(reversed(septets))
    return tlv(0x06, body)


def context(number, *parts, constructed=True):
    return tlv((0xA0 if constructed else 0x80) | number, *parts)


def long_form(element, extra=1):
    """The same element with its length in more octets than DER allows."""
    tag, rest = element[:1], element[1:]
    if rest[0] < 128:
        size, body = rest[0], rest[1:]
    else:
        count = rest[0] & 0x7F
        size, body = int.from_bytes(rest[1:1 + count], "big"), rest[1 + count:]
    shown = size.to_bytes((size.bit_length() + 7) // 8 + extra, "big")
    return tag + bytes([0x80 | len(shown)]) + shown + body


def indefinite(*parts, tag=0x30):
    """BER's indefinite length."""
    return bytes([tag, 0x80]) + b"".join(parts) + b"\0\0"


def pem(data, label="CERTIFICATE REQUEST", newline="\n", width=64):
    text = base64.b64encode(data).decode()
    lines = [text[at:at + width] for at in range(0, len(text), width)]
    return newline.join([f"-----BEGIN {label}-----", *lines, f"-----END {label}-----", ""])


def unpem(text):
    body = "".join(line for line in text.splitlines() if line and not line.startswith("-----"))
    return base64.b64decode(body)
