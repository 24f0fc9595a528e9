"""SHA-256, by the library that checks the signatures: Python's own would load OpenSSL a second time, 3.5 MB of it."""

from cryptography.hazmat.primitives import hashes


def sha256(content: bytes) -> bytes:
    """Return the SHA-256 of `content`, 32 bytes."""
    found = hashes.Hash(hashes.SHA256())
    found.update(content)
    return found.finalize()


def sha256_hex(content: bytes) -> str:
    """Return the SHA-256 of `content` in hex."""
    return sha256(content).hex()
