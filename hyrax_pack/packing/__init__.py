"""Step 5: everything that is proven goes into one file."""
