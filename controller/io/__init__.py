"""The edges: one module per outside system, each using the one library that speaks to it."""
