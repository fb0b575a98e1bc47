"""Content that anyone can lock and only who has the key can read: X25519, HKDF-SHA256, ChaCha20-Poly1305."""

from __future__ import annotations

import hashlib
from typing import Any

from gazekit.core.errors import FormatError, InputError, MissingExtraError

MARK = b"gazekit sealed/1\n"
_KEY_BYTES = 32


def new_keys() -> tuple[str, str]:
    """Return a new private key and its public key, as hexadecimal digits."""
    private = _module("asymmetric.x25519").X25519PrivateKey.generate()
    return private.private_bytes_raw().hex(), private.public_key().public_bytes_raw().hex()


def encrypt(content: bytes, public_key: str) -> bytes:
    """Lock content, so that only the private key of a public one reads it.

    Examples
    --------
    >>> private, public = new_keys()
    >>> decrypt(encrypt(b"a score", public), private)
    b'a score'
    """
    keys = _module("asymmetric.x25519")
    passing = keys.X25519PrivateKey.generate()
    shared = passing.exchange(keys.X25519PublicKey.from_public_bytes(bytes.fromhex(public_key)))
    own = passing.public_key().public_bytes_raw()
    locked: bytes = _cipher(shared, own).encrypt(bytes(12), content, MARK)
    return b"".join([MARK, own, locked])


def decrypt(content: bytes, private_key: str) -> bytes:
    """Read what was locked.

    Raises
    ------
    FormatError
        Not what `encrypt` wrote, or altered.
    InputError
        Another key.
    """
    if not content.startswith(MARK):
        raise FormatError("this was not sealed by gazekit")
    own, locked = content[len(MARK) :][:_KEY_BYTES], content[len(MARK) + _KEY_BYTES :]
    keys = _module("asymmetric.x25519")
    try:
        shared = keys.X25519PrivateKey.from_private_bytes(bytes.fromhex(private_key.strip())).exchange(
            keys.X25519PublicKey.from_public_bytes(own)
        )
        opened: bytes = _cipher(shared, own).decrypt(bytes(12), locked, MARK)
    except (ValueError, _invalid()) as error:
        raise InputError("the key does not fit what was sealed, or that was altered") from error
    return opened


def cover(content: bytes, name: str) -> bytes:
    """Lock content so that it is not read by oversight: whoever knows the name can read it, see `uncover`.

    The same content under the same name is the same bytes.

    Examples
    --------
    >>> uncover(cover(b"a score", "of a study"), "of a study")
    b'a score'
    """
    salt = hashlib.sha256(name.encode() + content).digest()
    locked: bytes = _cipher(name.encode(), salt).encrypt(bytes(12), content, MARK)
    return b"".join([MARK, salt, locked])


def uncover(content: bytes, name: str) -> bytes:
    """Read what was locked by `cover` under a name.

    Raises
    ------
    InputError
        Another name, or altered content.
    """
    salt, locked = content[len(MARK) :][:_KEY_BYTES], content[len(MARK) + _KEY_BYTES :]
    try:
        read: bytes = _cipher(name.encode(), salt).decrypt(bytes(12), locked, MARK)
    except _invalid() as error:
        raise InputError("this was locked under another name, or altered") from error
    return read


def _cipher(shared: bytes, salt: bytes) -> Any:
    derived = _module("kdf.hkdf").HKDF(_module("hashes").SHA256(), _KEY_BYTES, salt, MARK).derive(shared)
    return _module("ciphers.aead").ChaCha20Poly1305(derived)  # each key locks one content: the nonce may be zeros


def _invalid() -> type[Exception]:
    import importlib

    invalid: type[Exception] = importlib.import_module("cryptography.exceptions").InvalidTag
    return invalid


def _module(name: str) -> Any:
    import importlib

    try:
        return importlib.import_module(f"cryptography.hazmat.primitives.{name}")
    except ImportError:
        raise MissingExtraError("cryptography", "registration") from None
