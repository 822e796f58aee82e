"""Where cases run. One protocol: ``execute(cases) -> iterator of results``, in any order."""
