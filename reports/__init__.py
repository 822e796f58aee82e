"""Records to HTML: pages that only read what was measured. The entry is ``reports.render.render``."""
