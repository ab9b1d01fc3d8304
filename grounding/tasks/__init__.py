"""Tasks: prompt, parser, decoding, rewards and metrics, one file a task."""
