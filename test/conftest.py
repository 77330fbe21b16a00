"""For the tests of both packages: helpers beside this file can be imported, and signals can be sent."""

import signal
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

# Shells start background jobs with SIGINT ignored, and nohup ignores SIGHUP; the processes that tests start
# would inherit that.
for number, handler in ((signal.SIGINT, signal.default_int_handler), (signal.SIGHUP, signal.SIG_DFL)):
    if signal.getsignal(number) is signal.SIG_IGN:
        signal.signal(number, handler)
