"""To take over the database of a Neutron (ML2) or a Quantum: what is in it becomes rows, with the ids that it has.

`source` reads tables, `neutron` and `quantum_v1` say what their rows are here, `claims` finds what would clash, and
`command` is `patchbay import`.
"""
