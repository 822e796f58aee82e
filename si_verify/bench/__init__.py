"""How fast: right implementations of the same task timed side by side, against ceilings of this machine."""
