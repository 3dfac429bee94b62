"""How what a frame costs grows: a file a quantity, with rows in `QUANTITIES` of `scaling.py`.

A quantity is measured at several sizes in turn (`interleaved`), fitted (`fit`), and told as curves
with a sentence on where it next becomes the limit (`curve`).
"""
