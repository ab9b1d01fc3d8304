"""From a question to a 3D mask: which seconds, which box, which pixels, which points; every step can be exchanged."""
