"""Ranges of VLANs and tunnel ids: what all projects may have is what is configured or shared, and nobody's own."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from controller.core import segment_ranges
from controller.core.net import Net
from controller.core.segment_ranges import NetworkSegmentRange
from controller.core.settings import Settings

bounds = st.tuples(st.integers(1, 20), st.integers(0, 6)).map(lambda pair: (pair[0], sum(pair)))


def values(ranges):
    return [number for low, high in ranges for number in range(low, high + 1)]


@given(st.lists(bounds, max_size=3), st.lists(st.tuples(bounds, st.booleans()), max_size=5))
def test_what_all_may_have(configured, made):
    rows = [
        NetworkSegmentRange(
            id=str(place), shared=shared, network_type="vxlan", minimum=low, maximum=high, project_id="p"
        )
        for place, ((low, high), shared) in enumerate(made)
    ]
    found = segment_ranges.common(Net(rows), Settings(tunnel_id_ranges=tuple(configured)), "vxlan", None)
    shared = {number for bound, is_shared in made if is_shared for number in values([bound])}
    own = {number for bound, is_shared in made if not is_shared for number in values([bound])}
    assert set(values(found)) == (set(values(configured)) | shared) - own
    if made:
        assert len(values(found)) == len(set(values(found)))
        assert found == sorted(found)
