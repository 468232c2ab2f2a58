"""Scenarios for Mininet: each module is a pure graph (GRAPH), and a topology for `mn --custom` where Mininet is."""
