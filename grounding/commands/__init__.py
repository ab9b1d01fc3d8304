"""Whole runs, as scripts/train.py and scripts/evaluate.py start them.

In reading order:

1. `options`: what a command line, or a saved configuration, amounts to.
2. `train`: a run from configuration to run folder; its stages are those of `grounding.training`.
3. `folder`: the run folder, made anew or found again by a resumed run.
4. `outcome`: the evaluations before and after the last stage, and the report.
5. `ledger`: what each part of a run cost.
6. `leaks`: what masked videos give away, of a run that masks.
7. `memory`: what GRPO will take of a GPU.
8. `evaluate`: the figures of a saved model.
"""
