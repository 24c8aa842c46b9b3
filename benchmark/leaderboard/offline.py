"""No network: whatever wants weights from it fails at once, with a reason, instead of trying again for minutes.

``HF_HUB_OFFLINE`` makes the Hugging Face hub raise instead of retrying, and Python's sockets refuse every address of
the internet. Sockets between the processes of one run are not Python's and stay open.
"""

import os
import socket
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from unittest import mock

__all__ = ["NetworkClosedError", "no_network"]

_SWITCHES = {"HF_HUB_OFFLINE": "1", "TRANSFORMERS_OFFLINE": "1"}


class NetworkClosedError(OSError):
    """Something wanted the network although downloads are off."""


@contextmanager
def no_network(closed: bool = True) -> Iterator[None]:
    """Close the network inside a ``with`` block; with ``closed=False``, do nothing.

    Enter it before pyiqa is imported: the hub reads its switch on import. If it was imported already, its switch is
    set directly.
    """
    if not closed:
        yield
        return
    with mock.patch.dict(os.environ, _SWITCHES), _hub_offline(), _no_sockets():
        yield


@contextmanager
def _no_sockets() -> Iterator[None]:
    connect = socket.socket.connect

    def refuse(*_: Any, **__: Any) -> Any:
        raise NetworkClosedError("the network is closed (download: false)")

    def connect_locally(self: socket.socket, address: Any) -> Any:
        return connect(self, address) if self.family == getattr(socket, "AF_UNIX", None) else refuse()

    with (
        mock.patch.object(socket.socket, "connect", connect_locally),
        mock.patch.object(socket.socket, "connect_ex", connect_locally),
        mock.patch.object(socket, "getaddrinfo", refuse),
    ):
        yield


@contextmanager
def _hub_offline() -> Iterator[None]:
    constants = sys.modules.get("huggingface_hub.constants")
    if constants is None:
        yield
        return
    with mock.patch.object(constants, "HF_HUB_OFFLINE", True):
        yield
