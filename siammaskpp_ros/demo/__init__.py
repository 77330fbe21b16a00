"""The demo: a camera that plays a video, a client that records the results, and a program for both."""
