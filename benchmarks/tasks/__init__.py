"""Tasks of published benchmarks: simulators, references and the protocol of the comparison."""
