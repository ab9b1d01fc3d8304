"""Training: warm-up, the video GRPO trainer, and what a run writes."""
