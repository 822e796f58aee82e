"""Learning the fields: objectives, their exact minima, networks, training, and what the checks of drifts share."""
