"""The test vectors of RFC 3711 appendix B, RFC 6188 section 7 and RFC 7714 sections 16 and 17."""

from __future__ import annotations

import pytest

from voipgw.errors import AuthenticationError
from voipgw.srtp import Context, MasterKey, SessionKeys

_ = bytes.fromhex

# RFC 3711 B.2 and RFC 6188 7.1, 7.2: session key, session salt, first blocks of the key stream (SSRC and index zero)
KEY_STREAMS = {
    "RFC 3711 B.2": (
        "AES_CM_128_HMAC_SHA1_80",
        "2B7E151628AED2A6ABF7158809CF4F3C",
        "E03EAD0935C95E80E166B16DD92B4EB4 D23513162B02D0F72A43A2FE4A5F97AB 41E95B3BB0A2E8DD477901E4FCA894C0",
    ),
    "RFC 6188 7.1": (
        "AES_256_CM_HMAC_SHA1_80",
        "57f82fe3613fd170a85ec93c40b1f092 2ec4cb0dc025b58272147cc438944a98",
        "92bdd28a93c3f52511c677d08b5515a4 9da71b2378a854f67050756ded165bac 63c4868b7096d88421b563b8c94c9a31",
    ),
}
SESSION_SALT = _("F0F1F2F3F4F5F6F7F8F9FAFBFCFD")

# RFC 3711 B.3 and RFC 6188 7.2: master key, master salt; cipher key, cipher salt, authentication key
DERIVATIONS = {
    "RFC 3711 B.3": (
        "AES_CM_128_HMAC_SHA1_80",
        "E1F97A0D3E018BE0D64FA32C06DE4139",
        "0EC675AD498AFEEBB6960B3AABE6",
        "C61E7A93744F39EE10734AFE3FF7A087",
        "30CBBC08863D8C85D49DB34A9AE1",
        "CEBE321F6FF7716B6FD4AB49AF256A156D38BAA4",
    ),
    "RFC 6188 7.2": (
        "AES_256_CM_HMAC_SHA1_80",
        "f0f04914b513f2763a1b1fa130f10e29 98f6f6e43e4309d1e622a0e332b9f1b6",
        "3b04803de51ee7c96423ab5b78d2",
        "5ba1064e30ec51613cad926c5a28ef73 1ec7fb397f70a960653caf06554cd8c4",
        "fa31791685ca444a9e07c6c64e93",
        "fd9c32d39ed5fbb5a9dc96b30818454d1313dc05",
    ),
}

# RFC 7714 16 and 17: the packets, and what the 128 and the 256 bit key 00 01 02 ... make of them
GCM_SALT = b"Quid pro quo"
RTP = _("8040f17b 8041f8d3 5501a0b2") + b"Gallia est omnis divisa in partes tres"
RTCP = _(
    "81c8000d 4d617273 4e545031 4e545032 52545020 0000042a 0000e930 4c756e61 deadbeef deadbeef deadbeef deadbeef deadbeef"
)
RTCP_SSRC, RTCP_INDEX = 0x4D617273, 0x5D4
GCM = {
    "16.1 and 17.1": (
        "AEAD_AES_128_GCM",
        "f24de3a3 fb34de6c acba861c 9d7e4bca be633bd5 0d294e6f 42a5f47a 51c7d19b 36de3adf 8833"
        "899d7f27 beb16a91 52cf765e e4390cce",
        "63e94885 dcdab67c a727d766 2f6b7e99 7ff5c0f7 6c06f32d c676a5f1 730d6fda 4ce09b46 86303ded 0bb9275b"
        "c84aa458 96cf4d2f c5abf872 45d9eade 800005d4",
    ),
    "16.2 and 17.3": (
        "AEAD_AES_256_GCM",
        "32b1de78 a822fe12 ef9f78fa 332e33aa b1801238 9a58e2f3 b50b2a02 76ffae0f 1ba63799 b87b"
        "7aa3db36 dfffd6b0 f9bb7878 d7a76c13",
        "d50ae4d1 f5ce5d30 4ba297e4 7d470c28 2c3ece5d bffe0a50 a2eaa5c1 110555be 8415f658 c61de047 6f1b6fad"
        "1d1eb30c 4446839f 57ff6f6c b26ac3be 800005d4",
    ),
}


