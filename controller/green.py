"""Green threads, before anything else: importing this patches the standard library, as eventlet needs it.

os-ken's hub would use native threads by default; all that waits here waits through it.
"""

import os
import warnings

os.environ.setdefault("OSKEN_HUB_TYPE", "eventlet")
warnings.filterwarnings("ignore", message=r"\s*Eventlet is deprecated")

import eventlet  # noqa: E402  (what is above decides how it is imported)

eventlet.monkey_patch()
