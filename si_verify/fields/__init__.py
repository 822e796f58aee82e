"""Raw-array formulas of the fields, their condition numbers and derivatives."""
