"""Patchbay's controller: a pure core (`core`), the edges (`io`) and the command line (`__main__`)."""
