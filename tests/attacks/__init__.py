"""Attacks that once worked, done for real: each test succeeds only if its attack fails."""
