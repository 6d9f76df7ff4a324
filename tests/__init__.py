"""The tests mirror the source; `flows/` walks journeys, `interop/` meets independent implementations, `browser/` drives chromium."""
