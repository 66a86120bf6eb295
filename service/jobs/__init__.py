"""Long work: kept in a database, done in processes of its own, one after the other."""
