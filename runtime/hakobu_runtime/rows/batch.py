"""A batch of an Arrow reader, made while Python's other threads run: arro3 itself holds them up until it has one.

The reader hands itself out as a stream of the Arrow C interface, whose functions ctypes calls without Python's lock.
Source of the structures: https://arrow.apache.org/docs/format/CStreamInterface.html
"""

import ctypes

from arro3.core import RecordBatch, RecordBatchReader

from hakobu_runtime.rows.arrow import ArrowError, CArray, arrow_errors, pointer_in

_ARRAY, _STREAM = b"arrow_array", b"arrow_array_stream"
_address = ctypes.c_void_p


class _CStream(ctypes.Structure):
    _fields_ = [
        ("get_schema", _address),
        ("get_next", ctypes.CFUNCTYPE(ctypes.c_int, _address, _address)),
        ("get_last_error", ctypes.CFUNCTYPE(ctypes.c_char_p, _address)),
        ("release", _address),
        ("private_data", _address),
    ]


_new_capsule = ctypes.PYFUNCTYPE(ctypes.py_object, _address, ctypes.c_char_p, _address)(
    ("PyCapsule_New", ctypes.pythonapi)
)


def first_batch(reader: RecordBatchReader) -> RecordBatch | None:
    """Return the first batch of `reader`, None when it has none; raise ArrowError when it cannot be read.

    The reader cannot be used afterwards.
    """
    with arrow_errors():
        schema = reader.schema
        capsule = reader.__arrow_c_stream__()  # owns the stream, and releases it when this function ends
    address = pointer_in(capsule, _STREAM)
    stream = ctypes.cast(address, ctypes.POINTER(_CStream)).contents
    array = CArray()
    if stream.get_next(address, ctypes.addressof(array)):
        words = stream.get_last_error(address) or b"the batch cannot be read"
        raise ArrowError(words.decode("utf-8", "replace"))
    if not array.release:
        return None
    # arro3 takes what is in the structure for its own, and releases it with the batch.
    with arrow_errors():
        return RecordBatch.from_arrow_pycapsule(
            schema.__arrow_c_schema__(), _new_capsule(ctypes.addressof(array), _ARRAY, None)
        )
