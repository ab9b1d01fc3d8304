"""How a policy is trained; `grounding.commands` makes whole runs of it.

In reading order. What every training has:

1. `config`: what can be set, and the check of it.
2. `data`: what can be set of data, and the samples of a run.
3. `examples`: from a sample to what a policy reads, ahead of the step that needs it.
4. `stages`: a run is a list of stages; most make a better policy of the one before.
5. `learning`: what stages share: what they are given, which weights move, how a trainer is run.
6. `steady`: transformers' trainer, which here can be killed at any moment.

Supervised stages:

7. `talks`: questions about one video and their answers, learnt from one reading of it.
8. `sft`: the stage for any model and data.
9. `lessons`: what a toy clip teaches the tiny policy.
10. `warmup`: the stage for the tiny policy.

Stages that train nothing:

11. `judges`: what they say about samples decides which of them later stages train on.

Reinforcement learning:

12. `objectives`: how completions come about, and how rewards become a gradient.
13. `groups`: the completions of one prompt, which are compared with one another.
14. `trainer`: TRL's GRPO, which here reads videos and keeps groups together.
15. `grpo`: the stage.
"""
