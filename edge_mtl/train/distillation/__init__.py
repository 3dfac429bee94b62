"""Distillation while training: the student also learns how sure a teacher is, of every class."""
