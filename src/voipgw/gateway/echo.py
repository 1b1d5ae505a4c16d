"""``voipgw echo``: answers every call, says a greeting, then gives back what it hears."""

from __future__ import annotations

import argparse
from importlib import resources

from voipgw.b2bua.call import Call
from voipgw.gateway.program import Program
from voipgw.media.plane import MediaEvent, MediaPlane, Pcm, PlaybackEnded
from voipgw.media.player import pcm_from_wav
from voipgw.routing import Plan, anything, app


class Echo:
    """The application: a greeting, then the caller's own voice."""

    def __init__(self, greeting: Pcm) -> None:
        self._greeting = greeting

    def answered(self, call: Call, plane: MediaPlane, now: float) -> None:
        """Say the greeting."""
        if call.caller.stream is not None:
            call.caller.stream.play(self._greeting)

    def heard(self, call: Call, plane: MediaPlane, event: MediaEvent, now: float) -> None:
        """After the greeting, the stream hears itself."""
        if isinstance(event, PlaybackEnded):
            plane.bridge(event.stream, event.stream)

    def over(self, call: Call) -> None:
        """Nothing is left to do."""


def greeting() -> Pcm:
    """The greeting that comes with the package."""
    file = resources.files("voipgw.gateway").joinpath("greeting.wav")
    return pcm_from_wav(file.read_bytes(), "greeting.wav")


def setup(options: argparse.Namespace) -> Plan:
    """Everybody may call, and everybody is answered here; no call goes out."""
    plan = Plan()
    plan.route("echo", when=anything, to=app("echo"), strangers=True)
    return plan


def program() -> Program:
    """The program."""
    return Program(
        "voipgw echo",
        "Answer every call, say a greeting, then echo its sound. No call goes out; it listens on loopback unless told otherwise.",
        setup,
        apps=lambda options: {"echo": Echo(greeting())},
    )
