"""The template collection: patterns that recur in a library, paired with what recurs of structure.

After UstcUnfold (Fig. 2a): entries are grouped by the interval of their strongest peak, k-means
clusters the patterns of a group, and what the members nearest a centroid have in common of their
frameworks and coordination polyhedra is kept.
"""
