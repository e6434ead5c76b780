"""A package of a user: only its name and its defaults matter here."""
