"""Workloads: modules that export WORKLOAD or WORKLOADS, found by walking this package."""
