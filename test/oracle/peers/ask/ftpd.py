"""ftpd DIRECTORY: pyftpdlib, for uploads of an anonymous user. Says "port N"."""

import logging
import sys
import warnings

from pyftpdlib.authorizers import DummyAuthorizer
from pyftpdlib.handlers import FTPHandler
from pyftpdlib.servers import FTPServer

logging.disable()
warnings.simplefilter("ignore")
authorizer = DummyAuthorizer()
authorizer.add_anonymous(sys.argv[1], perm="elradfmw")
FTPHandler.authorizer = authorizer
server = FTPServer(("127.0.0.1", 0), FTPHandler)
print("port", server.socket.getsockname()[1], flush=True)
server.serve_forever()
