"""What a network should take on a device that is not at hand, from published figures alone.

`published` has the figures, each with its source; `launches` says what a graph makes a GPU do;
`reckoning` puts them together. Everything that comes of it is an estimate.
"""
