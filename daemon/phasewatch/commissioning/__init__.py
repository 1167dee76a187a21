"""Finding meters on a line, and finding out why they do not answer: scan, doctor, init."""
