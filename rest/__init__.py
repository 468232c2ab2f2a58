"""The REST API: Neutron's v2.0, and `/patchbay/v1` to look inside.

`wsgi.application(store, settings)` is the whole of it, a WSGI callable; whoever has a server serves it.
"""
