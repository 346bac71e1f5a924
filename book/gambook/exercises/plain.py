"""Values as plain data: what comes to our checks from the process of a submission, as JSON.

The other way objects are pickled: what our checks say can be trusted, what a submission says cannot.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping, Sequence
from multiprocessing.connection import Connection
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from gamlib.models import Model

# Bytes of one message: far above any answer, and no more than a grader can hold.
LARGEST_MESSAGE = 1 << 26
# Kinds of errors that a check tells from others.
ERRORS = {error.__name__: error for error in (NotImplementedError, RuntimeError, ValueError)}


def send(line: Connection, message: Any) -> None:
    """Write one message."""
    line.send_bytes(json.dumps(message).encode())


def receive(line: Connection) -> Any:
    """Read one message; EOFError where the other side has ended, OSError for too long a one, ValueError for no JSON."""
    return json.loads(line.recv_bytes(LARGEST_MESSAGE))


def encode(value: Any) -> Any:
    """A number, text, tensor, array, table, or list, tuple, dict of them; of anything else its type's name."""
    if value is None or isinstance(value, bool | str | int | float):
        return value
    if isinstance(value, list | tuple):
        return {"tuple" if isinstance(value, tuple) else "list": [encode(one) for one in value]}
    if isinstance(value, Mapping):
        return {"dict": [[encode(key), encode(one)] for key, one in value.items()]}
    if isinstance(value, complex) or (isinstance(value, np.ndarray | np.generic) and value.dtype.kind in "biufc"):
        value = torch.as_tensor(value)
    if isinstance(value, Tensor) and value.numel() * value.element_size() > LARGEST_MESSAGE // 2:
        return {"other": f"Tensor of {value.numel()} numbers"}
    if isinstance(value, Tensor):
        array = (value.float() if value.dtype == torch.bfloat16 else value).numpy(force=True)
        return {"tensor": [array.dtype.str, array.shape, base64.b64encode(array.tobytes()).decode()]}
    if type(value).__name__ == "DataFrame":
        return {"table": encode(value.to_dict("list"))}
    return {"other": type(value).__name__}


def decode(data: Any) -> Any:
    """The value again; an error for what `encode` does not write. An array comes back as a tensor."""
    if not isinstance(data, dict):
        return data
    ((kind, content),) = data.items()
    if kind in ("list", "tuple"):
        return {"list": list, "tuple": tuple}[kind](decode(one) for one in content)
    if kind == "dict":
        return {decode(key): decode(one) for key, one in content}
    if kind == "tensor":
        dtype, shape, text = content
        # both refuse what holds anything but numbers
        return torch.from_numpy(np.frombuffer(bytearray(base64.b64decode(text)), dtype).reshape(shape))
    if kind == "table":
        import pandas as pd

        return pd.DataFrame(decode(content))
    if kind == "other":
        return type(str(content), (), {})()
    raise ValueError(f"no value: {kind}")


def decode_error(kinds: Sequence[str], text: str, line: str) -> Exception:
    """An error like the submission's: names of its type and of that type's bases, its text, the line that raised it."""
    base = next((ERRORS[kind] for kind in kinds if kind in ERRORS), Exception)
    return type(kinds[0], (base,), {"line": line, "__str__": lambda self: str(text)})(text)


def network_of(arguments: Sequence) -> nn.Sequential | None:
    """The network among the arguments of a call."""
    modules = (one.module if isinstance(one, Model) else one for one in arguments)
    return next((one for one in modules if isinstance(one, nn.Sequential)), None)
