"""Quantum's API v1.0 and v1.1 over the rows of v2.0: networks, ports, and attachments, by tenant.

A tenant is a project.  A port is one without addresses that is not protected (VMs give themselves theirs); its `state`
is `admin_state_up`.  Its attachment is the VIF whose `iface-id` it names (`core.model.Attachment`).
"""
