"""Curricula: which samples a run draws, when, and how they are changed.

In reading order. What is drawn and changed:

1. `order`: all draws of a run, as its seed decides them.
2. `scores`, `selection`: how difficult samples are, and weights by it.
3. `masking`: frames that are hidden at first.
4. `table`: the curricula by name.

What is known of samples before they train:

5. `replies`, `store`: questions about samples, and the file that keeps what was replied.
6. `backends`, `server`: who is asked. `chat`, `messages` and `side_by_side` talk to a server.
7. `votes`, `reflection`, `reflected`: which annotations are partial.
8. `difficulty`: which samples are easy, hard or dead.
"""
