"""A reader of drawn numbers that shares nothing with what draws them, and scenes to measure marks on."""
