"""Writing sound: 16-bit mono wav files."""

from __future__ import annotations

import io
import wave

import numpy as np
import numpy.typing as npt


def wav_bytes(samples: npt.NDArray[np.int16], sample_rate: int = 16000) -> bytes:
    """A wav file with one channel of 16-bit samples."""
    file = io.BytesIO()
    with wave.open(file, "wb") as clip:
        clip.setnchannels(1)
        clip.setsampwidth(2)
        clip.setframerate(sample_rate)
        clip.writeframes(np.asarray(samples, "<i2").tobytes())
    return file.getvalue()
