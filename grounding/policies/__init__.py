"""Policies: a vision-language model behind one small interface."""
