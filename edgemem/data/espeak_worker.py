"""eSpeak NG as a separate process: ``python -m edgemem.data.espeak_worker``.

eSpeak NG is under the GPL, version 3 or later. Only this process loads it; edgemem talks to it
through pipes and never links it. Requests are JSON objects, one a line on stdin::

    {"text": "yes", "voice": "en-us+f1", "rate": 160, "pitch": 50, "range": 50}

``rate`` is in words a minute, ``pitch`` and ``range`` are 0..100. Every answer on stdout is a JSON
line, ``{"samples": n}`` or ``{"error": "..."}``, and after the former n samples of signed 16-bit
little-endian PCM. The first line, before any request, is ``{"version": "...", "sample_rate": Hz}``.
"""

from __future__ import annotations

import ctypes
import json
import sys
from collections.abc import Mapping
from typing import Any, BinaryIO

_SYNCHRONOUS = 2  # AUDIO_OUTPUT_SYNCHRONOUS
_RATE, _PITCH, _RANGE = 1, 3, 4  # espeak_PARAMETER
_UTF8 = 1  # espeakCHARS_UTF8

_CALLBACK = ctypes.CFUNCTYPE(
    ctypes.c_int, ctypes.POINTER(ctypes.c_short), ctypes.c_int, ctypes.c_void_p
)


class Speaker:
    """The library, with a callback that gathers samples."""

    def __init__(self) -> None:
        import espeakng_loader

        self._library = ctypes.CDLL(espeakng_loader.get_library_path())
        data = espeakng_loader.get_data_path().encode()
        self.sample_rate = self._library.espeak_Initialize(_SYNCHRONOUS, 0, data, 0)
        if self.sample_rate <= 0:
            raise OSError("its data does not match its library")
        self._parts: list[bytes] = []
        # The library keeps only a pointer: the callback must live as long as it does.
        self._callback = _CALLBACK(self._gather)
        self._library.espeak_SetSynthCallback(self._callback)
        self._library.espeak_Info.restype = ctypes.c_char_p

    @property
    def version(self) -> str:
        """What the library says of itself."""
        text: bytes = self._library.espeak_Info(None)
        return text.decode(errors="replace").strip()

    def say(self, request: Mapping[str, Any]) -> bytes:
        """16-bit PCM of one utterance.

        Raises
        ------
        ValueError
            If the library refuses the voice or the text.
        """
        voice, text = str(request["voice"]), str(request["text"]).encode()
        if self._library.espeak_SetVoiceByName(voice.encode()) != 0:
            raise ValueError(f"eSpeak NG has no voice {voice!r}")
        for name, code in (("rate", _RATE), ("pitch", _PITCH), ("range", _RANGE)):
            self._library.espeak_SetParameter(code, int(request[name]), 0)
        self._parts = []
        # The size counts the terminating zero byte.
        size = ctypes.c_size_t(len(text) + 1)
        if self._library.espeak_Synth(text, size, 0, 0, 0, _UTF8, None, None) != 0:
            raise ValueError(f"eSpeak NG cannot say {request['text']!r}")
        self._library.espeak_Synchronize()
        return b"".join(self._parts)

    def _gather(self, samples: Any, count: int, events: Any) -> int:
        if count > 0 and samples:
            self._parts.append(ctypes.string_at(samples, 2 * count))
        return 0


def serve(requests: BinaryIO, answers: BinaryIO) -> None:
    """Answer every request until ``requests`` ends."""
    try:
        speaker = Speaker()
    except (ImportError, OSError) as error:
        _answer(answers, {"error": f"eSpeak NG does not start: {error}"})
        return
    _answer(answers, {"version": speaker.version, "sample_rate": speaker.sample_rate})
    for line in requests:
        try:
            sound = speaker.say(json.loads(line))
        except (ValueError, KeyError, TypeError) as error:
            _answer(answers, {"error": str(error)})
        else:
            _answer(answers, {"samples": len(sound) // 2}, sound)


def _answer(answers: BinaryIO, head: Mapping[str, Any], sound: bytes = b"") -> None:
    answers.write(json.dumps(head).encode() + b"\n" + sound)
    answers.flush()


if __name__ == "__main__":
    serve(sys.stdin.buffer, sys.stdout.buffer)
