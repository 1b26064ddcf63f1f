"""A real Kubernetes cluster of one node on this machine, for tests: nothing of it is left when its first process ends."""
