"""What benchmarks/fuzz.py is made of: mutations of valid input, the targets that read it, and the verdict on each case."""
