"""The pure heart of Patchbay: rows in, flows out.  No clock, no randomness, no input or output."""
