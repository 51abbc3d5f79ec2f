"""A real cluster without containers, and what the chart has to show on it: see `helm/cluster`."""
