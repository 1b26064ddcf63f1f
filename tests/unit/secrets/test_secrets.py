"""Derived secrets: the standard's own test vectors, and what the platform adds to it."""

from __future__ import annotations

from pathlib import Path

import pytest

from ansible_collections.saasodoo.platform.plugins.module_utils.errors import InvalidInput
from ansible_collections.saasodoo.platform.plugins.module_utils.secrets.platform_key import (
    TENANT_PURPOSES,
    derive,
    hkdf_sha256,
    read_platform_key,
)

KEY = bytes(range(32))
TENANT = "0f8fad5b-d9cb-469f-a165-70867728950e"

# RFC 5869, appendix A, cases 1 to 3: key, salt, info, length, result.
VECTORS = [
    (
        "0b" * 22,
        "000102030405060708090a0b0c",
        "f0f1f2f3f4f5f6f7f8f9",
        42,
        "3cb25f25faacd57a90434f64d0362f2a2d2d0a90cf1a5a4c5db02d56ecc4c5bf34007208d5b887185865",
    ),
    (
        bytes(range(0x50)).hex(),
        bytes(range(0x60, 0xB0)).hex(),
        bytes(range(0xB0, 0x100)).hex(),
        82,
        "b11e398dc80327a1c8e7f78c596a49344f012eda2d4efad8a050cc4c19afa97c59045a99cac7827271cb41c65e590e09da3275600c2f09b8367793a9"
        "aca3db71cc30c58179ec3e87c14c01d5c1f3434f1d87",
    ),
    (
        "0b" * 22,
        "",
        "",
        42,
        "8da4e775a563c18f715f802a063c5a31b8a11f5c5ee1879ec3454e5f3c738d2d9d201395faa4b61a96c8",
    ),
]


@pytest.mark.parametrize(("key", "salt", "info", "length", "result"), VECTORS)
def test_hkdf_gives_what_the_standard_says(key: str, salt: str, info: str, length: int, result: str) -> None:
    derived = hkdf_sha256(bytes.fromhex(key), salt=bytes.fromhex(salt), info=bytes.fromhex(info), length=length)
    assert derived.hex() == result


def test_a_derived_secret_never_changes() -> None:
    """Running tenants depend on these bytes: a change here would lock every one of them out."""
    assert derive(KEY, TENANT, "database") == "dV0cMECs3kbhclmJAADXeTtooMGiVNHA"
    assert derive(KEY, TENANT, "database") == derive(KEY, TENANT, "database", 1)


def test_subject_purpose_generation_and_key_each_give_another_secret() -> None:
    secrets = {derive(KEY, TENANT, purpose, generation) for purpose in TENANT_PURPOSES for generation in (1, 2)}
    secrets |= {derive(KEY, "another", "database"), derive(bytes(32), TENANT, "database")}
    assert len(secrets) == 2 * len(TENANT_PURPOSES) + 2


@pytest.mark.parametrize(
    ("text", "mode"), [("00" * 32, 0o644), ("00" * 31, 0o600), ("zz" * 32, 0o600), ("", 0o600), (None, 0o600)]
)
def test_an_unfit_key_file_is_refused_without_showing_it(tmp_path: Path, text: str | None, mode: int) -> None:
    file = tmp_path / "platform.key"
    if text is not None:
        file.write_text(text)
        file.chmod(mode)
    with pytest.raises(InvalidInput, match=r"platform\.key") as caught:
        read_platform_key(file)
    assert not text or text not in str(caught.value)


def test_a_fit_key_file_is_read(tmp_path: Path) -> None:
    file = tmp_path / "platform.key"
    file.touch(mode=0o600)
    file.write_text(KEY.hex() + "\n")
    assert read_platform_key(file) == KEY
