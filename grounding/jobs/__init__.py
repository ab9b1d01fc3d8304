"""What any long run needs: a lock, checkpoints, a log, worker processes, and the other processes of a launch."""
