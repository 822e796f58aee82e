"""Seeded faults: wrong implementations the suite must reject. Each module exports FAULT or FAULTS."""
