"""How fast the hot paths are, beside their budgets: `python -m bench`. It measures and never judges a build; nothing imports it."""