@pytest.mark.parametrize("profile, key, stream", KEY_STREAMS.values(), ids=KEY_STREAMS.keys())
def test_counter_mode_gives_the_published_key_stream(profile: str, key: str, stream: str) -> None:
    context = Context.of_session_keys(
        profile, SessionKeys(_(key), bytes(20), SESSION_SALT), SessionKeys(_(key), bytes(20), SESSION_SALT)
    )
    assert context.protect(_("80000000 00000000 00000000") + bytes(48))[12:60] == _(stream)


@pytest.mark.parametrize("profile, key, salt, cipher, cipher_salt, auth", DERIVATIONS.values(), ids=DERIVATIONS.keys())
def test_session_keys_are_derived_as_published(
    profile: str, key: str, salt: str, cipher: str, cipher_salt: str, auth: str
) -> None:
    assert SessionKeys.derive(MasterKey(profile, _(key), _(salt))) == SessionKeys(_(cipher), _(auth), _(cipher_salt))


def _gcm_context(profile: str) -> Context:
    keys = SessionKeys(bytes(range(16 if "128" in profile else 32)), b"", GCM_SALT)
    return Context.of_session_keys(profile, keys, keys)


@pytest.mark.parametrize("profile, rtp, rtcp", GCM.values(), ids=GCM.keys())
def test_aead_gives_the_published_packets(profile: str, rtp: str, rtcp: str) -> None:
    context = _gcm_context(profile)
    protected = RTP[:12] + _(rtp)
    assert context.protect(RTP) == protected
    assert context.unprotect(protected) == RTP
    context.set_index(RTCP_SSRC, RTCP_INDEX - 1, sent=True, rtcp=True)
    protected = RTCP[:8] + _(rtcp)
    assert context.protect_rtcp(RTCP) == protected
    assert context.unprotect_rtcp(protected) == RTCP


@pytest.mark.parametrize("profile, rtp, rtcp", GCM.values(), ids=GCM.keys())
def test_aead_refuses_the_published_packets_with_any_octet_changed(profile: str, rtp: str, rtcp: str) -> None:
    context = _gcm_context(profile)
    for whole, unprotect in ((RTP[:12] + _(rtp), context.unprotect), (RTCP[:8] + _(rtcp), context.unprotect_rtcp)):
        for at in range(12 if unprotect == context.unprotect else 8, len(whole) - 4):
            with pytest.raises(AuthenticationError):
                unprotect(whole[:at] + bytes([whole[at] ^ 1]) + whole[at + 1 :])
        unprotect(whole)


def test_counter_mode_and_hmac_give_the_packets_that_libsrtp_checks_itself_with() -> None:
    """The keys are those of RFC 3711 B.3; the packets come from the self test of libsrtp."""
    context = Context(
        "AES_CM_128_HMAC_SHA1_80", _("E1F97A0D3E018BE0D64FA32C06DE4139"), _("0EC675AD498AFEEBB6960B3AABE6")
    )
    rtp, rtcp = _("800f1234decafbadcafebabe") + b"\xab" * 16, _("81c8000bcafebabe") + b"\xab" * 16
    srtp = _("800f1234decafbadcafebabe4e55dc4ce79978d88ca4d215949d2402b78d6acc99ea179b8dbb")
    srtcp = _("81c8000bcafebabe7128035be487b9bdbef89041f977a5a880000001993e08cd54d6c1230798")
    assert context.protect(rtp) == srtp
    assert context.unprotect(srtp) == rtp
    assert context.protect_rtcp(rtcp) == srtcp
    assert context.unprotect_rtcp(srtcp) == rtcp
