"""The examples, each run against the service as its reader would."""
