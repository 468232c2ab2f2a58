"""The demo (`make demo`) and the testbed it shares with the tests: simulated hypervisors with real Open vSwitch."""
