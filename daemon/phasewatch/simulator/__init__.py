"""A five-wire feeder solved for its phasors, seen through simulated meters."""
