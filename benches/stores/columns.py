"""The records as two columns of Arrow, for Parquet and Lance."""

import numpy as np
import pyarrow as pa
from original import LONGEST

from stores.records import UNITARY_BYTES, Batch

SCHEMA = pa.schema([("circuit", pa.binary(LONGEST)), ("unitary", pa.binary(UNITARY_BYTES))])


def columns(letters: np.ndarray, unitaries: np.ndarray) -> pa.RecordBatch:
    """Return a batch as columns, without a copy."""

    def column(array: np.ndarray, width: int) -> pa.Array:
        buffers = [None, pa.py_buffer(np.ascontiguousarray(array))]
        return pa.FixedSizeBinaryArray.from_buffers(pa.binary(width), len(array), buffers)

    return pa.record_batch([column(letters, LONGEST), column(unitaries, UNITARY_BYTES)], schema=SCHEMA)


def arrays(table: pa.Table | pa.RecordBatch) -> Batch:
    def bytes_of(name: str, width: int) -> memoryview:
        column = table.column(name)
        if isinstance(column, pa.ChunkedArray):
            column = column.chunk(0) if column.num_chunks == 1 else column.combine_chunks()
        return memoryview(column.buffers()[1])[column.offset * width : (column.offset + len(column)) * width]

    letters = np.frombuffer(bytes_of("circuit", LONGEST), np.int8).reshape(-1, LONGEST)
    return letters, np.frombuffer(bytes_of("unitary", UNITARY_BYTES), np.complex128).reshape(-1, 2, 2)
