"""Profiles, master keys and the session keys that come from them (RFC 3711 section 4.3)."""

from __future__ import annotations

import attrs

from voipgw._native import srtp as native
from voipgw.entropy import Entropy
from voipgw.errors import ConfigurationError


@attrs.frozen
class Profile:
    """A crypto suite by its name in RFC 4568, 6188 and 7714."""

    name: str
    number: int  #: in the C layer
    key_octets: int  #: of the master key
    salt_octets: int  #: of the master salt

    @classmethod
    def of(cls, name: str) -> Profile:
        """The profile of that name.

        Raises:
            ConfigurationError: there is none; the message has those that are there.
        """
        profile = PROFILES.get(name)
        if profile is None:
            raise ConfigurationError(
                f"SRTP profile {name!r}: there is none of this name; there are {', '.join(PROFILES)}"
            )
        return profile


#: every profile, strongest first
PROFILES: dict[str, Profile] = {
    name: Profile(name, native.PROFILES[name], *native.lengths(native.PROFILES[name]))
    for name in (
        "AEAD_AES_256_GCM",
        "AES_256_CM_HMAC_SHA1_80",
        "AEAD_AES_128_GCM",
        "AES_CM_128_HMAC_SHA1_80",
        "AES_256_CM_HMAC_SHA1_32",
        "AES_CM_128_HMAC_SHA1_32",
    )
}


def _check_profile(_: MasterKey, __: object, name: str) -> None:
    Profile.of(name)


@attrs.frozen
class MasterKey:
    """A master key and its salt, for the packets of one direction. Neither is ever shown.

    Raises:
        ConfigurationError: no such profile, or a key or salt of another length than it has.
    """

    profile: str = attrs.field(validator=_check_profile)
    key: bytes = attrs.field(repr=False)
    salt: bytes = attrs.field(repr=False)

    def __attrs_post_init__(self) -> None:
        profile = PROFILES[self.profile]
        if (len(self.key), len(self.salt)) != (profile.key_octets, profile.salt_octets):
            raise ConfigurationError(
                f"{self.profile}: a key of {len(self.key)} octets and a salt of {len(self.salt)}; "
                f"{profile.key_octets} and {profile.salt_octets} are right"
            )

    @classmethod
    def draw(cls, profile: str, entropy: Entropy) -> MasterKey:
        """A fresh one."""
        lengths = Profile.of(profile)
        return cls(profile, entropy.octets(lengths.key_octets), entropy.octets(lengths.salt_octets))


@attrs.frozen
class KeyPair:
    """The keys of both directions of a stream, seen from us."""

    send: MasterKey
    receive: MasterKey


@attrs.frozen
class SessionKeys:
    """The session keys of RTP or of RTCP (RFC 3711 section 4.3.2); ``auth`` is of no use with AEAD."""

    cipher: bytes = attrs.field(repr=False)
    auth: bytes = attrs.field(repr=False)
    salt: bytes = attrs.field(repr=False)

    @classmethod
    def derive(cls, master: MasterKey, *, rtcp: bool = False) -> SessionKeys:
        """Those of a master key, with a key derivation rate of zero (section 4.3.1, RFC 6188 section 3, RFC 7714 section 11)."""
        profile = PROFILES[master.profile]
        keys = native.SessionKeys.derive(profile.number, master.key, master.salt)
        return cls(
            keys.octets("cipher", rtcp)[: profile.key_octets],
            keys.octets("auth", rtcp),
            keys.octets("salt", rtcp)[: profile.salt_octets],
        )
