"""A broker that says nothing but shakes hands, with a certificate of an authority made for it."""

import contextlib
import socket
import ssl
import threading

from . import tools


def free_address():
    """On loopback; nobody listens there now."""
    with socket.socket() as attempt:
        attempt.bind(("127.0.0.1", 0))
        return f"127.0.0.1:{attempt.getsockname()[1]}"


class Authority:
    """A root, and a certificate of it for 127.0.0.1."""

    def __init__(self, folder):
        self.root, self.chain = folder / "root.pem", folder / "broker.pem"
        key = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2"]
        tools.run(["openssl", "req", "-x509", *key, "-subj", "/CN=root of ours", "-keyout", folder / "root.key", "-out", self.root])
        tools.run(["openssl", "req", "-x509", *key, "-subj", "/CN=broker of ours", "-addext", "subjectAltName=IP:127.0.0.1",
                   "-addext", "basicConstraints=critical,CA:FALSE", "-CA", self.root, "-CAkey", folder / "root.key",
                   "-keyout", folder / "broker.key", "-out", self.chain])
        self.root.chmod(0o644)
        self.key = folder / "broker.key"

    @contextlib.contextmanager
    def listening(self):
        """A listener that is closed at the end."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        # Of version 1.3 the server's part ends before the client has judged.
        context.maximum_version = ssl.TLSVersion.TLSv1_2
        context.load_cert_chain(self.chain, self.key)
        with socket.create_server(("127.0.0.1", 0)) as server:
            yield Broker(server, context)


class Broker:
    """Takes one connection."""

    def __init__(self, server, context):
        self.address = f"127.0.0.1:{server.getsockname()[1]}"
        self._server, self._context, self._found = server, context, "nobody came"
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()

    def first_handshake(self, patience):
        """None when it was made; otherwise why not."""
        self._thread.join(patience)
        return self._found

    def _serve(self):
        try:
            connection, _ = self._server.accept()
            with self._context.wrap_socket(connection, server_side=True):
                self._found = None
        except OSError as error:
            self._found = error
