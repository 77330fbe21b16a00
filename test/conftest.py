"""For the tests of both packages: helpers beside this file can be imported, and Ctrl-C can be sent."""

import signal
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

# Shells start background jobs with SIGINT ignored; the processes of the tests would inherit that.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)
