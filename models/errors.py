"""The errors meant for people: each text says what is wrong and what to do about it."""

from __future__ import annotations


class HflicError(Exception):
    """Base of every error whose text is shown to a person as it is, in one line."""


class PictureError(HflicError):
    """A picture cannot be read, or is of a kind or size the program does not take."""


class BitstreamError(HflicError):
    """A compressed file is damaged, truncated, of an unknown format, or needs other weights."""


class WeightsError(HflicError):
    """Weights are missing, damaged, or do not fit the network."""


class CodecError(HflicError):
    """A codec is unknown or not usable here, or was asked for something it cannot do."""


class FetchError(HflicError):
    """Something a person asked for by name could not be fetched from the network."""


class OutputError(HflicError):
    """A file cannot be written where it was asked for."""


class SuffixError(OutputError):
    """A file was asked for under a suffix that names no format it can be written in."""


class WorkerError(HflicError):
    """A process that did part of the work died. Finished work is kept where the text says so."""


class Cancelled(Exception):  # noqa: N818  (it is no error)
    """The person stopped the work; nothing is wrong."""
