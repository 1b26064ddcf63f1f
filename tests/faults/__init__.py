"""Deaths at every step of a move, and what is left of them."""
