"""Tensors that take long to make, kept in a file from one run to the next."""

from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor

from engine.utils.atomic_files import write_whole


def kept_tensor(path: Path, key: str, make: Callable[[], Tensor]) -> Tensor:
    """What `make` gives, read from a file where that holds it under this key, and else written there.

    Args: key: of all that it depends on; a file of another one, or a damaged one, is replaced.
    """
    with suppress(OSError, SafetensorError), safe_open(path, framework="pt") as file:
        if (file.metadata() or {}).get("key") == key:
            found: Tensor = file.get_tensor("vectors")
            return found
    made = make()
    with suppress(OSError):  # a full disk, say: the next run takes as long as this one
        write_whole(path, save({"vectors": made.contiguous()}, {"key": key}))
    return made
