"""OpenFlow 1.4 with Open vSwitch: encoding, decoding, one session per bridge, and the server they connect to.

os-ken defines the bytes; what it made once for a match field or an action list is kept and joined.
"""
