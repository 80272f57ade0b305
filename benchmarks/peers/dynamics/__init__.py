"""One module a contender of `benchmarks/dynamics.py`; each has `make(case)`."""
