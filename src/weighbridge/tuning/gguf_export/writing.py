"""Write a GGUF file from a plan: metadata first, then one tensor after the other."""

import errno
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import gguf
import numpy as np
from gguf import GGMLQuantizationType as Kind

from weighbridge.errors import StorageError
from weighbridge.sources.gguf_header import GgufHeader
from weighbridge.storage import storage_errors
from weighbridge.tuning.gguf_export.storing import kind_of, stored, stored_bytes
from weighbridge.tuning.gguf_export.tensors import FileTensor


@dataclass(frozen=True)
class Plan:
    """A file before it is written.

    Attributes:
        writer: Holds the metadata.
        tensors: In the order of the file.
        kinds: What each is stored in.
    """

    writer: gguf.GGUFWriter
    tensors: Sequence[FileTensor]
    kinds: Mapping[str, Kind]

    @property
    def bytes(self) -> int:
        """About how large the file becomes."""
        return sum(stored_bytes(tensor, self.kinds[tensor.name]) for tensor in self.tensors)

    def header(self) -> GgufHeader:
        """Return what a reader will see, with all lists."""
        fields = {key: held.value for held in self.writer.kv_data for key, held in held.items()}
        return GgufHeader(
            fields,
            {tensor.name: tensor.shape[::-1] for tensor in self.tensors},
            {name: kind.name for name, kind in self.kinds.items()},
            {},
            (),
            {one.name: one.numbers().tolist() for one in self.tensors if one.is_table},
        )


def plan_file(writer: gguf.GGUFWriter, tensors: Sequence[FileTensor], wanted: Kind) -> Plan:
    """Choose what each tensor is stored in, and list it in the file's header."""
    kinds = {tensor.name: kind_of(tensor, wanted) for tensor in tensors}
    for tensor in tensors:
        kind = kinds[tensor.name]
        writer.add_tensor_info(
            tensor.name, tensor.shape, np.dtype(np.float32), stored_bytes(tensor, kind), kind
        )
    return Plan(writer, tensors, kinds)


def write_file(plan: Plan, path: Path) -> None:
    """Write a plan out; not atomic by itself.

    Raises:
        InputError: Numbers don't fit their type.
        StorageError: The disk is full or can't be written.
    """
    room = shutil.disk_usage(path.parent).free
    if room < plan.bytes:
        raise StorageError(
            f"{plan.bytes / 1e9:.2f} GB are to be written to {path.parent}, which has room for "
            f"{room / 1e9:.2f}",
            "room for the whole file",
            "free space, or name another place; what was there is kept",
        )
    writer: Any = plan.writer
    with storage_errors(path):
        try:
            writer.write_header_to_file(path)
            writer.write_kv_data_to_file()
            writer.write_ti_data_to_file()
            for tensor in plan.tensors:
                numbers = stored(tensor, plan.kinds[tensor.name])
                writer.write_tensor_data(np.ascontiguousarray(numbers))
            writer.flush()
        except OSError as error:
            if error.errno is None:  # NumPy's own for a disk that takes a part only
                raise OSError(errno.ENOSPC, "no space left", str(path)) from error
            raise
        finally:
            writer.close()
