"""Data sets as `Sample`s: readers, the scene renderer, augmentation and mixing."""
