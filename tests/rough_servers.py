"""Servers for tests of what we ask of others: they answer just the bytes that a test says, or behave in some other way."""

import socket
import ssl
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from threading import Thread

Behaviour = Callable[[socket.socket], None]


@contextmanager
def listening(behave: Behaviour, tls: ssl.SSLContext | None = None) -> Iterator[int]:
    """Serve connections on a free port, each by the behaviour; gives the port."""
    listener = socket.create_server(("127.0.0.1", 0))

    def serve() -> None:
        with suppress(OSError):
            while True:
                connection = listener.accept()[0]
                with suppress(OSError), connection:
                    behave(tls.wrap_socket(connection, server_side=True) if tls else connection)

    Thread(target=serve, daemon=True).start()
    yield listener.getsockname()[1]
    listener.close()


def answering(raw: bytes) -> Behaviour:
    def behave(connection: socket.socket) -> None:
        connection.recv(65536)
        connection.sendall(raw)

    return behave
