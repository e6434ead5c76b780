"""Is the graph what the function is? Ordinary and stress rows, several batch sizes, two runtimes, no doubt left."""
