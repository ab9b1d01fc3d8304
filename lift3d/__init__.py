"""RGB-D frames and 2D masks to 3D instance masks, boxes and files, without torch; `lift3d.lift` and `lift3d.cli`."""
