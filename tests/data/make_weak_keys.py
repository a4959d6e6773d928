#!/usr/bin/env python3
"""Makes tests/data/keys/weak: SubjectPublicKeyInfos of RSA keys that were badly made, each named for what is wrong.

    python3 tests/data/make_weak_keys.py

Every modulus has exactly 2048 bits (roca_3072: 3072), so that its size is not what is refused.
"""

import os
import random
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "..", "e2e"))

from support import csr  # noqa: E402

OUT = os.path.join(HERE, "keys", "weak")


def cofactor(size, factor, seed):
    """A prime that makes factor * prime a modulus of this size."""
    while True:
        prime = csr.random_prime(size - factor.bit_length() + 1, seed)
        if (prime * factor).bit_length() == size:
            return prime
        prime = csr.random_prime(size - factor.bit_length(), seed)
        if (prime * factor).bit_length() == size:
            return prime
        seed += 1


def close(distance_bits):
    p = csr.random_prime(1024, 21)
    return p * csr.next_prime(p + (1 << distance_bits))


def main():
    os.makedirs(OUT, exist_ok=True)
    primes = {"factor_3": 3, "factor_65521": 65521, "factor_1229": 1229}
    keys = {name: factor * cofactor(2048, factor, 5) for name, factor in primes.items()}
    keys["close_next_prime"] = close(1)
    keys["close_2_100"] = close(100)
    p = csr.random_prime(1024, 51)
    keys["square"] = p * p
    keys["roca_2048"] = csr.roca_prime(1024, 31) * csr.roca_prime(1024, 32)
    keys["roca_3072"] = csr.roca_prime(1536, 33) * csr.roca_prime(1536, 34)
    keys["even"] = (3 << 2046) | random.Random(3).getrandbits(2046) & ~1
    for name, modulus in keys.items():
        with open(os.path.join(OUT, f"{name}.der"), "wb") as out:
            out.write(csr.RsaKey(3, 5, modulus=modulus).spki())


if __name__ == "__main__":
    main()
