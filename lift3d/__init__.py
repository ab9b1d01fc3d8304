"""RGB-D frames and 2D masks to 3D instance masks; nothing of it is built yet."""
