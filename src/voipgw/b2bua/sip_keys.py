"""The keys of a SIP leg's media: what is offered and answered of them in descriptions (RFC 4568), and never less than was asked."""

from __future__ import annotations

import enum

from voipgw import sdp
from voipgw.entropy import Entropy
from voipgw.errors import NegotiationError
from voipgw.sdp.offer_answer import audio_of
from voipgw.srtp import sdes
from voipgw.srtp.keys import KeyPair

CLEAR = ("RTP/AVP", "RTP/AVPF")
SECURE = ("RTP/SAVP", "RTP/SAVPF")


class SrtpPolicy(enum.Enum):
    """What media must be; neither ever becomes the other."""

    OFF = "off"  #: RTP in clear; SRTP is refused
    SDES = "sdes"  #: SRTP with keys in the descriptions; RTP in clear is refused


class Sdes:
    """The keys of one leg, over all its offers and answers. Mutable, owned by its leg's media.

    Args:
        entropy: where keys come from.
        may_pass: whether keys may be in descriptions at all.
    """

    __slots__ = ("_answers", "_entropy", "_offered", "_ours", "may_answer", "may_offer")

    def __init__(self, entropy: Entropy, may_pass: bool) -> None:
        self._entropy = entropy
        self.may_offer = may_pass  #: whether requests of ours go over TLS, or clear text was asked for
        self.may_answer = may_pass  #: the same of what the peer sends, and of our responses to it
        self._offered: tuple[sdes.Crypto, ...] = ()  # what our last offer has
        self._ours: sdes.Crypto | None = None  # what we send with
        self._answers: dict[tuple[str, ...], tuple[sdes.Crypto, sdes.Crypto]] = {}  # to what was offered: theirs, ours

    @staticmethod
    def _check(may_pass: bool) -> None:
        if not may_pass:  # whoever reads the signalling would have the keys
            raise NegotiationError("SRTP keys in signalling without TLS are refused")

    def offer(self) -> tuple[sdp.Attribute, ...]:
        """The attributes of our offer; a later one keeps the key in use, and offers it first.

        Raises:
            NegotiationError: the signalling is in clear.
        """
        self._check(self.may_offer)
        if self._ours is None:
            self._offered = self._offered or sdes.make_offer(self._entropy)
        elif self._ours not in self._offered[:1]:
            others = sdes.make_offer(self._entropy, [name for name in sdes.OFFERED if name != self._ours.suite])
            free = [number for number in range(1, len(others) + 2) if number != self._ours.tag]
            more = [sdes.Crypto(tag, other.master) for tag, other in zip(free, others, strict=False)]
            self._offered = (self._ours, *more)
        return tuple([_attribute(crypto) for crypto in self._offered])

    def takes(self, section: sdp.MediaDescription) -> bool:
        """Whether an offered section has a key that we can take.

        Raises:
            NegotiationError: it came in clear.
        """
        self._check(self.may_answer)
        return self._answer(_values(section)) is not None

    def extend(self, section: sdp.MediaDescription) -> tuple[sdp.Attribute, ...] | None:
        """The attributes that answer an offered section; None where it has no key that we can take."""
        pair = self._answer(_values(section))
        return None if pair is None else (_attribute(pair[1]),)

    def answered(self, section: sdp.MediaDescription) -> KeyPair:
        """The keys, now that an offered section has been answered."""
        pair = self._answer(_values(section))
        if pair is None:
            raise NegotiationError("a section without a usable key was answered")
        theirs, self._ours = pair
        self._answers = {_values(section): pair}
        return KeyPair(self._ours.master, theirs.master)

    def taken(self, answer: sdp.MediaDescription) -> KeyPair:
        """The keys, now that our offer has been answered.

        Raises:
            NegotiationError: not exactly one attribute, or not one of ours.
            ParseError: it is malformed.
        """
        self._ours, keys = sdes.take_answer(self._offered, _values(answer))
        return keys

    def _answer(self, values: tuple[str, ...]) -> tuple[sdes.Crypto, sdes.Crypto] | None:
        found = self._answers.get(values)
        if found is None:
            theirs = sdes.choose(values)
            if theirs is None:
                return None
            found = self._answers[values] = theirs, sdes.make_answer(theirs, self._entropy, self._ours)
        return found


def usable_audio(offer: sdp.SessionDescription, keying: Sdes | None) -> sdp.MediaDescription | None:
    """The audio section of an offer that this leg would take; None where none is offered.

    Raises:
        NegotiationError: there is audio, and all of it is in clear where SRTP is wanted, or the other way round, or without a
            key that we can take; or keys came in clear where they may not.
    """
    first = audio_of(offer)
    if first is None:
        return None
    wanted = CLEAR if keying is None else SECURE
    sections = [one for one in offer.media if one.kind == "audio" and one.port and one.protocol in wanted]
    if keying is None:
        if not sections:
            raise NegotiationError(f"{first.protocol} is offered; only RTP/AVP is taken here")
        return sections[0]
    if not sections:
        raise NegotiationError(f"SRTP with keys in the description is required here; {first.protocol} is offered")
    usable = next((one for one in sections if keying.takes(one)), None)
    if usable is None:
        raise NegotiationError("none of the offered SRTP keys can be taken")
    return usable


def taken_keys(keying: Sdes | None, ours: sdp.MediaDescription, answer: sdp.MediaDescription) -> KeyPair | None:
    """The keys that an answer to our offer gives; None without SRTP.

    Raises:
        NegotiationError: the answer has another transport than was offered, or keys that do not match.
        ParseError: its keys are malformed.
    """
    if keying is None:
        if answer.protocol not in CLEAR:
            raise NegotiationError(f"{ours.protocol} was offered and {answer.protocol} answered")
        return None
    if answer.protocol not in SECURE:
        raise NegotiationError(f"{ours.protocol} was offered and {answer.protocol} answered")
    return keying.taken(answer)


def _values(section: sdp.MediaDescription) -> tuple[str, ...]:
    found = [one.value or "" for one in section.attributes if one.name == "crypto"]
    return tuple(found[: sdes.MAX_ATTRIBUTES])


def _attribute(crypto: sdes.Crypto) -> sdp.Attribute:
    return sdp.Attribute("crypto", str(crypto))
