"""What the four services have in common: fetch, lay the data, start, ask, set up inside, stop."""

import errno
import shutil
import time

from .errors import StackError
from .process import Daemon
from .waiting import port_is_free, until


class Service:
    """One real system. A subclass says how its parts are fetched, how it starts, and what a good answer is."""

    name = ""
    # Keys of ports.env that it listens on; the first one is its address.
    port_keys = ()
    # What stops it in order; PostgreSQL has its own idea.
    stop_signal = 15

    def __init__(self, settings, cache, terminal):
        self.settings, self.cache, self.terminal = settings, cache, terminal
        self.version = settings.versions[self.name]
        self.folder = settings.state / self.name
        self.data = self.folder / "data"
        self.log = settings.state / f"{self.name}.log"
        self.daemon = Daemon(self.name, self.folder, self.log)
        self.child = None
        self.took = 0.0

    # What a subclass says.

    def prepare(self):
        """Fetches and builds what is missing in the cache."""
        raise NotImplementedError

    def lay(self):
        """Fills the empty `self.data`."""
        raise NotImplementedError

    def command(self):
        """The command, environment and working folder that start it."""
        raise NotImplementedError

    def answers(self):
        """One question in its own protocol; true when it serves."""
        raise NotImplementedError

    # Names what `set_up` would make: when it changes, the set-up is done again.
    set_up_key = ""

    def set_up(self):
        """What has to exist inside before anybody works with it. May be done again."""

    # What is the same for all.

    @property
    def port(self):
        """The port of its address."""
        return self.settings.port(self.port_keys[0])

    @property
    def address(self):
        """Where clients reach it."""
        return f"127.0.0.1:{self.port}"

    def say(self, what):
        """Tells a person what is going on."""
        self.terminal.say(self.name, what)

    def running(self):
        """Whether our process lives."""
        return self.daemon.pid() is not None

    def up(self):
        """Brings it up from whatever state it is in; `took` then says how long that was."""
        begin = time.monotonic()
        if not self.running():
            self.prepare()
            self._lay_once()
            self.say(f"starting {self.version}")
            self.start()
        self.wait()
        self.set_up_once()
        self.took = time.monotonic() - begin
        self.say(f"ready after {self.took:.1f} s")

    def start(self):
        """Starts the process; `wait` tells when it serves."""
        command, env, cwd = self.command()
        self.child = self.daemon.start(command, env, cwd)

    def wait(self):
        """Until it answers."""
        until(self.answers, self.name, self.child, self.log)

    def down(self, kill=False):
        """Stops it; true if it ran."""
        return self.daemon.stop(kill, self.stop_signal)

    def forget(self):
        """Removes its data."""
        shutil.rmtree(self.folder, ignore_errors=True)

    def has_data(self):
        """Whether there is data from an earlier time."""
        return self._version_file.exists()

    @property
    def _version_file(self):
        return self.folder / "version"

    def check_version(self):
        """Raises when the kept data is of another version than the one asked for."""
        kept = self._version_file.read_text().strip() if self.has_data() else self.version
        if kept != self.version:
            raise StackError(
                f"{self.name}: the data of stack {self.settings.name!r} is of version {kept}, asked for is {self.version}: "
                "`stack reset` forgets it, another STACK keeps it")

    def _lay_once(self):
        if self.has_data():
            return
        self.forget()
        self.folder.mkdir(parents=True)
        self.folder.chmod(0o755)
        try:
            self.lay()
        except OSError as error:
            if error.errno == errno.ENOSPC:
                raise StackError(f"{self.name}: the disk is full ({self.folder})") from error
            raise
        # Last, so that a half-laid folder is laid again.
        self._version_file.write_text(self.version + "\n")

    def set_up_once(self):
        """Sets it up unless that was done with what it is made from now."""
        done = self.folder / "set-up"
        if not done.exists() or done.read_text() != self.set_up_key:
            self.set_up()
            done.write_text(self.set_up_key)

    def check_ports(self):
        """Raises when somebody else listens where it would."""
        for key in self.port_keys:
            if not port_is_free(self.settings.port(key)):
                raise StackError(
                    f"{self.name}: port {self.settings.port(key)} ({key}) is in use by a program that this stack did not "
                    "start: end it, or set STACK_PORT_OFFSET")
