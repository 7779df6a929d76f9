"""TFLite Metadata: a small flatbuffer inside the model that names the files attached to it.

Field numbers are those of the published ``metadata_schema.fbs``.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import flatbuffers

ENTRY = "TFLITE_METADATA"
IDENTIFIER = b"M001"

UNKNOWN = 0
TENSOR_AXIS_LABELS = 2


@dataclass(frozen=True)
class FileNote:
    """An attached file and what it is for, one of ``AssociatedFileType``."""

    name: str
    kind: int = UNKNOWN


def model_metadata(
    name: str,
    inputs: Sequence[str],
    outputs: Sequence[str],
    labels: str,
    files: Sequence[FileNote],
) -> bytes:
    """A ``ModelMetadata`` flatbuffer.

    Parameters
    ----------
    name : str
        Name of the model.
    inputs, outputs : sequence of str
        Names of the tensors, in the order of the subgraph.
    labels : str
        Name of the file with the labels of the first output.
    files : sequence of FileNote
        Further attached files.
    """
    b = flatbuffers.Builder(1024)
    axis_labels = [FileNote(labels, TENSOR_AXIS_LABELS)]
    ins = _vector(b, [_tensor(b, tensor, []) for tensor in inputs])
    outs = _vector(b, [_tensor(b, t, axis_labels if t == outputs[0] else []) for t in outputs])
    b.StartObject(7)  # SubGraphMetadata
    b.PrependUOffsetTRelativeSlot(2, ins, 0)
    b.PrependUOffsetTRelativeSlot(3, outs, 0)
    subgraphs = _vector(b, [b.EndObject()])
    attached = _vector(b, [_file(b, note) for note in files])
    title = b.CreateSharedString(name)
    version = b.CreateSharedString("1.0.0")
    b.StartObject(8)  # ModelMetadata
    b.PrependUOffsetTRelativeSlot(0, title, 0)
    b.PrependUOffsetTRelativeSlot(3, subgraphs, 0)
    b.PrependUOffsetTRelativeSlot(6, attached, 0)
    b.PrependUOffsetTRelativeSlot(7, version, 0)
    b.Finish(b.EndObject(), file_identifier=IDENTIFIER)
    return bytes(b.Output())


def _tensor(b: flatbuffers.Builder, name: str, files: Sequence[FileNote]) -> int:
    text = b.CreateSharedString(name)
    attached = _vector(b, [_file(b, note) for note in files]) if files else 0
    b.StartObject(7)  # TensorMetadata
    b.PrependUOffsetTRelativeSlot(0, text, 0)
    b.PrependUOffsetTRelativeSlot(6, attached, 0)
    return int(b.EndObject())


def _file(b: flatbuffers.Builder, note: FileNote) -> int:
    text = b.CreateSharedString(note.name)
    b.StartObject(5)  # AssociatedFile
    b.PrependUOffsetTRelativeSlot(0, text, 0)
    b.PrependInt8Slot(2, note.kind, UNKNOWN)
    return int(b.EndObject())


def _vector(b: flatbuffers.Builder, offsets: Sequence[int]) -> int:
    b.StartVector(4, len(offsets), 4)
    for offset in reversed(offsets):
        b.PrependUOffsetTRelative(offset)
    return int(b.EndVector())
