"""A microphone through PortAudio, by the package sounddevice."""

from __future__ import annotations

import queue
import threading
import time
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any

import numpy as np

from edgemem.errors import DeviceError, MissingExtraError
from edgemem.listen.sources import BLOCK, Sound, Sounds
from edgemem.runtime.sources import SAMPLE_RATE

if TYPE_CHECKING:
    from collections.abc import Iterator

_GLANCE = 0.2


def load() -> Any:
    """The module sounddevice.

    Raises
    ------
    MissingExtraError
        If it is not installed, or finds no PortAudio.
    """
    try:
        import sounddevice
    except ImportError:
        raise MissingExtraError("a microphone", "sounddevice", "microphone") from None
    except OSError as error:  # the package is there, the library is not
        raise MissingExtraError(
            f"a microphone ({error}; on Debian: apt install libportaudio2)",
            "sounddevice",
            "microphone",
        ) from None
    return sounddevice


def refresh(sounddevice: Any) -> None:
    """Let PortAudio see what came or went: it looks for devices only when it starts."""
    sounddevice._terminate()
    sounddevice._initialize()


def knows(device: str) -> bool:
    """Whether PortAudio has a microphone of this number or name."""
    sounddevice = load()
    try:
        sounddevice.query_devices(int(device) if device.isdigit() else device, "input")
    except (sounddevice.PortAudioError, ValueError):
        return False
    return True


class PortAudio:
    """A microphone as PortAudio has it.

    Parameters
    ----------
    device : str, optional
        Number or part of the name; the system's choice without.
    patience : float
        Seconds without a sample that are a loss.
    """

    live = True

    def __init__(self, device: str | None = None, patience: float = 5.0) -> None:
        self._device = int(device) if device is not None and device.isdigit() else device
        self._patience = patience
        self._opened = False

    def blocks(self, stop: threading.Event) -> Sounds:
        """See :class:`~edgemem.listen.sources.Source`.

        Raises
        ------
        DeviceError
            If the device is not there, cannot give 16,000 Hz, is lost, or is silent.
        MissingExtraError
            As :func:`load`.
        """
        inbox: queue.SimpleQueue[tuple[bytes, bool] | None] = queue.SimpleQueue()
        with self._stream(inbox):
            last = time.monotonic()
            while not stop.is_set():
                try:
                    item = inbox.get(timeout=_GLANCE)
                except queue.Empty:
                    if time.monotonic() - last > self._patience:
                        raise DeviceError(
                            f"the microphone gave no sound for {self._patience:g} seconds"
                        ) from None
                    continue
                if item is None:
                    raise DeviceError("the microphone was lost: PortAudio ended its stream")
                last = time.monotonic()
                data, overrun = item
                yield Sound(np.frombuffer(data, np.int16), overruns=int(overrun))

    @contextmanager
    def _stream(self, inbox: queue.SimpleQueue[tuple[bytes, bool] | None]) -> Iterator[None]:
        sounddevice = load()

        def hear(data: Any, _frames: int, _times: Any, status: Any) -> None:
            inbox.put((bytes(data), bool(status.input_overflow)))

        try:
            if self._opened:
                refresh(sounddevice)
            self._opened = True
            if self._device is None and sounddevice.default.device[0] < 0:
                raise DeviceError(
                    "there is no microphone: PortAudio finds none; plug one in, or see what "
                    "arecord -L lists"
                )
            stream = sounddevice.RawInputStream(
                samplerate=SAMPLE_RATE,
                blocksize=BLOCK,
                device=self._device,
                channels=1,
                dtype="int16",
                callback=hear,
                finished_callback=lambda: inbox.put(None),
            )
        except (sounddevice.PortAudioError, ValueError) as error:
            raise DeviceError(
                f"the microphone cannot be heard: {_words(error)}; see edgemem listen "
                "--list-devices, or choose --recorder arecord, which takes ALSA's names"
            ) from error
        try:
            with _lost(sounddevice):
                stream.start()
            yield
        finally:
            with suppress(sounddevice.PortAudioError):
                stream.abort()
            with suppress(sounddevice.PortAudioError):
                stream.close()


@contextmanager
def _lost(sounddevice: Any) -> Iterator[None]:
    try:
        yield
    except sounddevice.PortAudioError as error:
        raise DeviceError(f"the microphone cannot be heard: {_words(error)}") from error


def _words(error: Exception) -> str:
    return str(error.args[0]) if error.args else type(error).__name__
