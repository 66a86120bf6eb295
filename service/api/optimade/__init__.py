"""The library as an OPTIMADE database of structures, for programs that speak to many of them.

Andersen et al., OPTIMADE, an API for exchanging materials data, Sci. Data 8 (2021) 217. Models and
grammar are those of `optimade-python-tools`; its server is not used, because it is made for
databases of documents and is configured once for a whole process.
"""
