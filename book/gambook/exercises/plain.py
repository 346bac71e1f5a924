"""Values as plain data: what crosses between our checks and the process of a submission, both ways, as JSON."""

from __future__ import annotations

import base64
import builtins
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import torch
from torch import Tensor

# Bytes of one message: far above any answer, and no more than a grader can hold.
LARGEST_MESSAGE = 1 << 26


def send(file: BinaryIO, message: Any) -> None:
    """Write one message."""
    file.write(json.dumps(message).encode() + b"\n")
    file.flush()


def receive(file: BinaryIO) -> Any:
    """Read one message; EOFError where the other side has ended, ValueError where it wrote something else."""
    line = file.readline(LARGEST_MESSAGE)
    if not line:
        raise EOFError("the other side has ended")
    return json.loads(line)


def encode(value: Any) -> Any:
    """A number, text, tensor, array, path, table, or list, tuple, dict of them; of anything else its type's name."""
    if value is None or isinstance(value, bool | str | int | float):
        return value
    if isinstance(value, list | tuple):
        return {"tuple" if isinstance(value, tuple) else "list": [encode(one) for one in value]}
    if isinstance(value, Mapping):
        return {"dict": [[encode(key), encode(one)] for key, one in value.items()]}
    if isinstance(value, Path):
        return {"path": str(value)}
    if isinstance(value, complex) or (isinstance(value, np.ndarray | np.generic) and value.dtype.kind in "biufc"):
        value = torch.as_tensor(value)
    if isinstance(value, Tensor) and value.numel() * value.element_size() > LARGEST_MESSAGE // 2:
        return {"other": f"Tensor of {value.numel()} numbers"}
    if isinstance(value, Tensor):
        value = value.detach().cpu().to_dense() if value.layout != torch.strided else value.detach().cpu()
        value = value.float() if value.dtype == torch.bfloat16 else value
        array = np.ascontiguousarray(value.resolve_conj().resolve_neg().numpy())
        return {"tensor": [array.dtype.str, list(value.shape), base64.b64encode(array.tobytes()).decode()]}
    if type(value).__name__ == "DataFrame":
        return {"table": encode(value.to_dict("list"))}
    return {"other": type(value).__name__}


def decode(data: Any) -> Any:
    """The value again; ValueError for what `encode` does not write. An array comes back as a tensor."""
    if not isinstance(data, dict):
        return data
    ((kind, content),) = data.items()
    if kind in ("list", "tuple"):
        return {"list": list, "tuple": tuple}[kind](decode(one) for one in content)
    if kind == "dict":
        return {decode(key): decode(one) for key, one in content}
    if kind == "path":
        return Path(content)
    if kind == "tensor":
        dtype, shape, text = content
        if np.dtype(dtype).kind not in "biufc":
            raise ValueError(f"no numbers: {dtype}")
        return torch.from_numpy(np.ndarray(shape, dtype, bytearray(base64.b64decode(text))))
    if kind == "table":
        import pandas as pd

        return pd.DataFrame(decode(content))
    if kind == "other":
        return type(str(content), (), {})()
    raise ValueError(f"no value: {kind}")


def encode_error(error: BaseException, line: str) -> list[str]:
    """Type, text, and the line of the submission that has raised it."""
    return [type(error).__name__, str(error), line]


def decode_error(name: str, text: str, line: str) -> Exception:
    """An error of that name, of the built-in type where there is one; its `line` is that of the submission."""
    base = getattr(builtins, name, None)
    # some built-in errors want more than a text
    if not isinstance(base, type) or not issubclass(base, Exception) or issubclass(base, UnicodeError | ExceptionGroup):
        base = Exception
    return type(name, (base,), {"line": line, "__str__": lambda self: str(text)})(text)
