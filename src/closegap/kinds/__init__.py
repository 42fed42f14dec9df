"""What an item is: image, text, codes, record, health record, sound, signal, clip; the place for anything else."""

from typing import TYPE_CHECKING

from closegap.lazy import face

if TYPE_CHECKING:
    from closegap.kinds.audio import AudioKind as AudioKind
    from closegap.kinds.base import Kind as Kind
    from closegap.kinds.clip import Clip as Clip
    from closegap.kinds.codes import CodesKind as CodesKind
    from closegap.kinds.dicom.dicom import DicomKind as DicomKind
    from closegap.kinds.event import Event as Event
    from closegap.kinds.events import EventsKind as EventsKind
    from closegap.kinds.frame_choice import FrameChoice as FrameChoice
    from closegap.kinds.image import ImageKind as ImageKind
    from closegap.kinds.image_source import ImageSource as ImageSource
    from closegap.kinds.listening import Listening as Listening
    from closegap.kinds.place import Place as Place
    from closegap.kinds.record import RecordKind as RecordKind
    from closegap.kinds.recording import Recording as Recording
    from closegap.kinds.sampling import Sampling as Sampling
    from closegap.kinds.signal import SignalKind as SignalKind
    from closegap.kinds.text import TextKind as TextKind
    from closegap.kinds.traces import Traces as Traces
    from closegap.kinds.video import VideoKind as VideoKind
    from closegap.kinds.viewing import Viewing as Viewing
    from closegap.kinds.waveform import Waveform as Waveform

_HOMES = {
    "AudioKind": "closegap.kinds.audio",
    "Clip": "closegap.kinds.clip",
    "CodesKind": "closegap.kinds.codes",
    "DicomKind": "closegap.kinds.dicom.dicom",
    "Event": "closegap.kinds.event",
    "EventsKind": "closegap.kinds.events",
    "FrameChoice": "closegap.kinds.frame_choice",
    "ImageKind": "closegap.kinds.image",
    "ImageSource": "closegap.kinds.image_source",
    "Kind": "closegap.kinds.base",
    "Listening": "closegap.kinds.listening",
    "Place": "closegap.kinds.place",
    "RecordKind": "closegap.kinds.record",
    "Recording": "closegap.kinds.recording",
    "Sampling": "closegap.kinds.sampling",
    "SignalKind": "closegap.kinds.signal",
    "TextKind": "closegap.kinds.text",
    "Traces": "closegap.kinds.traces",
    "VideoKind": "closegap.kinds.video",
    "Viewing": "closegap.kinds.viewing",
    "Waveform": "closegap.kinds.waveform",
}

__all__ = list(_HOMES)

__getattr__, __dir__ = face(__name__, _HOMES)
