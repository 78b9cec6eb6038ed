"""Named arrays and their metadata, in and out of safetensors files.

A file holds the arrays and one metadata string under the key ``typeahead``: a JSON object with everything that is not
an array (configuration, data position, figures), the format's version and a checksum over the rest. The checksum is
what tells a flipped bit in the weights from the weights. Files are replaced whole or not at all; there is no pickle.
"""

from __future__ import annotations

import json
import os
import zlib
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import safetensors.numpy
from safetensors import SafetensorError, safe_open

from typeahead import files
from typeahead.errors import ModelFileError

if TYPE_CHECKING:
    from typeahead.rnn.network import Network

FORMAT_VERSION = 1  # raised when an older program could no longer read what this one writes
_KEY = "typeahead"
_TABLE = "tables."  # before the names of a model's arrays that are no parameters


def save(path: str | os.PathLike[str], arrays: Mapping[str, np.ndarray], metadata: Mapping[str, Any]) -> None:
    """Write ``arrays`` and ``metadata`` to ``path``, replacing it atomically; the file is readable by its owner alone.

    Parameters
    ----------
    path
        The file; its folder must exist.
    arrays
        Name to array of any shape; the dtypes are those of safetensors (no objects, no strings).
    metadata
        Anything JSON can hold, without the keys ``format_version`` and ``checksum``.

    Raises
    ------
    ModelFileError
        The file cannot be written (no such folder, no permission, disk full); what was there before is untouched.
    """
    whole = {name: np.require(array, requirements="C") for name, array in arrays.items()}
    described = {"format_version": FORMAT_VERSION, **metadata}
    header = {**described, "checksum": _checksum(whole, described)}
    # One string, because safetensors' own metadata maps strings to strings only.
    _replace(Path(path), safetensors.numpy.save(whole, metadata={_KEY: json.dumps(header)}))


def load(path: str | os.PathLike[str]) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
    """Read what `save` wrote: the arrays (writeable copies) and the metadata with its ``format_version``.

    Raises
    ------
    ModelFileError
        The file is missing, unreadable, damaged, truncated, of a newer version or not written by this program.
    """
    path = Path(path)
    try:
        # safetensors says "No such device" for a folder or a terminal; that helps nobody.
        if path.exists() and not path.is_file():
            raise ModelFileError(f"{path}: not a file; name the .safetensors file itself")
        with safe_open(path, framework="numpy") as file:
            header = file.metadata() or {}
            if _KEY not in header:
                raise ModelFileError(f"{path}: safetensors, but not written by typeahead; train a model with it first")
            metadata = json.loads(header[_KEY])
            _check_version(path, metadata)
            arrays = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 (not a mapping)
    except FileNotFoundError:
        raise ModelFileError(f"{path}: no such file; make one with: typeahead train CORPUS --output {path}") from None
    except OSError as error:
        raise ModelFileError(f"{path}: cannot be read ({error.strerror or error})") from error
    except (SafetensorError, ValueError, TypeError, KeyError) as error:
        raise _damaged(path, error) from error
    if metadata.pop("checksum", None) != _checksum(arrays, metadata):
        raise _damaged(path, "its checksum differs")
    return arrays, metadata


def save_model(
    path: str | os.PathLike[str],
    network: Network,
    metadata: Mapping[str, Any],
    tables: Mapping[str, np.ndarray] | None = None,
) -> None:
    """Write a network with its configuration under ``metadata["network"]``, and tables that are not trained.

    See `save`.
    """
    arrays = {**network.parameters, **{_TABLE + name: array for name, array in (tables or {}).items()}}
    save(path, arrays, {**metadata, "network": asdict(network.config)})


def load_model(path: str | os.PathLike[str]) -> tuple[Network, dict[str, Any]]:
    """Read a network and its metadata.

    Raises
    ------
    ModelFileError
        As for `load`; or the file holds something else than a model, or arrays that do not fit its configuration.
    """
    network, metadata, _ = load_model_with_tables(path)
    return network, metadata


def load_model_with_tables(
    path: str | os.PathLike[str],
) -> tuple[Network, dict[str, Any], dict[str, np.ndarray]]:
    """Read a network, its metadata and its tables; see `load_model`. Weights kept as float16 come back as float32."""
    arrays, metadata = load(path)
    if "network" not in metadata or metadata.get("kind") == "checkpoint":
        raise ModelFileError(
            f"{path}: a {metadata.get('kind', 'file')} of typeahead, not a model; name the model's file"
        )
    from typeahead.rnn.network import Network, NetworkConfig  # loads numba; saving and reading arrays do without

    tables = {name.removeprefix(_TABLE): arrays.pop(name) for name in list(arrays) if name.startswith(_TABLE)}
    arrays = {name: a.astype(np.float32) if a.dtype == np.float16 else a for name, a in arrays.items()}
    try:
        return Network(NetworkConfig(**metadata["network"]), arrays), metadata, tables
    except (TypeError, ValueError) as error:
        raise ModelFileError(f"{path}: weights that do not fit their configuration ({error})") from error


def _check_version(path: Path, metadata: Any) -> None:
    if not isinstance(metadata, dict) or not isinstance(metadata.get("format_version"), int):
        raise ModelFileError(f"{path}: no format version in its metadata; the file is damaged")
    if metadata["format_version"] > FORMAT_VERSION:
        raise ModelFileError(
            f"{path}: format {metadata['format_version']}, this program reads up to {FORMAT_VERSION}; upgrade typeahead"
        )


def _damaged(path: Path, reason: object) -> ModelFileError:
    size = path.stat().st_size if path.exists() else 0
    detail = " ".join(str(reason).split())  # an exception's text may have several lines
    return ModelFileError(
        f"{path}: damaged, truncated or not a safetensors file, {size} bytes ({detail}); fetch it again"
    )


def _checksum(arrays: Mapping[str, np.ndarray], metadata: Mapping[str, Any]) -> int:
    """CRC-32 over the metadata and every array's name, dtype, shape and bytes: for accidents, not against forgery."""
    crc = zlib.crc32(json.dumps(metadata, sort_keys=True).encode())
    for name in sorted(arrays):
        array = arrays[name]
        crc = zlib.crc32(f"{name} {array.dtype.str} {array.shape}".encode("utf-8", "surrogatepass"), crc)
        crc = zlib.crc32(array.reshape(-1).view(np.uint8).data, crc)
    return crc


def _replace(path: Path, content: bytes) -> None:
    try:
        files.replace(path, content)
    except OSError as error:
        kept = "; the old file is untouched" if path.exists() else ""
        raise ModelFileError(f"{path}: cannot be written ({error.strerror or error}){kept}") from error
