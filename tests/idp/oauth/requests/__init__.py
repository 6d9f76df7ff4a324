"""What authorization requests say beyond their scopes."""
