"""P3 inside one process: `python -m bench.p3_inside PORTS SAMPLES` prints milliseconds as JSON."""

from bench.engine import Inside  # isort: skip  (first: it is green)

import gc
import json
import sys

from bench.p3_one_more import _cloud
from controller.core.events import PortDesc, PortStatus


def main() -> None:
    count, samples = int(sys.argv[1]), int(sys.argv[2])
    cloud, later = _cloud(count, samples, real=0)
    inside = Inside(cloud, cloud.rows())
    inside.connect()
    gc.collect()
    took = []
    for place in later:
        port = PortDesc(place.ofport, cloud.tap(place.number), "")
        took.append(inside.settle([PortStatus(cloud.dpid(place.host), port, False)]) * 1000)
    print(json.dumps(took[samples:]))


if __name__ == "__main__":
    main()
