"""Files for the next tool: one module a format, one line each in the table of `lift3d.export`."""
