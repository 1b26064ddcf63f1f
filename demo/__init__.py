"""The demo: real customers taken through their lives in front of the reader's eyes. Acceptance tests drive the same code."""
