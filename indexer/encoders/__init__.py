"""Contrastive encoders of patterns and crystals: their training pairs, models and training.

`crystals` makes training crystals (`python -m indexer.encoders.packing` writes them into one
file); everything that trains reads that file and imports torch and numpy only, so that it runs
on a machine that has nothing else.
"""
