"""si_verify: verification and benchmarks for stochastic interpolants, flows and diffusions."""
