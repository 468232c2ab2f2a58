"""Keystone in small: the v3 calls that clients of the network API make, and the v2.0 subset that oVirt makes.

Projects, users and role assignments are rows (`controller.core.accounts`); tokens are self-contained, so whoever has
the rows can verify one.
"""
