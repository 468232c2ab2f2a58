"""One file per feature.  Every module here is loaded by `controller.core.app.load` in alphabetical order."""
