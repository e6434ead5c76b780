"""A package of a user: only its name matters here."""
