"""Segments over REST: each of what carries a network as a resource of its own, which subnets can be on.

Networks with subnets on segments are routed networks (controller/core/plans/routed.py).
"""

from __future__ import annotations

from controller.core.app import App
from controller.core.model import Segment
from controller.core.plans import segments
from controller.core.resource import PROJECT_ID, Computed
from controller.core.row import Attribute

app = App("segments")
app.extension("segment", "Segment", "The segments of networks, and subnets on them.", "2016-02-24T17:00:00-00:00")
app.extension(
    "standard-attr-segment",
    "Standard Attribute Segment Extension",
    "Segments have a description, times and a revision number.",
    "2018-04-09T10:00:00-00:00",
)
app.extension(
    "subnet-segmentid-writable",
    "Subnet SegmentID (writable)",
    "A network becomes a routed one when its subnet is given a segment.",
    "2018-03-12T00:00:00-00:00",
)
app.extension(
    "subnet-segmentid-enforce",
    "Subnet SegmentID (policy enforced)",
    "Who may put a subnet on a segment is a matter of policy.",
    "2018-09-04T00:00:00-00:00",
)

OWNER = Attribute(PROJECT_ID, put=False, check="string", shown=False, filter=False)
"""Clients may say whose a segment is, and nobody is told: it is its network's."""

app.resource(
    "segment",
    "segments",
    Segment,
    segments.create,
    segments.change,
    segments.delete,
    computed=(Computed("", OWNER, lambda net, segment: ""),),
)
