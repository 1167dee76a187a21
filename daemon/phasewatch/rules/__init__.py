"""One file is one rule: a point and its picture become conditions."""
