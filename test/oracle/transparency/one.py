"""one.py RESULTS LIMIT MODULE [TEST...]: runs the tests of one of CPython's test modules, or only those with these names, and
appends a line of JSON to RESULTS for each: [name, result, reason]. Those that are in RESULTS already are left out. A test
that takes longer than LIMIT seconds ends the process. Called by main.py, with or without the shim."""
import errno
import faulthandler
import json
import os
import re
import struct
import sys
import traceback
import unittest

# These hang on a kernel without a vsock transport, also without any shim.
LEFT_OUT = re.compile("vsock", re.IGNORECASE)
DID_NOT_END = "did not end"
# What differs from run to run and says nothing.
NOISE = re.compile(r"0x[0-9a-f]+|\b\d{3,}\b|\d+\.\d+|/tmp/\S+|_test_\d+\S*")


class Results(unittest.TestResult):
    """Tells how each test ended. A failed subtest fails its test."""

    def __init__(self, path, limit):
        super().__init__()
        self.limit = limit
        # Unbuffered and closed by exec: a line is there as soon as the test is over, whatever kills the process then.
        self.out = open(path, "ab", buffering=0)
        self.failed = None
        self.said = False

    def tell(self, name, result, reason=""):
        self.said = True
        self.out.write(json.dumps([name, result, NOISE.sub("N", reason)]).encode() + b"\n")

    def startTest(self, test):
        super().startTest(test)
        # What counts if nothing else follows: the test hangs, or its process dies.
        self.tell(test.id(), DID_NOT_END)
        self.failed, self.said = None, False
        faulthandler.dump_traceback_later(self.limit, exit=True)

    def stopTest(self, test):
        super().stopTest(test)
        # What comes between tests, and after the last one, has its limit too.
        faulthandler.dump_traceback_later(self.limit, exit=True)
        if self.failed:
            self.tell(test.id(), "failed", self.failed)
        elif not self.said:
            self.tell(test.id(), "ok")

    def fail(self, test, error):
        traceback.print_exception(*error)
        reason = error[0].__name__
        if isinstance(test, unittest.TestCase):
            self.failed = reason
        else:  # a setUpModule or setUpClass: none of its tests runs
            self.tell(str(test), "failed", reason)

    def addError(self, test, error):
        self.fail(test, error)

    def addFailure(self, test, error):
        self.fail(test, error)

    def addSubTest(self, test, subtest, error):
        if error:
            self.fail(test, error)

    def addSkip(self, test, reason):
        if isinstance(test, unittest.TestCase) and not hasattr(test, "params"):
            self.tell(test.id(), "skipped", reason)

    def addExpectedFailure(self, test, error):
        self.tell(test.id(), "failed as expected")

    def addUnexpectedSuccess(self, test):
        self.tell(test.id(), "succeeded against expectation")


def each(suite):
    for test in suite:
        if isinstance(test, unittest.TestSuite):
            yield from each(test)
        else:
            yield test


def done(path):
    """The names of the tests that RESULTS tells of, from a run of this module that did not come to its end."""
    if not os.path.exists(path):
        return set()
    with open(path) as lines:
        return {json.loads(line)[0] for line in lines}


def keep(suite, wanted, unwanted):
    """The same suite without what is left out; its nesting stays, which is how fixtures of classes work."""
    tests = []
    for test in suite:
        if isinstance(test, unittest.TestSuite):
            tests.append(keep(test, wanted, unwanted))
        elif not LEFT_OUT.search(test.id()) and (not wanted or test.id() in wanted) and test.id() not in unwanted:
            tests.append(test)
    return unittest.TestSuite(tests)


def abort_unless_shutdown():
    """What the policy of this name says, done by the program itself: every connection gets a zero linger as soon as it is
    there, and loses it when its FIN is out."""
    import socket

    def linger(sock, on):
        if sock.family in (socket.AF_INET, socket.AF_INET6) and sock.type == socket.SOCK_STREAM:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", on, 0))

    plain = socket.socket
    accept, connect, connect_ex, shutdown = plain.accept, plain.connect, plain.connect_ex, plain.shutdown

    def new_accept(self):
        connection, address = accept(self)
        linger(connection, 1)
        return connection, address

    def new_connect(self, address):
        try:
            connect(self, address)
        except BlockingIOError:
            linger(self, 1)
            raise
        linger(self, 1)

    def new_connect_ex(self, address):
        result = connect_ex(self, address)
        if result in (0, errno.EINPROGRESS):
            linger(self, 1)
        return result

    def new_shutdown(self, how):
        shutdown(self, how)
        if how != socket.SHUT_RD:
            linger(self, 0)

    plain.accept, plain.connect, plain.connect_ex, plain.shutdown = new_accept, new_connect, new_connect_ex, new_shutdown


def main():
    path, limit, module, wanted = sys.argv[1], int(sys.argv[2]), sys.argv[3], set(sys.argv[4:])
    # As in the tests' own runner, where "network" and "cpu" are asked for. Nothing outside can be reached here.
    from test import support
    from test.support import os_helper
    support.use_resources = ["network", "cpu"]
    support.verbose = 0
    unwanted = done(path)
    results = Results(path, limit)
    mapped = open("/proc/self/maps").read()
    if not all(library in mapped for library in os.environ.get("LD_PRELOAD", "").split(":")):
        sys.exit("one.py: the shim is not loaded")
    if os.environ.pop("TRANSPARENCY_EMULATE", None):
        abort_unless_shutdown()
    # A name of its own: a process that was ended before has left its directory.
    with os_helper.temp_cwd("cwd-%d" % os.getpid()):
        try:
            suite = keep(unittest.defaultTestLoader.loadTestsFromName("test." + module), wanted, unwanted)
        except unittest.SkipTest as skip:
            results.tell(module, "skipped", str(skip))
            return
        suite.run(results)
        results.tell(module, "ran to its end")


if __name__ == "__main__":
    main()
